package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"external-services/tools/values"
)

const chartYAML = "version: 1.1.0\nannotations:\n" + beginAnnotations + "  old: text\n" + endAnnotations + "sources: []\n"

func TestAnnotate(t *testing.T) {
	const changelog = "# Changelog\n\n## Unreleased\n\n### Added\n\n- Not yet.\n\n## 1.1.0\n\n### Added\n\n- `key: value` is \"quoted\", and long enough to go on\n" +
		"  in another line - which begins with a dash: a colon too.\n- #2\n\n### Fixed\n\n- It.\n\n## 1.0.0\n\n### Added\n\n- All.\n"
	text, err := annotate([]byte(chartYAML), []byte(changelog), values.Default())
	if err != nil {
		t.Fatal(err)
	}
	var chart struct {
		Version     string            `json:"version"`
		Annotations map[string]string `json:"annotations"`
		Sources     []string          `json:"sources"`
	}
	if err := yaml.UnmarshalStrict(text, &chart); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if len(chart.Annotations) != 2 || chart.Version != "1.1.0" || chart.Sources == nil {
		t.Errorf("got\n%s", text)
	}
	type change struct{ Kind, Description string }
	var changes []change
	if err := yaml.UnmarshalStrict([]byte(chart.Annotations["artifacthub.io/changes"]), &changes); err != nil {
		t.Fatal(err)
	}
	want := []change{
		{"added", `key: value is "quoted", and long enough to go on in another line - which begins with a dash: a colon too.`},
		{"added", "#2"},
		{"fixed", "It."},
	}
	if diff := cmp.Diff(want, changes); diff != "" {
		t.Errorf("artifacthub.io/changes (-want +got):\n%s", diff)
	}
	type image struct{ Name, Image string }
	var images []image
	if err := yaml.UnmarshalStrict([]byte(chart.Annotations["artifacthub.io/images"]), &images); err != nil {
		t.Fatal(err)
	}
	pod := values.Default().Tests.Image
	wantImages := []image{{"helm-test", pod.Repository + ":" + pod.Tag}, {"resolver", "external-services-resolver:1.1.0"}}
	if diff := cmp.Diff(wantImages, images); diff != "" {
		t.Errorf("artifacthub.io/images (-want +got):\n%s", diff)
	}
}

func TestAnnotateRefuses(t *testing.T) {
	for changelog, want := range map[string]string{
		"## 1.1\n\n### Added\n\n- A.\n":                      `CHANGELOG.md has no section "## 1.1.0", the version of Chart.yaml: add one`,
		"## 1x1.0\n\n### Added\n\n- A.\n":                    `CHANGELOG.md has no section "## 1.1.0"`,
		"## 1.1.0\n\n## 1.0.0\n\n### Added\n\n- A.\n":        `CHANGELOG.md, section "## 1.1.0": no changes: add them`,
		"## 1.1.0\n\n- A.\n":                                 `section "## 1.1.0": unexpected line "- A.": write a heading`,
		"## 1.1.0\n\n### Addde\n\n- A.\n":                    `unexpected line "### Addde": write a heading (### Added, Changed`,
		"## 1.1.0\n\n### Added\n\n- A.\n\n### Fixed\n  B.\n": `unexpected line "  B."`,
		"## 1.1.0\n\n### Added\n\nA.\n":                      `section "## 1.1.0": unexpected line "A."`,
	} {
		if _, err := annotate([]byte(chartYAML), []byte(changelog), values.Default()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives the error %v, want %q", changelog, err, want)
		}
	}
	if _, err := annotate([]byte("version: 1.1.0\n"), []byte("## 1.1.0\n\n### Added\n\n- A.\n"), values.Default()); err == nil || !strings.Contains(err.Error(), `add the lines "  # generated from CHANGELOG.md`) {
		t.Errorf("without markers the error is %v", err)
	}
}
