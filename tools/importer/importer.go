package importer

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/lint"
	"external-services/tools/values"
)

// Options say how objects become values.
type Options struct {
	// ReleaseNamespace is where the release will be. Entries of it are written without a
	// namespace. Empty, every entry has the namespace that it was read with.
	ReleaseNamespace string

	// Chart is the folder or archive of the chart that the values are for, by default the
	// one that is built in.
	Chart string

	// Progress, where it is set, is told how many entries the chart has checked.
	Progress func(what string, count int)
}

// Result is what objects become.
type Result struct {
	// Values is the values file.
	Values []byte

	// Entries is how many entries it has, and Held how many more stand in it as a comment.
	Entries, Held int

	// Losses is how many things were not carried over: each stands in a comment. Entries
	// that are held and objects that are left out count, unless those are not what import
	// is for, such as the Services of pods.
	Losses int

	entries []*entry
}

// Outcome is what became of a Service that was imported.
type Outcome struct {
	Namespace, Name string

	// Losses say what was not carried over, Remarks what surprises, and Held why the entry
	// is a comment.
	Losses, Remarks, Held []string
}

// Outcomes says what became of each Service, in the order of the entries. The namespace of
// one that the release namespace is written for is empty.
func (r *Result) Outcomes() []Outcome {
	var outcomes []Outcome
	for _, e := range r.entries {
		namespaces := e.Namespaces
		if len(namespaces) == 0 {
			namespaces = []string{e.Namespace}
		}
		for _, namespace := range namespaces {
			outcomes = append(outcomes, Outcome{namespace, e.Name, e.Losses, e.Remarks, e.Held})
		}
	}
	return outcomes
}

// Import makes values of what was read. The chart itself judges each entry; what it
// refuses goes from the entry where it is a part that may be left out, and otherwise the
// entry becomes a comment with the chart's reason. The same objects give the same values,
// in whatever order they were read.
func Import(o *Objects, options Options) (*Result, error) {
	if len(o.services)+len(o.endpoints)+len(o.slices)+len(o.left) == 0 {
		return nil, fmt.Errorf("no Service was read from %s%s: there is nothing to import", strings.Join(slices.Sorted(maps.Keys(o.sources)), ", "), o.otherKinds(" (only %s)"))
	}
	sources, left := o.gather()
	if kinds := o.otherKinds("%s"); kinds != "" {
		left = append(left, leftOut{kinds, "import is for Services, Endpoints and EndpointSlices", false})
	}
	result := &Result{}
	for _, l := range left {
		if l.loss {
			result.Losses++
		}
	}
	var entries []*entry
	for _, s := range sources {
		e := s.convert()
		if e.Namespace == options.ReleaseNamespace {
			e.Namespace = ""
		}
		e.Held, e.Losses, e.Remarks = unique(e.Held), unique(e.Losses), unique(e.Remarks)
		entries = append(entries, e)
	}
	holdTwins(entries, options.ReleaseNamespace)
	var err error
	if result.entries, err = merge(entries); err != nil {
		return nil, err
	}
	judge, checked := &judge{options: options}, 0
	for chunk := range slices.Chunk(result.entries, chunkSize) {
		if err := judge.judge(chunk); err != nil {
			return nil, err
		}
		checked += len(chunk)
		if options.Progress != nil {
			options.Progress("entries checked", checked)
		}
	}

	var list strings.Builder
	for _, e := range result.entries {
		result.Losses += len(e.Losses)
		if len(e.Held) > 0 {
			result.Held++
			result.Losses++
		} else {
			result.Entries++
		}
		list.WriteString("\n")
		if err := e.write(&list); err != nil {
			return nil, err
		}
	}
	var out strings.Builder
	result.head(&out, o, left)
	out.WriteString("services:")
	if len(result.entries) == 0 {
		out.WriteString(" []")
	}
	out.WriteString(strings.TrimSuffix("\n"+strings.TrimPrefix(list.String(), "\n"), "\n") + "\n")
	result.Values = []byte(out.String())
	return result, nil
}

