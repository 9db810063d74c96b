// Package lint says everything that is wrong with values for the chart
// external-services, each fault with the file, line and column it comes from.
//
// What is a fault decides Helm with the chart's own schema and templates; this package
// adds where it stands, in words for what the schema refuses, and what YAML itself
// hides. So lint finds no fault exactly when helm template succeeds and has read all
// that the files hold.
package lint

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"external-services/tools/helm"
)

// Options says what to lint.
type Options struct {
	// Chart is the chart that reads the values; it is changed. ChartName is how its
	// own values file is named in positions.
	Chart     *helm.Chart
	ChartName string

	Release helm.Release

	// Files are the values files, later ones winning, and Settings the flags that set
	// values; its ValueFiles are not read.
	Files    []File
	Settings helm.Values
}

// File is a values file: its name, as positions have it, and its text.
type File struct {
	Name string
	Text []byte
}

// Position is where a value was written last.
type Position struct {
	// File, Line and Column are of a values file; lines and columns count from 1.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`

	// Flag is the flag that set the value, such as --set 2 for the second one, and Key
	// what it set.
	Flag string `json:"flag,omitempty"`
	Key  string `json:"key,omitempty"`

	layer int // files in their order, then flags
}

// String prints the position as file:line:column, or as the flag and what it sets.
func (p Position) String() string {
	switch {
	case p.Flag != "" && p.Key != "":
		return p.Flag + ": " + p.Key
	case p.Flag != "":
		return p.Flag
	case p.Line == 0:
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Finding is one fault or one hint.
type Finding struct {
	Position

	Entry  string `json:"entry,omitempty"` // the name of the entry of services, where it has one
	Field  string `json:"field,omitempty"` // of the entry, or of the values where there is no entry
	Reason string `json:"reason"`
	Fix    string `json:"fix,omitempty"`
}

// Message prints the finding without its position.
func (f Finding) Message() string {
	var parts []string
	if f.Entry != "" {
		parts = append(parts, fmt.Sprintf("entry %q", f.Entry))
	}
	for _, part := range []string{f.Field, f.Reason, f.Fix} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// Report is what lint finds, in the order of the positions.
type Report struct {
	Faults []Finding `json:"faults"` // without any, helm template succeeds
	Hints  []Finding `json:"hints"`  // what works and surprises
}

// Run lints.
func Run(o Options) (*Report, error) {
	if o.Chart == nil {
		return nil, errors.New("lint: no chart")
	}
	l := &linter{Options: o}
	l.run()
	return &Report{Faults: sorted(l.faults), Hints: sorted(l.hints)}, nil
}

// linter is one run.
type linter struct {
	Options
	layers
	faults, hints []Finding
}

// sorted sorts by position and drops what stands twice, as the namespaces of an entry
// share most of its faults.
func sorted(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.layer, b.layer), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	out := make([]Finding, 0, len(findings))
	seen := map[Finding]bool{}
	for _, f := range findings {
		if !seen[f] {
			seen[f] = true
			out = append(out, f)
		}
	}
	return out
}

func (l *linter) run() {
	if !l.sizesAllowed() {
		return
	}

	// Positions are read beside Helm's own parser and its templates, which take the
	// most of the time. Only aliases have to be looked at first: a few bytes of them
	// can fill the memory.
	positioned := make(chan struct{})
	go func() {
		defer close(positioned)
		l.readLayers()
	}()
	if l.aliases() {
		<-positioned
		if len(l.faults) > 0 {
			return
		}
	}
	vals, err := l.merge()
	if err != nil {
		<-positioned
		l.unreadable(err)
		return
	}
	prepared, err := helm.Prepare(l.Chart, l.Release, vals)
	if err != nil {
		<-positioned
		l.refused(err)
		return
	}
	schemaErr := prepared.Validate()
	var mappings [][]helm.Mapping
	if schemaErr == nil {
		mappings, err = prepared.Mappings()
	}
	<-positioned
	l.hidden()
	parts := prepared.Parts()
	switch {
	case schemaErr != nil:
		l.explain(prepared, parts, schemaErr)
	case err != nil:
		l.explain(prepared, parts, err)
	default:
		for i, part := range parts {
			l.hint(part, mappings[i])
		}
	}
}

// explain finds the faults behind an error of Helm. Where the parts of the chart
// external-services have none, the error itself is the fault.
func (l *linter) explain(run *helm.Run, parts []*helm.Part, err error) {
	before := len(l.faults)
	pruned := make([]*pruning, len(parts))
	for i, part := range parts {
		pruned[i] = &pruning{values: part.Values, unnamed: map[int]bool{}}
		l.explainSchema(part, pruned[i])
	}
	if len(l.faults) >= maxFaults {
		l.faults = append(l.faults, Finding{Position: l.anywhere(), Reason: fmt.Sprintf("there are more than %d faults", maxFaults), Fix: "correct the first ones"})
		return
	}
	l.explainTemplates(run, parts, pruned)
	if len(l.faults) == before {
		l.refused(err)
	}
}

// refused notes an error of Helm as it stands, but for the template that it comes from.
func (l *linter) refused(err error) {
	reason := failedAt.ReplaceAllString(oneLine(err.Error()), "")
	l.faults = append(l.faults, Finding{Position: l.anywhere(), Reason: reason, Fix: "correct what helm refuses"})
}

var failedAt = regexp.MustCompile(`^execution error at \([^)]*\): `)

// oneLine prints a text of several lines as one.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
