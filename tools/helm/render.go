package helm

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
)

// Release is what a rendering is for.
type Release struct {
	Name      string // default "release-name", as in helm template
	Namespace string // default "default"
}

// Manifest is a YAML document that a chart renders, and the template it is from.
type Manifest = releaseutil.Manifest

// Render validates values against the chart's schema and renders the chart. The error of values that are
// refused is a *RefusedError, in Helm's words.
func Render(c *Chart, release Release, vals map[string]any) (*Result, error) {
	documents, notes, err := Manifests(c, release, vals)
	if err != nil {
		return nil, err
	}
	result, err := decode(documents, allObjects)
	if err != nil {
		return nil, err
	}
	result.Notes = notes
	return result, nil
}

// Mappings is Render for a chart that may hold other charts too: it returns only the objects that this chart
// makes for its entries.
func Mappings(c *Chart, release Release, vals map[string]any) (*Result, error) {
	documents, _, err := Manifests(c, release, vals)
	if err != nil {
		return nil, err
	}
	return decode(documents, mappingsOnly)
}

// Manifests does what Render does, and returns the documents as they are, those of helm test last, and the
// notes.
func Manifests(c *Chart, release Release, vals map[string]any) (documents []Manifest, notes string, err error) {
	run, err := Prepare(c, release, vals)
	if err != nil {
		return nil, "", err
	}
	return run.manifests()
}

func decode(documents []Manifest, what scope) (*Result, error) {
	result := &Result{}
	for _, document := range documents {
		if err := result.add(document.Content, what); err != nil {
			return nil, fmt.Errorf("%s: %w", document.Name, err)
		}
	}
	return result, nil
}

// Run is a chart with the values that its templates see.
type Run struct {
	chart  *Chart
	values chartutil.Values
}

// Prepare lays values over those of the chart and hands each subchart its own, as Helm does before it validates
// them. It changes the chart and the values.
func Prepare(c *Chart, release Release, vals map[string]any) (*Run, error) {
	name := cmp.Or(release.Name, "release-name")
	if err := chartutil.ValidateReleaseName(name); err != nil {
		return nil, fmt.Errorf("release name %q: %w", name, err)
	}
	return prepare(c, chartutil.ReleaseOptions{
		Name:      name,
		Namespace: cmp.Or(release.Namespace, "default"),
		Revision:  1,
		IsInstall: true,
	}, withoutCluster(), vals)
}

// prepare is Prepare for an installation or an upgrade, and for a cluster of certain capabilities.
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

// kubeVersion is the Kubernetes that templates see without a cluster: that of Helm's client library, as in
// helm template.
const kubeVersion = "v1.37.0"

// withoutCluster are the capabilities that templates see without a cluster: also the Gateway API, which helm template
// has only with --api-versions.
func withoutCluster() *chartutil.Capabilities {
	c := chartutil.DefaultCapabilities.Copy()
	c.APIVersions = append(slices.Clip(c.APIVersions), GatewayAPI...) // Copy shares the list
	c.KubeVersion = chartutil.KubeVersion{Version: kubeVersion, Major: "1", Minor: strings.Split(kubeVersion, ".")[1]}
	return c
}

// Validate checks the values against the schemas of the chart and its subcharts. The error is Helm's own.
func (r *Run) Validate() error {
	if err := chartutil.ValidateAgainstSchema(r.chart, r.values["Values"].(chartutil.Values)); err != nil {
		return fmt.Errorf("values don't meet the specifications of the schema(s) in the following chart(s):\n%w", err)
	}
	return nil
}

// RefusedError is the error of values that the chart refuses, in Helm's words.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns Helm's own error.
func (e *RefusedError) Unwrap() error { return e.Err }

// manifests validates the values and renders the chart. It returns the documents in the order in which Helm
// installs them, hooks last, and the notes of the chart itself. The error of values that are refused is a
// *RefusedError.
func (r *Run) manifests() (documents []Manifest, notes string, err error) {
	if err := r.Validate(); err != nil {
		return nil, "", &RefusedError{err}
	}
	files, err := engine.Render(r.chart, r.values)
	if err != nil {
		return nil, "", &RefusedError{err}
	}
	notes = files[path.Join(r.chart.Name(), "templates", "NOTES.txt")]
	for name := range files {
		if path.Base(name) == "NOTES.txt" {
			delete(files, name)
		}
	}
	hooks, documents, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return nil, "", err
	}
	for _, hook := range hooks {
		documents = append(documents, Manifest{Name: hook.Path, Content: hook.Manifest})
	}
	return documents, notes, nil
}
