package parity

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"external-services/tests/internal/testenv"
	"external-services/tools/helm"
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

// answersTo are the answers of the API servers to what the chart renders of a case. The error is that the
// chart or Helm refuses; there are no answers where nothing is installed.
func answersTo(t *testing.T, c testenv.InvalidCase, withoutSchema bool) (map[string]string, error) {
	t.Helper()
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	if withoutSchema {
		chart.Schema = nil
	}
	values, err := helm.Parse([]byte(c.Values))
	if err != nil {
		t.Fatal(err)
	}
	d := document{Values: values}
	d.Release.Name, d.Release.Namespace = "outside", namespaces[0]
	rendered, err := documents(chart, d)
	if err != nil {
		return nil, err
	}
	v := verdict{answers: map[string]string{}}
	if v.objects, err = objects(rendered); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(v.objects, func(o object) bool { return o.kind == "Service" }) {
		return nil, nil
	}
	if err := v.ask(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	return v.answers, nil
}

// What is left to the API server, it refuses: the cases of tests/schema that say so.
func TestLeftToTheServer(t *testing.T) {
	startServers(t)
	left := 0
	for _, c := range testenv.InvalidCases(t) {
		if c.API == "" {
			continue
		}
		left++
		answers, err := answersTo(t, c, false)
		if err != nil || len(answers) == 0 {
			t.Errorf("%s: %d answers, %v", c.Name, len(answers), err)
		}
		for version, answer := range answers {
			if !strings.Contains(answer, c.API) || !leftToTheServer.MatchString(answer) {
				t.Errorf("%s: Kubernetes %s says %q, want %q", c.Name, version, answer, c.API)
			}
		}
	}
	if left == 0 {
		t.Error("no case is left to the API server")
	}
}

// Without the schema (--skip-schema-validation) every invalid input is refused all the same, by the
// chart, by Helm or by the API server, or it is one of a list.
func TestWithoutTheSchema(t *testing.T) {
	startServers(t)
	installed := map[string]bool{}
	for _, c := range testenv.InvalidCases(t) {
		if c.Schema == "" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			answers, err := answersTo(t, c, true)
			if err != nil || len(answers) == 0 {
				return // Helm or the chart refuses, or nothing is installed
			}
			for _, answer := range answers {
				installed[c.Name] = installed[c.Name] || answer == ""
			}
			if _, listed := withoutSchema[c.Name]; installed[c.Name] != listed {
				t.Errorf("installs: %v, in the list: %v\n%v", installed[c.Name], listed, answers)
			}
		})
	}
	guide, err := os.ReadFile(filepath.Join(testenv.Chart(), "docs", "validation.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name, outcome := range withoutSchema {
		if !strings.Contains(string(guide), outcome) {
			t.Errorf("docs/validation.md does not say %q", outcome)
		}
		if !installed[name] {
			t.Errorf("%q is in the list, and no such case installs", name)
		}
	}
}
