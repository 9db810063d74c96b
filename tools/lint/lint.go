// Package lint finds the errors in values for the chart external-services, each with the file,
// line and column that it comes from.
//
// Helm decides what is an error, with the schema and the templates of the chart. This package
// finds the position, words what the schema refuses, and finds what Helm drops while it parses
// YAML. So it finds no error exactly if helm template succeeds and reads all of the files.
package lint

import (
	"cmp"
	"errors"
	"slices"

	"external-services/tools/findings"
	"external-services/tools/helm"
)

// Options says what to lint.
type Options struct {
	// Chart reads the values, and is changed. ChartName names its own values file in positions;
	// without it, no finding is in that file.
	Chart     *helm.Chart
	ChartName string

	Release helm.Release

	// Files are the values files, later ones winning, and Settings the flags that set values;
	// its ValueFiles are not read.
	Files    []File
	Settings helm.Values
}

// File is a values file: its name in positions, and its text.
type File struct {
	Name string
	Text []byte
}

// Run returns the errors in the order of their positions, then the hints.
func Run(o Options) ([]findings.Finding, error) {
	if o.Chart == nil {
		return nil, errors.New("lint: no chart")
	}
	l := &linter{Options: o, found: []findings.Finding{}}
	run, mappings, err := l.render()
	l.readLayers() // now, as rendering takes the most memory
	l.checkDropped()
	switch {
	case err == nil:
		for i, p := range run.Parts() {
			l.hint(&part{Part: p}, mappings[i])
		}
	case run == nil:
		l.checkParsing(err)
	default:
		l.explain(run, err)
	}
	return l.sorted(), nil
}

// linter is one run.
type linter struct {
	Options
	layers layers
	found  []findings.Finding
}

// add adds a finding about a field of an entry, or of the values if there is no entry.
func (l *linter) add(at findings.Position, code findings.Code, entry, field string, args findings.Args) {
	f := findings.New(code, "", entry, args)
	f.Position, f.Field = at, field
	l.found = append(l.found, f)
}

// sorted returns the findings without repetitions: the namespaces of an entry share most.
func (l *linter) sorted() []findings.Finding {
	slices.SortStableFunc(l.found, func(a, b findings.Finding) int {
		return cmp.Or(
			cmp.Compare(a.Severity, b.Severity), // "error" is before "hint"
			cmp.Compare(l.layers.index(a.Position), l.layers.index(b.Position)),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
		)
	})
	seen := map[string]bool{}
	return slices.DeleteFunc(l.found, func(f findings.Finding) bool {
		line := Line(f)
		repeated := seen[line]
		seen[line] = true
		return repeated
	})
}

// render does what helm template does, and returns what it got: no run if the values cannot be
// read, and no mappings if they are refused.
func (l *linter) render() (*helm.Run, [][]helm.Mapping, error) {
	var texts [][]byte
	for _, file := range l.Files {
		texts = append(texts, file.Text)
	}
	values, err := helm.MergeTexts(l.Settings, texts...)
	if err != nil {
		return nil, nil, err
	}
	run, err := helm.Prepare(l.Chart, l.Release, values)
	if err != nil {
		return nil, nil, err
	}
	if err := run.Validate(); err != nil {
		return run, nil, err
	}
	mappings, err := run.Mappings()
	return run, mappings, err
}

// explain finds the reasons of an error of Helm. The error itself is the finding if there is
// none in the values of external-services.
func (l *linter) explain(run *helm.Run, err error) {
	before := len(l.found)
	var parts []*part
	for _, p := range run.Parts() {
		parts = append(parts, &part{Part: p, refused: map[string]bool{}})
		l.checkSchema(parts[len(parts)-1])
	}
	l.checkRules(run, parts)
	if len(l.found) == before {
		l.helmRefuses(err)
	}
}

// helmRefuses adds an error of Helm in its own words.
func (l *linter) helmRefuses(err error) {
	_, why := readHelmError(err)
	l.add(l.layers.end(), findings.HelmRefuses, "", "", findings.Args{"why": why})
}
