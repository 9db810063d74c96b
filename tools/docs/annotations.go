package docs

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"external-services/tools/values"
)

// The lines of a Chart.yaml between which its generated annotations stand.
const (
	BeginAnnotations = "  # generated from CHANGELOG.md and tools/values by make generate: begin\n"
	EndAnnotations   = "  # generated from CHANGELOG.md and tools/values by make generate: end\n"
)

// kinds are the headings of a changelog's section, in the words of
// https://artifacthub.io/docs/topics/annotations/helm/.
var kinds = []string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}

// ChartYAML returns the Chart.yaml with the annotations for Artifact Hub: the changes
// that the changelog has for the version of the Chart.yaml, and the images of the values.
func ChartYAML(chart, changelog []byte) ([]byte, error) {
	var metadata struct {
		Version string `json:"version"`
	}
	if err := yaml.Unmarshal(chart, &metadata); err != nil {
		return nil, err
	}
	changes, err := changes(string(changelog), metadata.Version)
	if err != nil {
		return nil, err
	}
	image := values.Default().Tests.Image
	images := fmt.Sprintf("    - name: helm-test\n      image: %s:%s\n", image.Repository, image.Tag)
	return insert(chart, BeginAnnotations, EndAnnotations, "  artifacthub.io/changes: |\n"+changes+"  artifacthub.io/images: |\n"+images)
}

// changes are the items of a version's section as YAML.
func changes(changelog, version string) (string, error) {
	section := regexp.MustCompile(`(?ms)^## ` + regexp.QuoteMeta(version) + `\n(.*?)(^## |\z)`).FindStringSubmatch(changelog)
	if section == nil {
		return "", fmt.Errorf("CHANGELOG.md has no section \"## %s\", which is the version of Chart.yaml: write what changed", version)
	}
	var out bytes.Buffer
	kind := ""
	var item []string
	flush := func() {
		if len(item) > 0 {
			fmt.Fprintf(&out, "    - kind: %s\n      description: >-\n", strings.ToLower(kind))
			writeLines(&out, "       ", strings.ReplaceAll(strings.Join(item, " "), "`", ""))
		}
		item = nil
	}
	for line := range strings.Lines(section[1]) {
		line = strings.TrimRight(line, "\n")
		heading, isHeading := strings.CutPrefix(line, "### ")
		text, begins := strings.CutPrefix(line, "- ")
		switch {
		case line == "":
		case isHeading && slices.Contains(kinds, heading):
			flush()
			kind = heading
		case begins && kind != "":
			flush()
			item = []string{text}
		case strings.HasPrefix(line, "  ") && len(item) > 0:
			item = append(item, strings.TrimSpace(line))
		default:
			return "", fmt.Errorf("CHANGELOG.md has the line %q in the section of %s: write a heading of ### %s, and items that begin with \"- \" and go on behind two spaces",
				line, version, strings.Join(kinds, ", "))
		}
	}
	flush()
	if out.Len() == 0 {
		return "", fmt.Errorf("CHANGELOG.md says nothing of %s: write what changed", version)
	}
	return out.String(), nil
}
