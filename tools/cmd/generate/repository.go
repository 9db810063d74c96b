package main

import (
	"fmt"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v3"
)

// withRepository adds to a Chart.yaml what Helm and Artifact Hub show of the repository that releases the chart: home
// and sources, and a screenshot in the tag of the version. The tree names no repository.
func withRepository(chart []byte, repository string) ([]byte, error) {
	if u, err := url.Parse(repository); err != nil || u.Scheme != "https" || u.Host == "" || strings.HasSuffix(repository, "/") {
		return nil, fmt.Errorf("repository %q: write the URL of the repository, such as https://git.example/group/external-services", repository)
	}
	var metadata struct {
		Version, Home string
		Sources       []string
	}
	if err := yaml.Unmarshal(chart, &metadata); err != nil {
		return nil, err
	}
	if metadata.Home != "" || len(metadata.Sources) > 0 {
		return nil, fmt.Errorf("home and sources are set: remove them, the release sets them")
	}
	screenshot := fmt.Sprintf("  artifacthub.io/screenshots: |\n    - title: How far a migration is, by extsvc report\n"+
		"      url: %s/raw/v%s/charts/external-services/docs/report.png\n", repository, metadata.Version)
	before, after, found := strings.Cut(string(chart), endAnnotations)
	if !found {
		return nil, fmt.Errorf("add the line %q: the screenshots go above it", endAnnotations)
	}
	return fmt.Appendf(nil, "%s%s%s%shome: %s\nsources:\n  - %[5]s\n", before, screenshot, endAnnotations, after, repository), nil
}
