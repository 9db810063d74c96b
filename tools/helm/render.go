// Package helm loads, validates and renders the chart as Helm does, and decodes
// what comes out to the types of the Kubernetes API. It is the only package of
// the tools that imports Helm.
package helm

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli/values"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/releaseutil"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"external-services/charts"
)

// Values says where values come from, as the flags of helm do: files and
// settings, later ones winning.
type Values = values.Options

// Chart is a loaded chart.
type Chart = chart.Chart

// Release is what a rendering is for.
type Release struct {
	Name      string // default "release-name", as helm template has it
	Namespace string // default "default"
}

// Result is what a chart renders.
type Result struct {
	// Manifests are the YAML documents, in the order in which Helm installs them.
	Manifests []string

	// The objects of the manifests.
	Services       []*corev1.Service
	EndpointSlices []*discoveryv1.EndpointSlice
	//nolint:staticcheck // deprecated since Kubernetes 1.33 and rendered on request
	Endpoints []*corev1.Endpoints

	// Pods are what helm test starts.
	Pods []*corev1.Pod

	// Notes is what Helm prints after an installation.
	Notes string
}

// Embedded loads the chart that is built into the program.
func Embedded() (*Chart, error) {
	var files []*loader.BufferedFile
	err := fs.WalkDir(charts.FS, charts.Dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := charts.FS.ReadFile(name)
		if err != nil {
			return err
		}
		files = append(files, &loader.BufferedFile{Name: strings.TrimPrefix(name, charts.Dir+"/"), Data: data})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the embedded chart: %w", err)
	}
	c, err := loader.LoadFiles(files)
	if err != nil {
		return nil, fmt.Errorf("load the embedded chart: %w", err)
	}
	return c, nil
}

// Load loads the chart at a path, a folder or an archive.
func Load(path string) (*Chart, error) {
	c, err := loader.Load(path)
	if err != nil {
		return nil, fmt.Errorf("load the chart %q: %w", path, err)
	}
	return c, nil
}

// Open loads the chart at a path, or the embedded one where the path is empty.
func Open(path string) (*Chart, error) {
	if path == "" {
		return Embedded()
	}
	return Load(path)
}

// Merge reads values as Helm layers them.
func Merge(v Values) (map[string]any, error) {
	return v.MergeValues(getter.Providers{})
}

// Parse reads the text of a values file as Helm does.
func Parse(text []byte) (map[string]any, error) {
	return chartutil.ReadValues(text)
}

// Render validates the values against the chart's schema and renders the chart.
// The errors are Helm's own, so that they read as they do at installation.
func Render(c *Chart, release Release, vals map[string]any) (*Result, error) {
	documents, notes, err := Manifests(c, release, vals)
	if err != nil {
		return nil, err
	}
	result := &Result{Notes: notes}
	for _, document := range documents {
		if err := result.add(document.Content); err != nil {
			return nil, fmt.Errorf("%s: %w", document.Name, err)
		}
	}
	return result, nil
}

// Manifest is a YAML document that a chart renders, and the template it is from.
type Manifest = releaseutil.Manifest

// Manifests does what Render does, and returns the documents as they are, those of
// helm test last, and the notes.
func Manifests(c *Chart, release Release, vals map[string]any) (documents []Manifest, notes string, err error) {
	options, err := installation(release)
	if err != nil {
		return nil, "", err
	}
	return renderDocuments(c, options, capabilities(), vals)
}

// Mappings is Render for a chart that may hold other charts too: it returns only the
// objects that this chart makes for its entries.
func Mappings(c *Chart, release Release, vals map[string]any) (*Result, error) {
	documents, _, err := Manifests(c, release, vals)
	if err != nil {
		return nil, err
	}
	return mappings(documents)
}

// mappings decodes those documents that are objects of entries.
func mappings(documents []Manifest) (*Result, error) {
	result := &Result{}
	for _, document := range documents {
		if err := result.addMapping(document.Content); err != nil {
			return nil, fmt.Errorf("%s: %w", document.Name, err)
		}
	}
	return result, nil
}

