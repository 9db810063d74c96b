package render

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
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

// Mapping is what the chart makes of an entry in one namespace, see
// external-services.mappings in the chart's _helpers.tpl.
type Mapping struct {
	Index        int              `json:"index"` // of the entry in services
	Name         string           `json:"name"`
	Namespace    string           `json:"namespace"`
	ExternalName string           `json:"externalName"`
	Addresses    []any            `json:"addresses"`
	Families     map[string][]any `json:"families"` // the addresses of IPv4 and IPv6
	Settings     map[string]any   `json:"settings"`
	Shape        Shape            `json:"shape"`
}

// Shape is what a mapping has in common with others, see external-services.shape.
type Shape struct {
	Backend string           `json:"backend"`
	Kind    string           `json:"kind"`
	Ports   []map[string]any `json:"ports"`
}

// Fault is what the chart refuses, see external-services.refuse in its _validate.tpl.
type Fault struct {
	Index     *int   `json:"index"`     // of the entry in services, nil for what is given once a release
	Name      string `json:"name"`      // of the entry
	Namespace string `json:"namespace"` // that the mapping lands in, empty before it has one
	Field     string `json:"field"`
	Key       string `json:"key"` // of the map that the field is
	What      string `json:"what"`
	Write     string `json:"write"`
	Text      string `json:"text"`
}

// The probes are templates that print what the chart has made of its values.
const (
	mappingsProbe = `{{ include "external-services.mappings" . -}}
{{ range .mappings }}{{ toJson (dict "index" .index "name" .name "namespace" .namespace "externalName" .settings.externalName "addresses" .settings.addresses "families" .families "settings" .settings "shape" .shape) }}
{{ end }}`
	faultsProbe = `{{ include "external-services.collect" . }}{{ toJson .faults.found }}`

	// probed stands in the templates of a chart that can be probed.
	probed = `define "external-services.collect"`
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

// withProbe copies a chart and its subcharts, and gives those that can be probed a
// template more, beside those of their own that keep says.
func withProbe(c *Chart, probe string, keep func(template string) bool) *Chart {
	out := *c
	out.Templates = nil
	for _, template := range c.Templates {
		if keep(path.Base(template.Name)) {
			out.Templates = append(out.Templates, template)
		}
	}
	if canProbe(c) {
		out.Templates = append(out.Templates, &chart.File{Name: "templates/probe.txt", Data: []byte(probe)})
	}
	var subs []*Chart
	for _, sub := range c.Dependencies() {
		subs = append(subs, withProbe(sub, probe, keep))
	}
	out.SetDependencies(subs...)
	return &out
}

// Mappings renders everything that helm template does and returns the mappings of the
// parts, in the order of Parts. The error is Helm's own.
func (r *Run) Mappings() ([][]Mapping, error) {
	files, err := engine.Render(withProbe(r.chart, mappingsProbe, func(string) bool { return true }), r.values)
	if err != nil {
		return nil, err
	}
	var all [][]Mapping
	for _, part := range r.Parts() {
		var mappings []Mapping
		decoder := json.NewDecoder(strings.NewReader(files[part.file]))
		for decoder.More() {
			var m Mapping
			if err := decoder.Decode(&m); err != nil {
				return nil, fmt.Errorf("mapping of %s: %w", part.file, err)
			}
			mappings = append(mappings, m)
		}
		all = append(all, mappings)
	}
	return all, nil
}

// Faults runs only the validation and returns what it refuses in the parts, in the
// order of Parts. The error is Helm's own, where a template cannot be executed.
func (r *Run) Faults() ([][]Fault, error) {
	files, err := engine.Render(withProbe(r.chart, faultsProbe, func(name string) bool { return strings.HasPrefix(name, "_") }), r.values)
	if err != nil {
		return nil, err
	}
	var all [][]Fault
	for _, part := range r.Parts() {
		found := map[string]Fault{}
		if err := json.Unmarshal([]byte(files[part.file]), &found); err != nil {
			return nil, fmt.Errorf("faults of %s: %w", part.file, err)
		}
		var faults []Fault
		for _, key := range slices.Sorted(maps.Keys(found)) {
			faults = append(faults, found[key])
		}
		all = append(all, faults)
	}
	return all, nil
}
