package lint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"external-services/tools/findings"
	"external-services/tools/helm"
)

// run lints texts as the files 0.yaml, 1.yaml and so on, with settings.
func run(t testing.TB, settings helm.Values, texts ...string) []findings.Finding {
	t.Helper()
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	options := Options{Chart: chart, Settings: settings}
	for i, text := range texts {
		options.Files = append(options.Files, File{Name: fmt.Sprintf("%d.yaml", i), Text: []byte(text)})
	}
	list, err := Run(options)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// text prints findings as extsvc lint does.
func text(t testing.TB, list []findings.Finding) string {
	t.Helper()
	var out bytes.Buffer
	if err := (&Report{list}).WriteText(&out, findings.Plain); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// github prints findings as extsvc lint -o github does, and encoded as -o json does.
func github(t testing.TB, list []findings.Finding) string {
	t.Helper()
	var out bytes.Buffer
	if err := (&Report{list}).WriteGitHub(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func encoded(t testing.TB, list []findings.Finding) string {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(&Report{list}); err != nil {
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
			list := run(t, helm.Values{JSONValues: e.SetJSON, Values: e.Set, StringValues: e.SetString}, e.Files...)
			if got := text(t, list); got != e.Text {
				t.Errorf("got:\n%s\nwant:\n%s", got, e.Text)
			}
		})
	}
}

func TestJSONAndGitHub(t *testing.T) {
	list := run(t, helm.Values{Values: []string{"commonLabels.a=b c"}}, "services:\n- name: \"a,b:\\n100%\"\n  externalName: localhost\n- {name: web, externalName: a.example, ports: [{port: 6443}]}\n")
	for format, want := range map[string]string{
		"github": `::error file=0.yaml,line=2,col=9,title=entry "a%2Cb%3A\n100%25"::entry "a,b:\n100%25": name: "a,b:\n100%25" is not a valid Service name: write at most 63 lower-case letters, digits and "-", with a letter first and no "-" last
::error file=0.yaml,line=3,col=17,title=entry "a%2Cb%3A\n100%25"::entry "a,b:\n100%25": externalName: "localhost" is the calling pod itself: write the name of the outside host in DNS
::error title=values::--set 1: commonLabels.a: commonLabels.a: "b c" is not a valid label value: write at most 63 letters, digits, "-", "_" and ".", with a letter or digit first and last
`,
		"json": `{
  "findings": [
    {
      "code": "value-refused",
      "severity": "error",
      "entry": "a,b:\n100%",
      "file": "0.yaml",
      "line": 2,
      "column": 9,
      "field": "name",
      "message": "\"a,b:\\n100%\" is not a valid Service name",
      "fix": [
        "write at most 63 lower-case letters, digits and \"-\", with a letter first and no \"-\" last"
      ]
    },
    {
      "code": "value-refused",
      "severity": "error",
      "entry": "a,b:\n100%",
      "file": "0.yaml",
      "line": 3,
      "column": 17,
      "field": "externalName",
      "message": "\"localhost\" is the calling pod itself",
      "fix": [
        "write the name of the outside host in DNS"
      ]
    },
    {
      "code": "value-refused",
      "severity": "error",
      "flag": "--set 1",
      "key": "commonLabels.a",
      "field": "commonLabels.a",
      "message": "\"b c\" is not a valid label value",
      "fix": [
        "write at most 63 letters, digits, \"-\", \"_\" and \".\", with a letter or digit first and last"
      ]
    }
  ]
}
`,
	} {
		printed := map[string]func(testing.TB, []findings.Finding) string{"text": text, "json": encoded, "github": github}[format](t, list)
		if printed != want {
			t.Errorf("%s:\n%s\nwant:\n%s", format, printed, want)
		}
	}
	hints := []findings.Finding{{Severity: findings.Hint, Position: findings.Position{File: "a.yaml", Line: 3, Column: 5}, Entry: "x", Message: "one\ntwo"}}
	if got := github(t, hints); got != "::notice file=a.yaml,line=3,col=5,title=entry \"x\"::entry \"x\": one%0Atwo\n" {
		t.Errorf("%q", got)
	}
}

// Without findings, JSON has an empty list.
func TestNoFindings(t *testing.T) {
	if got := encoded(t, run(t, helm.Values{}, "services: []\n")); got != "{\n  \"findings\": []\n}\n" {
		t.Errorf("%q", got)
	}
}

// Each kind of finding has its code.
func TestCodes(t *testing.T) {
	for text, want := range map[string]findings.Code{
		"services: [":                    findings.NotYAML,
		"services: []\nservices: []":     findings.DuplicateKey,
		"services: []\n---\nenabled: no": findings.SecondDocument,
		"service: []":                    findings.UnknownKey,
		"services: [{name: Orders, externalName: a.example}]":                                                 findings.ValueRefused,
		"services: [{name: orders}]":                                                                          findings.ValueRefused,
		"services: [{name: orders, externalName: '{{ oops }}'}]":                                              findings.TemplateFails,
		"services: [{name: orders, externalName: '{{ fail \"x\" }}'}]":                                        findings.HelmRefuses,
		"services: [{name: orders, externalName: a.example, headless: true}]":                                 findings.NoEffect,
		"services: [{name: orders, externalName: a.example, ports: [{port: 636}]}]":                           findings.TLSName,
		"resolver: {enabled: true}\nservices: [{name: orders, addresses: [a.example], ports: [{port: 636}]}]": findings.TLSName,
		"services: [{name: orders, externalName: a.example, ports: [{port: 80}]}]":                            findings.AliasBehindRoute,
		"services: [{name: orders, addresses: ['2001:db8::1'], ports: [{port: 80}]}]":                         findings.IPv6Only,
		"services: [{name: orders, addresses: [{ip: 10.0.0.1, ready: false}], ports: [{port: 80}]}]":          findings.NoReadyAddress,
	} {
		if list := run(t, helm.Values{}, text); len(list) != 1 || list[0].Code != want {
			t.Errorf("%s: %v, want one %s", text, list, want)
		}
	}
	if list := run(t, helm.Values{Values: []string{"a"}}); len(list) != 1 || list[0].Code != findings.InvalidFlag {
		t.Errorf("%v, want one %s", list, findings.InvalidFlag)
	}
}

// Of a template in the values that calls itself, lint says what Helm says.
func TestTemplateCallsItself(t *testing.T) {
	values := `services: [{name: a, externalName: '{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}'}]`
	got := text(t, run(t, helm.Values{}, values))
	if !strings.Contains(got, "rendering template has a nested reference name") {
		t.Errorf("prints %.600s", got)
	}
}