// renderDocuments renders a chart, after checking the values against its schema. It
// returns the documents in the order in which Helm installs them, hooks last, and the
// notes.
func renderDocuments(c *Chart, options chartutil.ReleaseOptions, capabilities *chartutil.Capabilities, vals map[string]any) (documents []Manifest, notes string, err error) {
	run, err := prepare(c, options, capabilities, vals)
	if err != nil {
		return nil, "", err
	}
	if err := run.Validate(); err != nil {
		return nil, "", err
	}
	files, err := engine.Render(run.chart, run.values)
	if err != nil {
		return nil, "", err
	}
	for name, text := range files {
		if path.Base(name) == "NOTES.txt" {
			if name == path.Join(c.Name(), "templates", "NOTES.txt") {
				notes = text
			}
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

// kubeVersion is the Kubernetes that templates see, as that of Helm's own client
// library is in `helm template`.
const kubeVersion = "v1.37.0"

var decoder = func() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, discoveryv1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // the scheme of the linked API types: never at run time
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}()

// add decodes a document, strictly: a field that the API does not have, or a key
// that stands twice, is an error.
func (r *Result) add(document string) error {
	text, err := sigsyaml.YAMLToJSONStrict([]byte(document))
	if err != nil {
		return undecodable(document, err)
	}
	return r.decode(document, text)
}

// addMapping is add for a document that is one of the objects that the chart makes for an
// entry, and passes over all others. What cannot be read is another chart's: Helm is to
// judge it.
func (r *Result) addMapping(document string) error {
	text, err := sigsyaml.YAMLToJSONStrict([]byte(document))
	if err != nil {
		if text, failed := sigsyaml.YAMLToJSON([]byte(document)); failed != nil || !isMapping(text) {
			return nil
		}
		return undecodable(document, err)
	}
	if !isMapping(text) {
		return nil
	}
	return r.decode(document, text)
}

func undecodable(document string, err error) error {
	return fmt.Errorf("decode %q: %w", firstLines(document), err)
}

// decode takes a document and what it is as JSON. YAML takes several times as long to read.
func (r *Result) decode(document string, text []byte) error {
	object, kind, err := decoder.Decode(text, nil, nil)
	if err != nil {
		return undecodable(document, err)
	}
	r.Manifests = append(r.Manifests, document)
	switch o := object.(type) {
	case *corev1.Service:
		r.Services = append(r.Services, o)
	case *discoveryv1.EndpointSlice:
		r.EndpointSlices = append(r.EndpointSlices, o)
	case *corev1.Endpoints: //nolint:staticcheck // see Result
		r.Endpoints = append(r.Endpoints, o)
	case *corev1.Pod:
		r.Pods = append(r.Pods, o)
	default:
		return fmt.Errorf("the chart renders no %s", kind)
	}
	return nil
}

// firstLines is enough of a document to find it by.
func firstLines(document string) string {
	lines := strings.SplitN(document, "\n", 6)
	return strings.Join(lines[:min(5, len(lines))], "\n")
}

// Decode reads the YAML documents that helm template or helm get manifest prints.
func Decode(documents string) (*Result, error) {
	result := &Result{}
	if err := eachDocument(documents, result.add); err != nil {
		return nil, err
	}
	return result, nil
}

// DecodeMappings is Decode for a release that may hold other charts too: it reads
// only the objects that this chart made for its entries, told by their labels.
func DecodeMappings(documents string) (*Result, error) {
	result := &Result{}
	if err := eachDocument(documents, result.addMapping); err != nil {
		return nil, err
	}
	return result, nil
}

// isMapping says whether a document, as JSON, is one of the objects that the chart makes for
// an entry.
func isMapping(text []byte) bool {
	var object struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Labels map[string]any `json:"labels"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(text, &object); err != nil {
		return false
	}
	switch object.APIVersion + " " + object.Kind {
	case "v1 Service", "v1 Endpoints", "discovery.k8s.io/v1 EndpointSlice":
		return object.Metadata.Labels[nameLabel] == charts.Dir
	}
	return false
}

// nameLabel has the name of the chart on every object of it.
const nameLabel = "app.kubernetes.io/name"

// eachDocument calls a function with each YAML document that is not empty.
func eachDocument(documents string, do func(document string) error) error {
	reader := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(documents)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		if err := do(string(document)); err != nil {
			return err
		}
	}
}

// YAML returns the documents as helm template prints them, without its comments.
func (r *Result) YAML() string {
	var out strings.Builder
	for _, manifest := range r.Manifests {
		fmt.Fprintf(&out, "---\n%s\n", strings.TrimSpace(manifest))
	}
	return out.String()
}
