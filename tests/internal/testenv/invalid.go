package testenv

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"
)

// InvalidCase is a case of tests/schema/testdata/invalid: values, and the message of whoever refuses them.
// One of the three messages is set.
type InvalidCase struct {
	Name   string `json:"name"`
	Values string `json:"values"`
	Schema string `json:"schema,omitempty"` // values.schema.json
	Chart  string `json:"chart,omitempty"`  // templates/_rules.tpl
	API    string `json:"api,omitempty"`    // the API server, see TestLeftToTheServer of tests/parity
}

// InvalidCases reads the invalid inputs that the tests keep, in the order of their files. It refuses keys
// that a case does not have.
func InvalidCases(t testing.TB) []InvalidCase {
	t.Helper()
	files, err := filepath.Glob(Path("tests", "schema", "testdata", "invalid", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in tests/schema/testdata/invalid: %v", err)
	}
	var all []InvalidCase
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []InvalidCase
		if err := yaml.UnmarshalStrict(text, &cases); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, cases...)
	}
	return all
}
