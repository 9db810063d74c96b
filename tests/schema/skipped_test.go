package schema

import (
	"path/filepath"
	"strings"
	"testing"

	"external-services/tools/schema"
)

// withoutSchema says what becomes of values that only the schema refuses, in a run with
// --skip-schema-validation. Every case of testdata/invalid that is not in here is refused
// by the chart itself. The table in docs/validation.md says the same.
var withoutSchema = map[string]string{
	"podPort: 65536":                      "the API server refuses the Service",
	"ports: no port":                      "the API server refuses the Service",
	"ports: port 0":                       "the API server refuses the Service",
	"ports: port 65536":                   "the API server refuses the Service",
	"ports: port is a fraction":           "the API server refuses the Service",
	"ports: targetPort 70000":             "the API server refuses the Service",
	"ports: protocol in lower case":       "the API server refuses the Service",
	"sessionAffinity: unknown":            "the API server refuses the Service",
	"sessionAffinity: timeout over a day": "the API server refuses the Service",
	"trafficDistribution: unknown":        "the API server refuses the Service",
	"ports: more than 100":                "works: the API server takes them, and the limit is that of its documentation",
	"endpoints: unknown kind":             "works: it only counts where an entry has addresses, which is refused",
	"endpoints: maxPerSlice 1001":         "works: the API server refuses a slice only when it holds over 1000 addresses",
}

// Whatever the schema refuses is refused without it too, by the chart in a sentence or by
// the API server, or does no harm.
func TestWithoutTheSchema(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata/invalid: %v", err)
	}
	met := map[string]bool{}
	for _, file := range files {
		for _, c := range load[invalid](t, file) {
			if c.Schema == "" {
				continue
			}
			outcome, rendered := withoutSchema[c.Name]
			met[c.Name] = true
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				stdout, stderr, err := template(t, c.Values, "--skip-schema-validation")
				switch {
				case rendered && err != nil:
					t.Errorf("refused, want that %s:\n%s", outcome, stderr)
				case rendered && !strings.Contains(stdout, "kind: ") && strings.Contains(c.Values, "services:"):
					t.Errorf("renders nothing")
				case !rendered && err == nil:
					t.Errorf("renders what may be another object than the one that is meant:\n%s", stdout)
				case !rendered && !strings.Contains(stderr, "Error: execution error at (external-services/templates/"):
					t.Errorf("no sentence: %s", stderr)
				}
			})
		}
	}
	for name := range withoutSchema {
		if !met[name] {
			t.Errorf("%q is the name of no case that the schema refuses", name)
		}
	}
}

// The kinds in the chart's templates are those of the schema: each key of it is taken,
// with a value of its kind, and no other.
func TestKindsAreThoseOfTheSchema(t *testing.T) {
	samples := map[string]string{"string": `"x"`, "boolean": "false", "array": "[]", "object": "{}", "integer": "1"}
	wrong := map[string]string{"string": "[]", "boolean": `"x"`, "array": "{}", "object": "[]", "integer": `"x"`}
	// what the key stands in, with % for it
	around := map[string]string{
		"":                        "%",
		"endpoints.":              "endpoints: {%}",
		"tests.":                  "tests: {%}",
		"tests.image.":            "tests: {image: {%}}",
		"services[].":             "services: [{name: orders, enabled: false, %}]",
		"services[].ports[].":     "services: [{name: orders, externalName: a.example, ports: [{name: a, port: 80, %}]}]",
		"services[].addresses[].": "services: [{name: orders, addresses: [{ip: 10.0.0.1, %}], ports: [{port: 80}]}]",
	}
	checked := 0
	for _, p := range schema.Properties() {
		at := strings.LastIndex(p.Key, ".") + 1
		text, ok := around[p.Key[:at]]
		key := p.Key[at:]
		if !ok || key == "name" || key == "enabled" && p.Key != "enabled" || key == "port" || key == "ip" {
			continue
		}
		kind := p.Type
		if kind == "" { // podPort
			kind = "string"
		}
		if _, ok := samples[kind]; !ok {
			t.Fatalf("%s is of the type %q", p.Key, kind)
		}
		checked++
		t.Run(p.Key, func(t *testing.T) {
			t.Parallel()
			for value, refused := range map[string]bool{samples[kind]: false, wrong[kind]: true} {
				_, stderr, err := template(t, strings.Replace(text, "%", key+": "+value, 1), "--skip-schema-validation")
				isRefused := err != nil && (strings.Contains(stderr, key+" is not a key") || strings.Contains(stderr, key+" is "+strings.ReplaceAll(value, " ", "")+": write"))
				if isRefused != refused {
					t.Errorf("%s: %s: refused: %v, %s", key, value, isRefused, stderr)
				}
			}
			_, stderr, err := template(t, strings.Replace(text, "%", key+"x: 1", 1), "--skip-schema-validation")
			if err == nil || !strings.Contains(stderr, key+"x is not a key that the chart has: correct it or leave it out") {
				t.Errorf("%sx: %v, %s", key, err, stderr)
			}
		})
	}
	if checked < 30 {
		t.Errorf("%d keys were checked", checked)
	}
}
