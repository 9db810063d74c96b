package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func TestRepository(t *testing.T) {
	const repository = "https://git.example/team/external-services"
	chart, err := withRepository([]byte(chartYAML[:strings.Index(chartYAML, "sources:")]), repository)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := yaml.Unmarshal(chart, &got); err != nil {
		t.Fatalf("%v in\n%s", err, chart)
	}
	want := map[string]any{
		"version": "1.1.0", "home": repository, "sources": []any{repository},
		"annotations": map[string]any{
			"old": "text",
			"artifacthub.io/screenshots": "- title: How far a migration is, by extsvc report\n" +
				"  url: " + repository + "/raw/v1.1.0/charts/external-services/docs/report.png\n",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRepositoryRefuses(t *testing.T) {
	const chart = "version: 1.0.0\nannotations:\n" + beginAnnotations + endAnnotations
	for _, c := range []struct{ chart, repository, want string }{
		{chart, "git.example/team", `repository "git.example/team": write the URL of the repository, such as https://`},
		{chart, "http://git.example/team", "write the URL of the repository"},
		{chart, "https://git.example/team/", "write the URL of the repository"},
		{"version: 1.0.0\n", "https://git.example/team", "add the line"},
		{chart + "home: https://git.example\n", "https://git.example/team", "home and sources are set: remove them"},
		{chart + "sources: [https://git.example]\n", "https://git.example/team", "home and sources are set: remove them"},
	} {
		if _, err := withRepository([]byte(c.chart), c.repository); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.repository, err, c.want)
		}
	}
}
