package importer

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"external-services/tools/findings"
	"external-services/tools/service"
	"external-services/tools/values"
)

// Options say how objects become values.
type Options struct {
	// ReleaseNamespace is where the release will be: its entries are written without a namespace. Without it,
	// every entry has the namespace that it was read with.
	ReleaseNamespace string

	// Chart is the folder or archive of the chart that reads the values, by default the built-in one.
	Chart string

	// Progress, if it is set, is called with how many entries the chart has checked.
	Progress func(what string, count int)
}

// Result is what objects become: the document that extsvc import -o json prints.
type Result struct {
	// Entries are the entries of the values file, and NotImported those that are comments in it, with a finding
	// that says why.
	Entries     []values.Entry `json:"entries"`
	NotImported []values.Entry `json:"notImported"`

	// Findings say what is not imported or not carried over (warnings), and what may surprise (hints). Those of
	// an entry name it, once for each of its namespaces; the namespace of the release is empty.
	Findings []findings.Finding `json:"findings"`

	// LeftOut are objects that are not for import.
	LeftOut []LeftOut `json:"leftOut"`

	// Read is how many objects were read of each kind.
	Read Counts `json:"read"`

	// Values is the values file.
	Values []byte `json:"-"`
}

// LeftOut is an object, or a number of objects, that is not for import.
type LeftOut struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	Count     int    `json:"count,omitempty"` // instead of a name
	Reason    string `json:"reason"`
}

// String names the objects: "Service shop/db", "Secret (2)".
func (l LeftOut) String() string {
	if l.Count > 0 {
		return fmt.Sprintf("%s (%d)", l.Kind, l.Count)
	}
	return l.Kind + " " + service.Key{Namespace: l.Namespace, Name: l.Name}.String()
}

// Counts are numbers of objects.
type Counts struct {
	Services       int `json:"services"`
	Endpoints      int `json:"endpoints"`
	EndpointSlices int `json:"endpointSlices"`
}

// String prints the kinds of which there are objects.
func (c Counts) String() string {
	text := ""
	add := func(count int, one, many string) {
		if count > 0 {
			text += ", " + number(count, one, many)
		}
	}
	add(c.Services, "Service", "Services")
	add(c.Endpoints, "Endpoints", "Endpoints")
	add(c.EndpointSlices, "EndpointSlice", "EndpointSlices")
	return cmp.Or(strings.TrimPrefix(text, ", "), "nothing to import")
}

func number(count int, one, many string) string {
	if count == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", count, many)
}

// Summary says in a few words what the objects became.
func (r *Result) Summary() string {
	text := fmt.Sprintf("read %s: %s", r.Read, number(len(r.Entries), "entry", "entries"))
	if count := len(r.NotImported); count > 0 {
		text += fmt.Sprintf(", %d not imported", count)
	}
	warnings := 0
	for _, f := range r.Findings {
		if f.Severity == findings.Warning {
			warnings++
		}
	}
	if warnings == 0 {
		return text + ", everything carried over"
	}
	return text + ", " + number(warnings, "warning", "warnings")
}

// Import makes values of objects. The chart itself checks each entry: what it refuses is removed if an entry
// works without it, and otherwise the entry becomes a comment. The same objects give the same values, in
// whatever order they were read.
func Import(o *Objects, options Options) (*Result, error) {
	entries, leftOut, unmatched := o.group()
	read := Counts{len(o.byKind[kindService]), len(o.byKind[kindEndpoints]), len(o.byKind[kindSlice])}
	if read == (Counts{}) && len(unmatched) == 0 {
		text := "nothing to import: no Service, Endpoints or EndpointSlice in " + o.sourceNames()
		for i, l := range leftOut {
			text += []string{", only ", ", "}[min(i, 1)] + l.String()
		}
		return nil, errors.New(text)
	}
	for _, e := range entries {
		e.fill()
		e.addRoutes()
		if e.Namespace == options.ReleaseNamespace {
			e.Namespace = ""
		}
	}
	refuseTwins(entries, cmp.Or(options.ReleaseNamespace, "default"))
	entries = merge(entries)
	checked := 0
	for chunk := range slices.Chunk(entries, entriesPerCheck) {
		if err := check(chunk, options); err != nil {
			return nil, err
		}
		if checked += len(chunk); options.Progress != nil {
			options.Progress("entries checked", checked)
		}
	}
	result := &Result{Entries: []values.Entry{}, NotImported: []values.Entry{}, Findings: unmatched, LeftOut: leftOut}
	result.Read = read
	for _, e := range entries {
		result.add(e)
	}
	result.Values = valuesFile(o.sourceNames(), result, unmatched, entries)
	return result, nil
}

func (o *Objects) sourceNames() string {
	return strings.Join(slices.Sorted(maps.Keys(o.sources)), ", ")
}

// add adds an entry and its findings.
func (r *Result) add(e *entry) {
	if e.refused {
		r.NotImported = append(r.NotImported, e.Entry)
	} else {
		r.Entries = append(r.Entries, e.Entry)
	}
	namespaces := e.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{e.Namespace}
	}
	for _, namespace := range namespaces {
		for _, f := range e.findings {
			f.Namespace = namespace
			r.Findings = append(r.Findings, f)
		}
	}
}

// refuseTwins refuses the second of two entries of one name in one namespace: one was read with the release
// namespace, and the other one without any.
func refuseTwins(entries []*entry, releaseNamespace string) {
	seen := map[service.Key]bool{}
	for _, e := range entries {
		key := service.Key{Namespace: cmp.Or(e.Namespace, releaseNamespace), Name: e.Name}
		if seen[key] {
			e.refuse("keep one of them", "two Services of this name are for the namespace %s, one of them without a namespace",
				key.Namespace)
		}
		seen[key] = true
	}
}

// merge sorts entries by name and namespace, and makes one of those that differ only in the namespace. One
// without a namespace, for the release namespace, stays alone.
func merge(entries []*entry) []*entry {
	slices.SortStableFunc(entries, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Namespace, b.Namespace))
	})
	var merged []*entry
	same := map[string]*entry{}
	for _, e := range entries {
		if e.Namespace == "" {
			merged = append(merged, e)
			continue
		}
		alike := e.Entry
		alike.Namespace = ""
		text := string(marshal([]any{alike, e.findings}))
		first := same[text]
		if first == nil {
			same[text] = e
			merged = append(merged, e)
			continue
		}
		if first.Namespace != "" {
			first.Namespaces, first.Namespace = []string{first.Namespace}, ""
		}
		first.Namespaces = append(first.Namespaces, e.Namespace)
	}
	return merged
}