// holdTwins holds the second of two entries that would land in one namespace: one that was
// read with the release namespace, and one that was read without any.
func holdTwins(entries []*entry, release string) {
	release = cmp.Or(release, "default")
	seen := map[types.NamespacedName]bool{}
	for _, e := range entries {
		key := types.NamespacedName{Namespace: cmp.Or(e.Namespace, release), Name: e.Name}
		if seen[key] {
			e.hold("another Service of the name was read for the namespace %s, one of the two without a namespace: keep one of them", key.Namespace)
		}
		seen[key] = true
	}
}

// counts says how many objects were read.
func (o *Objects) counts() string {
	var parts []string
	for _, kind := range []struct{ one, many string }{{"Service", "Services"}, {"Endpoints", "Endpoints"}, {"EndpointSlice", "EndpointSlices"}} {
		switch count := o.read[kind.one]; count {
		case 0:
		case 1:
			parts = append(parts, "1 "+kind.one)
		default:
			parts = append(parts, strconv.Itoa(count)+" "+kind.many)
		}
	}
	if len(parts) == 0 {
		return "nothing that can be imported"
	}
	return strings.Join(parts, ", ")
}

// otherKinds says how many objects of other kinds were read, in a format with one string.
func (o *Objects) otherKinds(format string) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(o.others)) {
		parts = append(parts, fmt.Sprintf("%d of the kind %s", o.others[kind], kind))
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf(format, strings.Join(parts, ", "))
}

// Summary says in a few words what became of the objects.
func (r *Result) Summary(o *Objects) string {
	text := fmt.Sprintf("read %s: %d entries", o.counts(), r.Entries)
	if r.Entries == 1 {
		text = fmt.Sprintf("read %s: 1 entry", o.counts())
	}
	if r.Held > 0 {
		text += fmt.Sprintf(", and %d as comments", r.Held)
	}
	switch r.Losses {
	case 0:
		return text + ", everything carried over"
	case 1:
		return text + "; 1 thing was not carried over, which a comment explains"
	}
	return text + fmt.Sprintf("; %d things were not carried over, which comments explain", r.Losses)
}

// chunkSize is how many entries are rendered at once, which bounds the memory.
const chunkSize = 250

// judge asks the chart about entries.
type judge struct{ options Options }

// judge has the chart render entries as they will stand in the file. Of those that it
// refuses together it looks at each half, down to the single entry.
func (j *judge) judge(entries []*entry) error {
	refused, err := j.refuses(entries)
	if err != nil || !refused {
		return err
	}
	if len(entries) == 1 {
		return j.trim(entries[0])
	}
	half := len(entries) / 2
	if err := j.judge(entries[:half]); err != nil {
		return err
	}
	return j.judge(entries[half:])
}

// valuesOf is a values file with entries that are not held.
func valuesOf(entries []*entry) ([]byte, error) {
	text := []byte("services:\n")
	for _, e := range entries {
		if len(e.Held) > 0 {
			continue
		}
		item, err := e.yaml()
		if err != nil {
			return nil, err
		}
		text = append(text, item...)
	}
	return text, nil
}

// release is what entries are rendered for.
func (j *judge) release() helm.Release {
	return helm.Release{Name: "import", Namespace: j.options.ReleaseNamespace}
}

// refuses says whether the chart refuses the entries that are not held.
func (j *judge) refuses(entries []*entry) (bool, error) {
	text, err := valuesOf(entries)
	if err != nil {
		return false, err
	}
	vals, err := helm.Parse(text)
	if err != nil {
		return false, fmt.Errorf("read the values that were written: %w", err)
	}
	chart, err := helm.Open(j.options.Chart)
	if err != nil {
		return false, err
	}
	_, err = helm.Render(chart, j.release(), vals)
	return err != nil, nil // what is wrong says lint
}

// optional is a field that an entry can be without.
var optional = regexp.MustCompile(`^(?:(labels|annotations)|addresses\[(\d+)\]\.(hostname|zone)|ports\[(\d+)\]\.(appProtocol))$`)

