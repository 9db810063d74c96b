package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"external-services/tools/values"
)

// The lines of a Chart.yaml around its generated annotations.
const (
	beginAnnotations = "  # generated from CHANGELOG.md and tools/values by make generate: begin\n"
	endAnnotations   = "  # generated from CHANGELOG.md and tools/values by make generate: end\n"
)

// kinds are the headings in a section of the changelog, and the kinds of change of Artifact Hub:
// https://artifacthub.io/docs/topics/annotations/helm/.
var kinds = []string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}

// change is an item of the changelog.
type change struct{ kind, description string }

// annotate replaces the annotations for Artifact Hub in a Chart.yaml: the changes of its version
// and the images of the default values.
func annotate(chart, changelog []byte, defaults values.Values) ([]byte, error) {
	var metadata struct{ Version string }
	if err := yaml.Unmarshal(chart, &metadata); err != nil {
		return nil, err
	}
	changes, err := readChanges(string(changelog), metadata.Version)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	out.WriteString("  artifacthub.io/changes: |\n")
	for _, c := range changes {
		fmt.Fprintf(&out, "    - kind: %s\n      description: >-\n", strings.ToLower(c.kind))
		wrap(&out, "       ", strings.ReplaceAll(c.description, "`", ""))
	}
	tag := strings.ReplaceAll(metadata.Version, "+", "_") // as the template of the Deployment has it
	out.WriteString("  artifacthub.io/images: |\n")
	fmt.Fprintf(&out, "    - name: helm-test\n      image: %s\n", reference(defaults.Tests.Image, ""))
	fmt.Fprintf(&out, "    - name: resolver\n      image: %s\n", reference(defaults.Resolver.Image, tag))
	return insert(chart, beginAnnotations, endAnnotations, out.String())
}

// readChanges reads the section of a version in the changelog.
func readChanges(changelog, version string) ([]*change, error) {
	pattern := regexp.MustCompile(`(?ms)^## ` + regexp.QuoteMeta(version) + `\n(.*?)(^## |\z)`)
	section := pattern.FindStringSubmatch(changelog)
	if section == nil {
		return nil, fmt.Errorf(`CHANGELOG.md has no section "## %s", the version of Chart.yaml: add one`, version)
	}
	var changes []*change
	var current *change // the change that an indented line continues
	kind := ""
	for line := range strings.Lines(section[1]) {
		line = strings.TrimRight(line, "\n")
		heading, isHeading := strings.CutPrefix(line, "### ")
		text, isItem := strings.CutPrefix(line, "- ")
		switch {
		case line == "":
		case isHeading && slices.Contains(kinds, heading):
			kind, current = heading, nil
		case isItem && kind != "":
			current = &change{kind, text}
			changes = append(changes, current)
		case strings.HasPrefix(line, "  ") && current != nil:
			current.description += " " + line
		default:
			return nil, fmt.Errorf(`CHANGELOG.md, section "## %s": unexpected line %q: `+
				`write a heading (### %s), an item ("- ") or its continuation (two spaces)`,
				version, line, strings.Join(kinds, ", "))
		}
	}
	if len(changes) == 0 {
		return nil, fmt.Errorf(`CHANGELOG.md, section "## %s": no changes: add them`, version)
	}
	return changes, nil
}
