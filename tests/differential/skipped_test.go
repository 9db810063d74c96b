package differential

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"external-services/tests/internal/testenv"
	"external-services/tools/render"
)

// What becomes of values that only the schema refuses, if it is skipped and the API server does not refuse
// them either. Each is a row of a table in docs/validation.md, and none sends connections elsewhere.
const (
	sameMeaning = "It means what it says: `\"80\"` is 80, `\"false\"` is false."
	asText      = "It is written as text."
	asUnset     = "It counts as unset."
	ignored     = "It is ignored."
	noZone      = "It matches no client: traffic is divided as without zones."
	unused      = "It is written once the pods take over, and the API server refuses it then."
	works       = "It works."
)

// withoutSchema are the kept cases of that kind.
var withoutSchema = map[string]string{
	"address: ready is a string": sameMeaning, "ports: port is a string": sameMeaning, "headless: a string": sameMeaning, "publishNotReadyAddresses: a string": sameMeaning, "entry: enabled is a string": sameMeaning,
	"hostname: a number": asText, "selector: a number": asText, "labels: a number": asText, "annotations: a truth value": asText, "annotations: a map": asText,
	"zone: space": noZone, "zone: leading dash": noZone, "zone: 64 characters": noZone,
	"selector: matchLabels": unused, "selector: a key with a space": unused,
	"podPort: 0": asUnset, "podPort: empty": asUnset, "ports: targetPort 0": asUnset, "sessionAffinity: timeout 0": asUnset, "namespaces: empty": asUnset,
	"namespaces: one twice": ignored, "overrides: a new name": ignored, "namespaceOverrides: another namespace": ignored,
	"name: starts with a digit": works, "ports: more than 100": works,
}

// Without the schema (--skip-schema-validation) every invalid input is refused all the same, by the
// chart, by Helm or by the API server, or it is one of a list.
func TestWithoutTheSchema(t *testing.T) {
	startServers(t)
	files, err := filepath.Glob(filepath.Join("..", "schema", "testdata", "invalid", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	met := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []struct{ Name, Values, Schema string }
		if err := yaml.Unmarshal(text, &cases); err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			if c.Schema == "" {
				continue
			}
			t.Run(c.Name, func(t *testing.T) {
				chart, err := render.Embedded()
				if err != nil {
					t.Fatal(err)
				}
				chart.Schema = nil
				values, err := render.Parse([]byte(c.Values))
				if err != nil {
					t.Fatal(err)
				}
				d := document{Values: values}
				d.Release.Name, d.Release.Namespace = "outside", namespaces[0]
				rendered, err := documents(chart, d)
				if err != nil {
					return // Helm or the chart refuses
				}
				v := verdict{answers: map[string]string{}}
				if v.objects, err = objects(rendered); err != nil {
					return // Helm cannot read it either
				}
				if !slices.ContainsFunc(v.objects, func(o object) bool { return o.kind == "Service" }) {
					return // nothing is installed
				}
				if err := v.ask(t.Context(), false); err != nil {
					t.Fatal(err)
				}
				met[c.Name] = true
				refused := 0
				for _, answer := range v.answers {
					if answer != "" {
						refused++
					}
				}
				_, listed := withoutSchema[c.Name]
				if installs := refused < len(v.answers); installs != listed {
					t.Errorf("installs: %v, in the list: %v\n%v\n%s", installs, listed, v.answers, rendered)
				}
			})
		}
	}
	guide, err := os.ReadFile(filepath.Join(testenv.Chart(), "docs", "validation.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name, outcome := range withoutSchema {
		if !strings.Contains(string(guide), outcome) {
			t.Errorf("docs/validation.md does not say %q", outcome)
		}
		if !met[name] {
			t.Errorf("%q is the name of no case that the schema refuses", name)
		}
	}
}
