package importer_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
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
	"k8s.io/apimachinery/pkg/util/yaml"
	"pgregory.net/rapid"

	"external-services/tests/importertest"
	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/importer"
	"external-services/tools/lint"
	"external-services/tools/service"
)

var update = flag.Bool("update", false, "write the values that the shapes become")

// importTexts imports texts by their names, and mends nothing.
func importTexts(t testing.TB, options importer.Options, selectors bool, texts map[string]string) *importer.Result {
	t.Helper()
	o := importer.NewObjects()
	o.Selectors, o.Strict = selectors, true
	return importInto(t, o, options, texts)
}

// importInto imports texts by their names, as the collection says.
func importInto(t testing.TB, o *importer.Objects, options importer.Options, texts map[string]string) *importer.Result {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if err := o.ReadManifests(name, []byte(texts[name])); err != nil {
			t.Fatal(err)
		}
	}
	result, err := importer.Import(o, options)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// after is what the chart makes of values.
func after(t testing.TB, text []byte) map[string]importertest.Meaning {
	t.Helper()
	rendered := renderedFrom(t, text)
	return importertest.Of(rendered.Services, rendered.Endpoints, rendered.EndpointSlices)
}

// renderedFrom is what the chart renders of values.
func renderedFrom(t testing.TB, text []byte) *helm.Result {
	t.Helper()
	vals, err := helm.Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := helm.Render(chart, helm.Release{}, vals)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return rendered
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
			result := importTexts(t, importer.Options{}, strings.HasPrefix(name, "selectors-"), map[string]string{name + ".yaml": string(text)})
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
			faults, _ := importertest.Compare(read(t, string(text)), after(t, result.Values), result)
			for _, fault := range faults {
				t.Errorf("%s\n%s", fault, result.Values)
			}
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
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	list, err := lint.Run(lint.Options{Chart: chart, Files: []lint.File{{Name: "values.yaml", Text: text}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if f.Severity == findings.Error {
			t.Errorf("%s\n%s", lint.Line(f), text)
		}
	}
}

// documents cuts a manifest into its objects, as JSON, those of lists by themselves.
func documents(t testing.TB, text string) []string {
	t.Helper()
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	var found []string
	for {
		var document any
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := document.(map[string]any)
		list, isList := raw["items"].([]any)
		if !isList {
			list = []any{raw}
		}
		for _, item := range list {
			object, ok := item.(map[string]any)
			if ok && len(object) > 0 {
				if isList && object["kind"] == nil {
					object["kind"], object["apiVersion"] = strings.TrimSuffix(raw["kind"].(string), "List"), raw["apiVersion"]
				}
				data, err := json.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, string(data))
			}
		}
	}
}

// read says what a manifest does.
func read(t testing.TB, text string) map[string]importertest.Meaning {
	t.Helper()
	return importertest.Of(objectsOf(t, text))
}

// meantBy says what a manifest plainly means.
func meantBy(t testing.TB, text string) map[string]importertest.Meaning {
	t.Helper()
	return importertest.Meant(objectsOf(t, text))
}

// objectsOf reads a manifest as a client of the API does.
func objectsOf(t testing.TB, text string) ([]*corev1.Service, []*service.Endpoints, []*discoveryv1.EndpointSlice) {
	t.Helper()
	var services []*corev1.Service
	var endpoints []*service.Endpoints
	var slices []*discoveryv1.EndpointSlice
	into := func(text string, object any) {
		if err := json.Unmarshal([]byte(text), object); err != nil {
			t.Fatal(err)
		}
	}
	for _, document := range documents(t, text) {
		var head struct{ APIVersion, Kind string }
		into(document, &head)
		switch head.APIVersion + " " + head.Kind {
		case "v1 Service":
			services = append(services, &corev1.Service{})
			into(document, services[len(services)-1])
		case "v1 Endpoints":
			endpoints = append(endpoints, &service.Endpoints{})
			into(document, endpoints[len(endpoints)-1])
		case "discovery.k8s.io/v1 EndpointSlice":
			slices = append(slices, &discoveryv1.EndpointSlice{})
			into(document, slices[len(slices)-1])
		}
	}
	return services, endpoints, slices
}

// All shapes together, each in namespaces of its own, become the same file in whatever
// order they are read.
func TestOrder(t *testing.T) {
	files, err := filepath.Glob("testdata/shapes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range documents(t, string(text)) {
			all = append(all, strings.ReplaceAll(document, `"namespace":"`, `"namespace":"`+strings.TrimSuffix(filepath.Base(file), ".yaml")+`-`))
		}
	}
	random := rand.New(rand.NewSource(1))
	var first []byte
	for range 4 {
		o := importer.NewObjects()
		o.Strict = true
		for _, document := range all {
			if err := o.ReadManifests("manifest", []byte(document)); err != nil {
				t.Fatal(err)
			}
		}
		result, err := importer.Import(o, importer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = result.Values
		}
		if diff := cmp.Diff(string(first), string(result.Values)); diff != "" {
			t.Fatalf("another order gives another file:\n%s", diff)
		}
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
}

// Random objects become values that render what was read. What the chart has a place for is
// carried over without a comment, and of the rest every difference is in one.
func TestRoundTrip(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that random objects come back as they were")
	}
	for name, everything := range map[string]bool{"carried over": false, "everything": true} {
		t.Run(name, func(t *testing.T) {
			compared := 0
			rapid.Check(t, func(rt *rapid.T) {
				groups := rapid.SliceOfN(importertest.Groups("shop", everything), 1, 3).Draw(rt, "groups")
				var texts []string
				for i, group := range groups {
					group.Rename(i)
					texts = append(texts, group.Manifests()...)
				}
				text := strings.Join(texts, "\n")
				o := importer.NewObjects()
				o.Strict = rapid.Bool().Draw(rt, "strict")
				result := importInto(t, o, importer.Options{}, map[string]string{"random": text})
				faults, n := importertest.Compare(expected(t, text, result), after(t, result.Values), result)
				compared += n
				for _, f := range result.Findings {
					if !everything && f.Severity != findings.Hint {
						faults = append(faults, "the chart has a place for it: "+f.String())
					}
				}
				if len(faults) > 0 {
					rt.Fatalf("%s\n\n%s\n\n%s", strings.Join(faults, "\n"), text, result.Values)
				}
			})
			t.Logf("%d entries rendered", compared)
			if compared == 0 {
				t.Error("nothing was compared")
			}
		})
	}
}

