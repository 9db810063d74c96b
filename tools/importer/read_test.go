package importer_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"external-services/tools/helm"
	"external-services/tools/importer"
	"external-services/tools/service"
)

// What cannot be read gives one message, with the place and what to write instead.
func TestBadInput(t *testing.T) {
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: db}\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":               {"", "nothing to import: no Service, Endpoints or EndpointSlice in in.yaml"},
		"comments":            {"# nothing\n---\n", "nothing to import: no Service, Endpoints or EndpointSlice in in.yaml"},
		"other kinds":         {"apiVersion: v1\nkind: Secret\n---\napiVersion: v1\nkind: Secret", "nothing to import: no Service, Endpoints or EndpointSlice in in.yaml, only Secret (2)"},
		"no YAML":             {service + "---\n\na: [", "in.yaml:6: did not find expected node content: write a manifest as kubectl apply reads it"},
		"UTF-16":              {"\xff\xfea\x00", "in.yaml:1: the file is in UTF-16, which kubectl apply does not read: write it in UTF-8"},
		"UTF-16, big endian":  {"\xfe\xff\x00a", "in.yaml:1: the file is in UTF-16"},
		"a template":          {"{{- if .Values.x }}\n" + service + "{{- end }}", "if it is a template of a chart, render it with helm template first"},
		"text":                {"hello", `in.yaml:1: not a Kubernetes object: "hello" is text: remove it, or write # before it`},
		"long text":           {strings.Repeat("ä", 100), `: "` + strings.Repeat("ä", 60) + `..." is text`},
		"a number":            {"7", "in.yaml:1: not a Kubernetes object: a number was read, and a mapping is expected: write a manifest"},
		"a list":              {"- a", "in.yaml:1: not a Kubernetes object: a list is not one by itself: write a manifest as kubectl apply reads it"},
		"kind of a number":    {"apiVersion: v1\nkind: 1", "in.yaml:1: not a Kubernetes object: kind is a number, and a string in quotes is expected: "},
		"values":              {"services: [{name: a}]", "in.yaml:1: this is a values file, not a manifest"},
		"no kind":             {"metadata: {name: a}", "in.yaml:1: apiVersion or kind is missing"},
		"no name":             {"apiVersion: v1\nkind: Service\nmetadata: {generateName: a-}", "in.yaml:1: the Service has no name: set metadata.name"},
		"wrong type":          {service + "spec: {ports: [{port: http}]}", "in.yaml:1: Service db: spec.ports.port is a string, and a whole number without quotes is expected"},
		"a string":            {service + "spec: {ports: 80}", "in.yaml:1: Service db: spec.ports is a number, and a list is expected"},
		"a switch":            {service + "spec: {publishNotReadyAddresses: maybe}", "spec.publishNotReadyAddresses is a string, and true or false is expected"},
		"labels":              {"apiVersion: v1\nkind: Service\nmetadata: {name: db, labels: {a: 1}}", "in.yaml:1: Service db: metadata.labels is a number, and a string in quotes is expected"},
		"target port":         {service + "spec: {ports: [{port: 80, targetPort: [80]}]}", "is a list, and a whole number is expected"},
		"a fraction":          {service + "spec: {ports: [{port: 80.5}]}", "spec.ports.port is the number 80.5, and a whole number is expected"},
		"key twice":           {service + "kind: Service", `in.yaml:4: key "kind" already set in map`},
		"item":                {"apiVersion: v1\nkind: List\nitems: [1]", "in.yaml:1: items[0]: not a Kubernetes object: "},
		"twice and different": {service + "spec: {type: ExternalName, externalName: a.example}\n---\n" + service + "spec: {type: ExternalName, externalName: b.example}", "in.yaml:1 and in.yaml:6 both have the Service db, and differ: leave out one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			o := importer.NewObjects()
			o.Strict = true
			err := o.ReadManifests("in.yaml", []byte(c.text))
			if err == nil {
				_, err = importer.Import(o, importer.Options{})
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has several lines", err)
			}
		})
	}
}

// The same object twice is one; lines that end as on Windows, a mark of the byte order and
// the markers of YAML are no hindrance.
func TestText(t *testing.T) {
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {type: ExternalName, externalName: a.example}\n"
	for name, text := range map[string]string{
		"twice":      service + "---\n" + service,
		"windows":    "\xef\xbb\xbf---\r\n" + strings.ReplaceAll(service, "\n", "\r\n") + "---\r\n",
		"markers":    "%YAML 1.1\n--- # first\n" + service + "...\n---\n",
		"one line":   "--- {apiVersion: v1, kind: Service, metadata: {name: db}, spec: {type: ExternalName, externalName: a.example}}",
		"flow":       "{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {type: ExternalName, externalName: a.example}}\n---\n" + service,
		"typed list": "apiVersion: v1\nkind: ServiceList\nitems: [{metadata: {name: db}, spec: {type: ExternalName, externalName: a.example}}]",
	} {
		result := importTexts(t, importer.Options{}, false, map[string]string{"in.yaml": text})
		if len(result.Entries) != 1 || len(result.Findings) != 0 {
			t.Errorf("%s: %s\n%s", name, result.Summary(), result.Values)
		}
	}
}

// Of a folder are read the files that kubectl reads, and with recursive those below it.
func TestFolders(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "below", "more"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a.yaml", "b.yml", "c.json", "below/d.yaml", "below/more/e.yaml", "notes.txt", "below/f.tpl"} {
		text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db-%d"}, "spec": {"type": "ExternalName", "externalName": "a.example"}}`, i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for recursive, want := range map[bool]int{false: 3, true: 5} {
		o := importer.NewObjects()
		if err := service.ReadFiles([]string{dir}, recursive, nil, o.ReadManifests); err != nil {
			t.Fatal(err)
		}
		result, err := importer.Import(o, importer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Entries) != want {
			t.Errorf("recursive %t: %d entries, want %d", recursive, len(result.Entries), want)
		}
	}
	err := service.ReadFiles([]string{t.TempDir()}, false, nil, importer.NewObjects().ReadManifests)
	if err == nil || !strings.Contains(err.Error(), "has no files *.yaml, *.yml or *.json; -R also reads the folders in it") {
		t.Error(err)
	}
}

// FuzzText reads any text: it ends with an error or with values that helm takes.
func FuzzText(f *testing.F) {
	files, err := filepath.Glob("testdata/shapes/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o := importer.NewObjects()
		o.Strict = len(text)%2 == 0
		if o.ReadManifests("in.yaml", text) != nil {
			return
		}
		result, err := importer.Import(o, importer.Options{})
		if err != nil {
			if strings.HasPrefix(err.Error(), "nothing to import: ") {
				return
			}
			t.Fatal(err)
		}
		vals, err := helm.Parse(result.Values)
		if err != nil {
			t.Fatalf("%v\n%s", err, result.Values)
		}
		if bytes.Contains(result.Values, []byte("${")) {
			return // helm refuses it until it is replaced
		}
		chart, err := helm.Embedded()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := helm.Render(chart, helm.Release{}, vals); err != nil {
			t.Fatalf("%v\n%s", err, result.Values)
		}
	})
}
