package helm

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/engine"
)

var update = flag.Bool("update", false, "write testdata/data.json")

// What the chart prints for programs has one shape: a change of it is a change of the chart's interface.
func TestDataOfTheChart(t *testing.T) {
	const text = `
services:
- {name: web, externalName: "www.{{ .Release.Name }}.example", ports: [{port: 443, name: https}]}
- name: db
  namespaces: [shop, billing]
  addresses: [10.0.4.11, {ip: 10.0.4.12, draining: true}, "2001:db8::11"]
  ports: [{port: 3306, targetPort: 3307}]
- {name: orders, addresses: ["{{ .Release.Name }}.corp.example", 10.0.4.13, {host: db.corp.example, ready: false}], ports: [{port: 3306}], resolve: {keepSeconds: 60}}
- {name: checked, addresses: [10.0.4.14], ports: [{port: 80}], healthCheck: {}}
- {name: app, backend: cluster, selector: {app: app}, ports: [{port: 80}]}
- {name: idle, enabled: false, externalName: off.example}
- {name: wrong, externalName: "10.0.0.1"}
- {name: gap}
resolver: {enabled: true}
overrides: {db: {labels: {tier: two}}, nobody: {enabled: false}}
`
	chart, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	vals, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	run, err := Prepare(chart, Release{Name: "outside", Namespace: "apps"}, vals)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(withProbe(run.chart, func(name string) bool { return name[0] == '_' }), run.values)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, []byte(files[run.Parts()[0].file]), "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	path := filepath.Join("testdata", "data.json")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the data of the chart (-want +got), -update writes it:\n%s", diff)
	}
	// Go reads all of it: nothing is printed for nobody.
	decoder := json.NewDecoder(&got)
	decoder.DisallowUnknownFields()
	var data Data
	if err := decoder.Decode(&data); err != nil {
		t.Error(err)
	}
}
