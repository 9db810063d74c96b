package helm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

// Run is a chart with the values that its templates see.
type Run struct {
	chart  *Chart
	values chartutil.Values
}

// Prepare lays the values over those of the chart and hands each subchart its own, as
// Helm does before it validates them for an installation. It changes the chart and the
// values.
func Prepare(c *Chart, release Release, vals map[string]any) (*Run, error) {
	options, err := installation(release)
	if err != nil {
		return nil, err
	}
	return prepare(c, options, capabilities(), vals)
}

// prepare is Prepare for an installation or an upgrade, and for a cluster of certain
// capabilities.
func prepare(c *Chart, options chartutil.ReleaseOptions, capabilities *chartutil.Capabilities, vals map[string]any) (*Run, error) {
	if err := chartutil.ProcessDependenciesWithMerge(c, vals); err != nil {
		return nil, err
	}
	all, err := chartutil.ToRenderValuesWithSchemaValidation(c, vals, options, capabilities, true)
	if err != nil {
		return nil, err
	}
	return &Run{chart: c, values: all}, nil
}

// installation is what an installation of a release tells the templates.
func installation(release Release) (chartutil.ReleaseOptions, error) {
	name := cmp.Or(release.Name, "release-name")
	if err := chartutil.ValidateReleaseName(name); err != nil {
		return chartutil.ReleaseOptions{}, fmt.Errorf("release name %q: %w", name, err)
	}
	return chartutil.ReleaseOptions{
		Name:      name,
		Namespace: cmp.Or(release.Namespace, "default"),
		Revision:  1,
		IsInstall: true,
	}, nil
}

// capabilities are those that templates see without a cluster.
func capabilities() *chartutil.Capabilities {
	c := chartutil.DefaultCapabilities.Copy()
	c.KubeVersion = chartutil.KubeVersion{Version: kubeVersion, Major: "1", Minor: strings.Split(kubeVersion, ".")[1]}
	return c
}

// Validate checks the values against the schemas of the chart and its subcharts. The
// error is Helm's own.
func (r *Run) Validate() error {
	if err := chartutil.ValidateAgainstSchema(r.chart, r.values["Values"].(chartutil.Values)); err != nil {
		return fmt.Errorf("values don't meet the specifications of the schema(s) in the following chart(s):\n%w", err)
	}
	return nil
}

// Part is the chart external-services in a run: the chart itself, or a subchart.
type Part struct {
	// Path has the keys that lead to its values: none for the chart itself, and those
	// of the charts on the way for a subchart, by their aliases.
	Path []string

	// Schema is the text of its values.schema.json.
	Schema []byte

	// Values are what its templates see. They belong to the run: a change of them
	// counts in what the run does next.
	Values map[string]any

	file string // where the output of its probe is
}

// Data is what the chart prints of its values for programs, see external-services.data in the
// chart's _mappings.tpl.
type Data struct {
	Mappings []Mapping `json:"mappings"`
	Errors   []Fault   `json:"errors"`
}

// Mapping is an entry in one namespace.
type Mapping struct {
	Index        int              `json:"index"` // of the entry in services
	Name         string           `json:"name"`
	Namespace    string           `json:"namespace"`
	Backend      string           `json:"backend"` // external, both or cluster
	Kind         string           `json:"kind"`    // ExternalName, EndpointSlice or Endpoints, empty with the backend cluster
	ExternalName string           `json:"externalName"`
	Families     map[string]int   `json:"families"` // how many addresses there are of IPv4 and of IPv6
	Answers      []string         `json:"answers"`  // the families with an address in use
	Ports        []map[string]any `json:"ports"`
	Entry        map[string]any   `json:"entry"` // with its overrides
}

// Fault is what the chart refuses.
type Fault struct {
	Index     *int   `json:"index"`     // of the entry in services, nil for what is given once a release
	Name      string `json:"name"`      // of the entry
	Namespace string `json:"namespace"` // of the mapping
	Field     string `json:"field"`
	Key       string `json:"key"`     // of the map that the field is
	Problem   string `json:"problem"` // what is wrong with the field
	Fix       string `json:"fix"`     // what to write instead
	Text      string `json:"text"`    // as the chart says it
}

const (
	// dataProbe is a template that prints the data of the chart.
	dataProbe = `{{ include "external-services.data" . }}`

	// probed is part of the templates of a chart that has such data.
	probed = `define "external-services.data"`
)

// Parts finds the chart external-services among the charts of the run.
func (r *Run) Parts() []*Part {
	var parts []*Part
	var walk func(c *Chart, path []string, vals map[string]any)
	walk = func(c *Chart, keys []string, vals map[string]any) {
		if canProbe(c) {
			parts = append(parts, &Part{Path: keys, Schema: c.Schema, Values: vals, file: probeOf(c)})
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

func canProbe(c *Chart) bool {
	return slices.ContainsFunc(c.Templates, func(f *chart.File) bool { return bytes.Contains(f.Data, []byte(probed)) })
}

func probeOf(c *Chart) string { return path.Join(c.ChartFullPath(), "templates", "probe.txt") }

// withProbe copies a chart and its subcharts, with those of their templates that keep says and one
// more that prints the data, where they have some.
func withProbe(c *Chart, keep func(template string) bool) *Chart {
	out := *c
	out.Templates = nil
	for _, template := range c.Templates {
		if keep(path.Base(template.Name)) {
			out.Templates = append(out.Templates, template)
		}
	}
	if canProbe(c) {
		out.Templates = append(out.Templates, &chart.File{Name: "templates/probe.txt", Data: []byte(dataProbe)})
	}
	var subs []*Chart
	for _, sub := range c.Dependencies() {
		subs = append(subs, withProbe(sub, keep))
	}
	out.SetDependencies(subs...)
	return &out
}

// Mappings renders everything that helm template does and returns the mappings of the
// parts, in the order of Parts. The error is Helm's own.
func (r *Run) Mappings() ([][]Mapping, error) {
	data, err := r.data(func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	var all [][]Mapping
	for _, d := range data {
		all = append(all, d.Mappings)
	}
	return all, nil
}

// Faults runs only the validation and returns what it refuses in the parts, in the
// order of Parts. The error is Helm's own, where a template cannot be executed.
func (r *Run) Faults() ([][]Fault, error) {
	data, err := r.data(func(name string) bool { return strings.HasPrefix(name, "_") })
	if err != nil {
		return nil, err
	}
	var all [][]Fault
	for _, d := range data {
		all = append(all, d.Errors)
	}
	return all, nil
}

// data returns the data of the parts, and renders those of their other templates that keep says.
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
