package helm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

// Part is the chart external-services in a run: the chart itself, or a subchart.
type Part struct {
	// Path has the keys that lead to its values: none for the chart itself, and those of the charts on the way
	// for a subchart, by their aliases.
	Path []any

	// Schema is the text of its values.schema.json.
	Schema []byte

	// Values are what its templates see. They belong to the run: a change of them counts in what the run does
	// next.
	Values map[string]any

	file string // the output of its probe
}

// Data is what the chart prints of its values for programs: see external-services.data in _mappings.tpl.
type Data struct {
	Mappings []Mapping `json:"mappings"`
	Errors   []Refusal `json:"errors"`
}

// Mapping is an entry in one namespace.
type Mapping struct {
	Index        int              `json:"index"` // of the entry in services
	Name         string           `json:"name"`
	Namespace    string           `json:"namespace"`
	Backend      string           `json:"backend"` // external, both or cluster
	Kind         string           `json:"kind"`    // ExternalName, EndpointSlice or Endpoints, empty with the backend cluster
	ExternalName string           `json:"externalName"`
	Families     map[string]int   `json:"families"` // how many addresses are IPv4 and IPv6
	Answers      []string         `json:"answers"`  // the families with an address in use, or a name that may have one
	Hosts        []string         `json:"hosts"`    // the DNS names among the addresses, expanded
	Followed     bool             `json:"followed"` // whether the resolver writes addresses of it
	Ports        []map[string]any `json:"ports"`
	Entry        map[string]any   `json:"entry"` // with its overrides
}

// Refusal is what the chart refuses.
type Refusal struct {
	Index     *int   `json:"index"`     // of the entry in services, nil for what is set once per release
	Name      string `json:"name"`      // of the entry
	Namespace string `json:"namespace"` // of the mapping
	Field     string `json:"field"`
	Or        string `json:"or"`      // another field that would do as well
	Key       string `json:"key"`     // of the map that the field is
	Problem   string `json:"problem"` // what is wrong with the field
	Fix       string `json:"fix"`     // what to write instead
	Text      string `json:"text"`    // as the chart says it
}

// Parts finds the chart external-services among the charts of the run.
func (r *Run) Parts() []*Part {
	var parts []*Part
	var walk func(c *Chart, keys []any, vals map[string]any)
	walk = func(c *Chart, keys []any, vals map[string]any) {
		if printsData(c) {
			parts = append(parts, &Part{Path: keys, Schema: c.Schema, Values: vals, file: path.Join(c.ChartFullPath(), probe)})
		}
		for _, sub := range c.Dependencies() {
			if own, ok := vals[sub.Name()].(map[string]any); ok {
				walk(sub, append(slices.Clone(keys), sub.Name()), own)
			}
		}
	}
	walk(r.chart, nil, r.values["Values"].(chartutil.Values))
	return parts
}

func printsData(c *Chart) bool {
	return slices.ContainsFunc(c.Templates, func(f *chart.File) bool {
		return bytes.Contains(f.Data, []byte(`define "external-services.data"`))
	})
}

// Mappings renders everything that helm template does and returns the mappings of the parts, in the order of
// Parts. The error is Helm's own.
func (r *Run) Mappings() ([][]Mapping, error) {
	data, err := r.data(func(string) bool { return true })
	var all [][]Mapping
	for _, d := range data {
		all = append(all, d.Mappings)
	}
	return all, err
}

// Refusals runs only the rules of the chart and returns what they refuse in the parts, in the order of Parts. The
// error is Helm's own, if a template cannot be executed.
func (r *Run) Refusals() ([][]Refusal, error) {
	data, err := r.data(func(name string) bool { return strings.HasPrefix(name, "_") })
	var all [][]Refusal
	for _, d := range data {
		all = append(all, d.Errors)
	}
	return all, err
}

// probe is a template that is added to a chart to print its data.
const probe = "templates/probe.txt"

// data returns the data of the parts. Of their other templates, it renders those that keep accepts.
func (r *Run) data(keep func(template string) bool) ([]Data, error) {
	files, err := engine.Render(withProbe(r.chart, keep), r.values)
	if err != nil {
		return nil, err
	}
	var all []Data
	for _, part := range r.Parts() {
		var data Data
		if err := json.Unmarshal([]byte(files[part.file]), &data); err != nil {
			return nil, fmt.Errorf("data of %s: %w", part.file, err)
		}
		all = append(all, data)
	}
	return all, nil
}

// withProbe copies a chart and its subcharts, with the templates that keep accepts and the probe.
func withProbe(c *Chart, keep func(template string) bool) *Chart {
	out := *c
	out.Templates = nil
	for _, template := range c.Templates {
		if keep(path.Base(template.Name)) {
			out.Templates = append(out.Templates, template)
		}
	}
	if printsData(c) {
		out.Templates = append(out.Templates, &chart.File{Name: probe, Data: []byte(`{{ include "external-services.data" . }}`)})
	}
	var subs []*Chart
	for _, sub := range c.Dependencies() {
		subs = append(subs, withProbe(sub, keep))
	}
	out.SetDependencies(subs...)
	return &out
}