// Every setting of the model is imported without another edit, and reported for an alias. A new one has to be
// in the spec of this test.
func TestSettings(t *testing.T) {
	const spec = "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 600}}, " +
		"trafficDistribution: PreferSameZone, publishNotReadyAddresses: true"
	result := importTexts(t, importer.Options{}, false, map[string]string{"in.yaml": `
{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {ports: [{port: 80}], ` + spec + `}}
---
{apiVersion: v1, kind: Endpoints, metadata: {name: db}, subsets: [{addresses: [{ip: 10.0.4.11}], ports: [{port: 80}]}]}
---
{apiVersion: v1, kind: Service, metadata: {name: alias}, spec: {type: ExternalName, externalName: a.example, ` + spec + `}}`})
	if len(result.Entries) != 2 || findings.Has(result.Findings, findings.NotCarriedOver, "", "db") {
		t.Fatalf("%+v", result)
	}
	alias, db := result.Entries[0], result.Entries[1]
	if text, err := json.Marshal(alias); err != nil || string(text) != `{"name":"alias","externalName":"a.example"}` {
		t.Errorf("%s, %v", text, err)
	}
	text, err := json.Marshal(db)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range service.Settings {
		if !s.FromValues {
			continue
		}
		if !strings.Contains(string(text), `"`+s.Name+`":`) {
			t.Errorf("%s is not imported: %s", s.Name, text)
		}
		if !slices.ContainsFunc(result.Findings, func(f findings.Finding) bool {
			return f.Entry == "alias" && strings.HasPrefix(f.Message, s.SpecField()+": ")
		}) {
			t.Errorf("%s of an alias is not reported: %+v", s.Name, result.Findings)
		}
	}
}

// Entries that differ only in the namespace are one, with the findings of each.
func TestMerge(t *testing.T) {
	text := ""
	for _, namespace := range []string{"b", "a"} {
		text += "---\n{apiVersion: v1, kind: Service, metadata: {name: db, namespace: " + namespace + "}, spec: {type: ExternalName, externalName: a.example, externalIPs: [10.0.0.1]}}\n"
	}
	result := importTexts(t, importer.Options{}, false, map[string]string{"in.yaml": text})
	if len(result.Entries) != 1 || !slices.Equal(result.Entries[0].Namespaces, []string{"a", "b"}) ||
		len(result.Findings) != 2 || !findings.Has(result.Findings, findings.NotCarriedOver, "a", "db") || !findings.Has(result.Findings, findings.NotCarriedOver, "b", "db") {
		t.Errorf("%+v", result)
	}
	if count := strings.Count(string(result.Values), "not carried over: "); count != 1 {
		t.Errorf("%d comments\n%s", count, result.Values)
	}
}

// One Service without a namespace and one of the release namespace would be one: the
// second is held, and both are in the file.
func TestTwins(t *testing.T) {
	text := ""
	for _, namespace := range []string{"", "shop"} {
		text += "---\napiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: \"" + namespace + "\"}\nspec: {type: ExternalName, externalName: a.example}\n"
	}
	for release, want := range map[string]int{"": 0, "shop": 1} {
		result := importTexts(t, importer.Options{ReleaseNamespace: release}, false, map[string]string{"in.yaml": text})
		if len(result.NotImported) != want || len(result.Entries) != 2-want {
			t.Errorf("for the release namespace %q: %s\n%s", release, result.Summary(), result.Values)
		}
		after(t, result.Values)
	}
}

// Among many entries the chart refuses some: these alone are held.
func TestSomeRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: what becomes of many entries of which some are refused")
	}
	var text strings.Builder
	for i := range 600 {
		address := fmt.Sprintf("a-%d.example", i)
		if i%200 == 7 {
			address = "10.0.0.1"
		}
		fmt.Fprintf(&text, "---\napiVersion: v1\nkind: Service\nmetadata: {name: db-%d}\nspec: {type: ExternalName, externalName: %s}\n", i, address)
	}
	result := importTexts(t, importer.Options{}, false, map[string]string{"in.yaml": text.String()})
	if len(result.NotImported) != 3 || len(result.Entries) != 597 || len(result.Findings) != 3 {
		t.Error(result.Summary())
	}
	if got := len(after(t, result.Values)); got != 597 {
		t.Errorf("%d rendered", got)
	}
}
