package importer

import (
	"bytes"
	"flag"
	"maps"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"external-services/tools/lint"
	"external-services/tools/render"
)

var update = flag.Bool("update", false, "write the values that the shapes become")

// values imports texts by their names.
func importTexts(t testing.TB, options Options, selectors bool, texts map[string]string) (*Objects, *Result) {
	t.Helper()
	o := NewObjects()
	o.Selectors = selectors
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if err := o.Text(name, []byte(texts[name])); err != nil {
			t.Fatal(err)
		}
	}
	result, err := Import(o, options)
	if err != nil {
		t.Fatal(err)
	}
	return o, result
}

// before is what the objects that were read mean. Those without a namespace are applied
// to that of the release.
func before(o *Objects) map[string]meaning {
	var services []*corev1.Service
	var endpoints []*legacyEndpoints
	var slices []*discoveryv1.EndpointSlice
	for _, i := range o.services {
		s := i.object.DeepCopy()
		s.Namespace = or(s.Namespace)
		services = append(services, s)
	}
	for _, i := range o.endpoints {
		e := i.object.DeepCopy()
		e.Namespace = or(e.Namespace)
		endpoints = append(endpoints, e)
	}
	for _, i := range o.slices {
		if o.sliceMadeByController(i.object) || i.object.Labels[discoveryv1.LabelManagedBy] == endpointsController {
			continue // also those of pods that are left from a selector
		}
		s := i.object.DeepCopy()
		s.Namespace = or(s.Namespace)
		slices = append(slices, s)
	}
	return groupsOf(services, endpoints, slices)
}

func or(namespace string) string {
	if namespace == "" {
		return "default"
	}
	return namespace
}

// after is what the chart makes of values.
func after(t testing.TB, text []byte) map[string]meaning {
	t.Helper()
	vals, err := render.Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	chart, err := render.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := render.Render(chart, render.Release{}, vals)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return groupsOf(rendered.Services, rendered.Endpoints, rendered.EndpointSlices)
}

// compare compares what was read with what is rendered. Connections go where they went.
// Every other difference has been reported. It returns how many entries it compared.
func compare(t testing.TB, o *Objects, result *Result) int {
	t.Helper()
	want, got := before(o), after(t, result.Values)
	compared := 0
	for _, e := range result.entries {
		namespaces := e.Namespaces
		if len(namespaces) == 0 {
			namespaces = []string{or(e.Namespace)}
		}
		for _, namespace := range namespaces {
			key := namespace + "/" + e.Name
			rendered, ok := got[key]
			if len(e.Held) > 0 {
				if ok {
					t.Errorf("%s is held and rendered", key)
				}
				continue
			}
			if !ok {
				t.Errorf("%s is not rendered", key)
			}
			compared++
			delete(got, key)
			if diff := cmp.Diff(want[key].Traffic, rendered.Traffic); diff != "" {
				t.Errorf("%s: connections go elsewhere (-read +rendered):\n%s\n%s", key, diff, result.Values)
			}
			if diff := cmp.Diff(want[key].Details, rendered.Details); diff != "" && len(e.Losses)+len(e.Remarks) == 0 {
				t.Errorf("%s: differs, and no comment says so (-read +rendered):\n%s\n%s", key, diff, result.Values)
			}
		}
	}
	for key := range got {
		t.Errorf("%s is rendered and was not read", key)
	}
	return compared
}

// Each shape becomes the values beside it, which render what was read: where something
// differs, a comment says so, and connections go where they went.
func TestShapes(t *testing.T) {
	files, err := filepath.Glob("testdata/shapes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 40 {
		t.Fatalf("%d shapes, want at least 40", len(files))
	}
	goldens := map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		golden := filepath.Join("testdata", "values", name+".yaml")
		goldens[golden] = true
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			o, result := importTexts(t, Options{}, strings.HasPrefix(name, "selectors-"), map[string]string{name + ".yaml": string(text)})
			if *update {
				if err := os.WriteFile(golden, result.Values, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(result.Values)); diff != "" {
				t.Errorf("(-want +got), and -update writes it:\n%s", diff)
			}
			compare(t, o, result)
			lintValues(t, result.Values)
		})
	}
	stray, err := filepath.Glob("testdata/values/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range stray {
		if !goldens[file] {
			t.Errorf("%s belongs to no shape: delete it", file)
		}
	}
}

// lintValues has lint look at values, which helm takes as they stand.
func lintValues(t *testing.T, text []byte) {
	t.Helper()
	chart, err := render.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	report, err := lint.Run(lint.Options{Chart: chart, Files: []lint.File{{Name: "values.yaml", Text: text}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range report.Faults {
		t.Errorf("lint: %s: %s\n%s", fault.Position, fault.Message(), text)
	}
}

// All shapes together, each in namespaces of its own, become the same file in whatever
// order they are read.
func TestOrder(t *testing.T) {
	files, err := filepath.Glob("testdata/shapes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var documents []document
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found, err := split("manifest", text)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range found {
			d.json = bytes.ReplaceAll(d.json, []byte(`"namespace":"`), []byte(`"namespace":"`+strings.TrimSuffix(filepath.Base(file), ".yaml")+`-`))
			d.from = "manifest"
			documents = append(documents, d)
		}
	}
	random := rand.New(rand.NewSource(1))
	var first []byte
	for range 4 {
		random.Shuffle(len(documents), func(i, j int) { documents[i], documents[j] = documents[j], documents[i] })
		o := NewObjects()
		o.sources["manifest"] = true
		for _, d := range documents {
			if err := o.document(d.from, d.json); err != nil {
				t.Fatal(err)
			}
		}
		result, err := Import(o, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = result.Values
		}
		if diff := cmp.Diff(string(first), string(result.Values)); diff != "" {
			t.Fatalf("another order gives another file:\n%s", diff)
		}
	}
}