// trim takes away what the chart refuses and an entry can be without, and holds the entry
// where the chart still refuses it.
func (j *judge) trim(e *entry) error {
	for {
		faults, err := j.faults(e)
		if err != nil {
			return err
		}
		findings, err := j.lint([]*entry{e})
		if err != nil {
			return err
		}
		// The templates alone name the key of a label that they refuse, and lint alone says what the
		// schema refuses.
		for _, finding := range findings {
			fault := faultOf(finding)
			if !slices.ContainsFunc(faults, func(f helm.Fault) bool { return f.Field == fault.Field && f.Key == fault.Key }) {
				faults = append(faults, fault)
			}
		}
		trimmed := false
		for _, fault := range faults {
			trimmed = e.drop(fault) || trimmed
		}
		if !trimmed {
			j.hold(e, findings)
			return nil
		}
	}
}

// pairField is the field of a finding about one label or annotation.
var pairField = regexp.MustCompile(`^(labels|annotations)(?:\.(.+)|\[(".+")\])$`)

// faultOf is a finding about the format of a value, which the schema refuses, as the chart's templates
// would name it.
func faultOf(finding findings.Finding) helm.Fault {
	fault := helm.Fault{Field: finding.Field, Problem: finding.Message}
	if match := pairField.FindStringSubmatch(finding.Field); match != nil {
		fault.Field, fault.Key = match[1], match[2]
		if key, err := strconv.Unquote(match[3]); err == nil {
			fault.Key = key
		}
	}
	return fault
}

// drop takes away what a fault is about, and says whether it did.
func (e *entry) drop(fault helm.Fault) bool {
	match := optional.FindStringSubmatch(fault.Field)
	if match == nil {
		return false
	}
	lose := func(what string) { e.lose(what, "%s", fault.Problem) }
	at := func(i int) int {
		n, err := strconv.Atoi(match[i])
		if err != nil {
			return -1
		}
		return n
	}
	switch {
	case match[1] != "":
		pairs := map[string]values.Pairs{"labels": e.Labels, "annotations": e.Annotations}[match[1]]
		value, ok := pairs[fault.Key]
		if !ok || value == nil {
			return false
		}
		delete(pairs, fault.Key)
		lose(fmt.Sprintf("%s %s=%s", strings.TrimSuffix(match[1], "s"), fault.Key, *value))
	case match[3] == "hostname" && at(2) < len(e.Addresses):
		address := &e.Addresses[at(2)]
		lose(fmt.Sprintf("hostname %s of %s", address.Hostname, address.IP))
		address.Hostname = ""
	case match[3] == "zone" && at(2) < len(e.Addresses):
		address := &e.Addresses[at(2)]
		lose(fmt.Sprintf("zone %s of %s", address.Zone, address.IP))
		address.Zone = ""
	case match[5] != "" && at(4) < len(e.Ports):
		port := &e.Ports[at(4)]
		lose(fmt.Sprintf("appProtocol %s of port %d", port.AppProtocol, port.Port))
		port.AppProtocol = ""
	default:
		return false
	}
	return true
}

// faults asks the chart's templates, which name the field and key of each fault.
func (j *judge) faults(e *entry) ([]helm.Fault, error) {
	text, err := valuesOf([]*entry{e})
	if err != nil {
		return nil, err
	}
	vals, err := helm.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read the values that were written: %w", err)
	}
	chart, err := helm.Open(j.options.Chart)
	if err != nil {
		return nil, err
	}
	run, err := helm.Prepare(chart, j.release(), vals)
	if err != nil {
		return nil, err
	}
	parts, err := run.Faults()
	if err != nil {
		return nil, err
	}
	if len(parts) != 1 {
		return nil, errors.New("the chart is not external-services: write its folder or archive as --chart")
	}
	return parts[0], nil
}

// lint says what is wrong with entries in the words of lint.
func (j *judge) lint(entries []*entry) ([]findings.Finding, error) {
	text, err := valuesOf(entries)
	if err != nil {
		return nil, err
	}
	chart, err := helm.Open(j.options.Chart)
	if err != nil {
		return nil, err
	}
	list, err := lint.Run(lint.Options{Chart: chart, ChartName: "values.yaml", Release: j.release(), Files: []lint.File{{Name: "values.yaml", Text: text}}})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(f findings.Finding) bool { return f.Severity != findings.Error }), nil
}

func (j *judge) hold(e *entry, list []findings.Finding) {
	for _, finding := range list {
		finding.Entry = ""
		e.hold("%s", lint.Sentence(finding))
	}
	e.Held = unique(e.Held)
}
