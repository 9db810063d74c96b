package lint

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"external-services/tools/helm"
)

// run lints texts as the files 0.yaml, 1.yaml and so on, with settings.
func run(t testing.TB, settings helm.Values, texts ...string) *Report {
	t.Helper()
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	options := Options{Chart: chart, Settings: settings}
	for i, text := range texts {
		options.Files = append(options.Files, File{Name: fmt.Sprintf("%d.yaml", i), Text: []byte(text)})
	}
	report, err := Run(options)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// text prints a report as extsvc lint does.
func text(t testing.TB, report *Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := report.Print(&out, "text"); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// The table of testdata/reports.yaml holds the exact text for files and flags.
func TestReports(t *testing.T) {
	type example struct {
		Name      string   `json:"name"`
		Files     []string `json:"files"`
		SetJSON   []string `json:"setJSON,omitempty"`
		Set       []string `json:"set,omitempty"`
		SetString []string `json:"setString,omitempty"`
		Text      string   `json:"text"`
	}
	path := filepath.Join("testdata", "reports.yaml")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var examples []example
	if err := yaml.UnmarshalStrict(content, &examples); err != nil {
		t.Fatal(err)
	}
	for _, e := range examples {
		t.Run(e.Name, func(t *testing.T) {
			report := run(t, helm.Values{JSONValues: e.SetJSON, Values: e.Set, StringValues: e.SetString}, e.Files...)
			if got := text(t, report); got != e.Text {
				t.Errorf("got:\n%s\nwant:\n%s", got, e.Text)
			}
		})
	}
}

func TestJSONAndGitHub(t *testing.T) {
	report := run(t, helm.Values{Values: []string{"commonLabels.a=b c"}}, "services:\n- name: \"a,b:\\n100%\"\n  externalName: localhost\n- {name: web, externalName: a.example, ports: [{port: 6443}]}\n")
	for format, want := range map[string]string{
		"github": `::error file=0.yaml,line=2,col=9,title=entry "a%2Cb%3A\n100%25"::entry "a,b:\n100%25": name: "a,b:\n100%25" is not a valid Service name: write at most 63 lower-case letters, digits and "-", with a letter first and no "-" last
::error file=0.yaml,line=3,col=17,title=entry "a%2Cb%3A\n100%25"::entry "a,b:\n100%25": externalName: "localhost" is the calling pod itself: write the name of the outside host in DNS
::error title=values::--set 1: commonLabels.a: commonLabels.a: "b c" is not a valid label value: write at most 63 letters, digits, "-", "_" and ".", with a letter or digit first and last
`,
		"json": `{
  "faults": [
    {
      "file": "0.yaml",
      "line": 2,
      "column": 9,
      "entry": "a,b:\n100%",
      "field": "name",
      "reason": "\"a,b:\\n100%\" is not a valid Service name",
      "fix": "write at most 63 lower-case letters, digits and \"-\", with a letter first and no \"-\" last"
    },
    {
      "file": "0.yaml",
      "line": 3,
      "column": 17,
      "entry": "a,b:\n100%",
      "field": "externalName",
      "reason": "\"localhost\" is the calling pod itself",
      "fix": "write the name of the outside host in DNS"
    },
    {
      "flag": "--set 1",
      "key": "commonLabels.a",
      "field": "commonLabels.a",
      "reason": "\"b c\" is not a valid label value",
      "fix": "write at most 63 letters, digits, \"-\", \"_\" and \".\", with a letter or digit first and last"
    }
  ],
  "hints": []
}
`,
	} {
		var out bytes.Buffer
		if err := report.Print(&out, format); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%s:\n%s\nwant:\n%s", format, out.String(), want)
		}
	}
	hints := &Report{Hints: []Finding{{Position: Position{File: "a.yaml", Line: 3, Column: 5}, Entry: "x", Reason: "one\ntwo"}}}
	var out bytes.Buffer
	if err := hints.Print(&out, "github"); err != nil || out.String() != "::notice file=a.yaml,line=3,col=5,title=entry \"x\"::entry \"x\": one%0Atwo\n" {
		t.Errorf("%v, %q", err, out.String())
	}
	if err := hints.Print(&out, "xml"); err == nil || err.Error() != `format "xml" is none of text, json, github` {
		t.Errorf("%v", err)
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"name", "port", "ports", "addresses", "targetPort", "externalName"}
	for word, want := range map[string]string{
		"adresses": "addresses", "ExternalName": "externalName", "prot": "port", "targetprot": "targetPort", "nmae": "name",
		"x": "", "something": "", "": "", strings.Repeat("a", 1000): "",
	} {
		if got := nearest(word, keys); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
}
