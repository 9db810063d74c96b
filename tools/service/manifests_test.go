package service_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"external-services/tools/service"
)

// Every object has the place where it begins, whatever separates the documents.
func TestFromManifests(t *testing.T) {
	const db = "apiVersion: v1\nkind: Service\nmetadata: {name: db}\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"one":         {db, []string{"in.yaml:1 Service db"}},
		"several":     {"# first\n---\n" + db + "---\n# second\n\n" + db, []string{"in.yaml:3 Service db", "in.yaml:9 Service db"}},
		"markers":     {"%YAML 1.1\n--- # first\n" + db + "...\n---\n---\n" + db, []string{"in.yaml:3 Service db", "in.yaml:9 Service db"}},
		"one line":    {db + "--- {apiVersion: v1, kind: Service, metadata: {name: db}}", []string{"in.yaml:1 Service db", "in.yaml:4 Service db"}},
		"windows":     {"\xef\xbb\xbf---\r\n" + strings.ReplaceAll(db, "\n", "\r\n") + "---\r\n", []string{"in.yaml:2 Service db"}},
		"in a text":   {db + "spec:\n  externalName: |\n    a\n    ---\n    b\n", []string{"in.yaml:1 Service db"}},
		"JSON":        {`{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}}` + "\n\n" + `{"apiVersion": "v1", "kind": "Pod"}`, []string{"in.yaml:1 Service db", "in.yaml:3 Pod "}},
		"list":        {"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: db}}\n- {apiVersion: v1, kind: Secret, metadata: {name: key}}", []string{"in.yaml:1: items[0] Service db", "in.yaml:1: items[1] Secret key"}},
		"typed list":  {"apiVersion: v1\nkind: ServiceList\nitems: [{metadata: {name: db}, spec: {newField: 1}}]", []string{"in.yaml:1: items[0] Service db [spec.newField]"}},
		"old version": {"apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: db-1}", []string{"in.yaml:1 EndpointSlice db-1"}},
		"keys":        {db + "spec: {selector: {1: a, on: b}, newField: 1, ports: [{port: 80, other: 2}]}", []string{"in.yaml:1 Service db [spec.newField spec.ports[0].other]"}},
		"empty":       {"# nothing\n---\n", nil},
	} {
		manifests, broken := service.FromManifests("in.yaml", []byte(c.text))
		if broken != nil {
			t.Errorf("%s: %v", name, broken)
		}
		var got []string
		for _, m := range manifests {
			text := m.From + " " + m.Kind + " " + m.Object.GetName()
			if len(m.UnknownFields) > 0 {
				text += fmt.Sprintf(" %v", m.UnknownFields)
			}
			got = append(got, text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
