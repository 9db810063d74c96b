package repository

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"external-services/tests/internal/testenv"
	"external-services/tools/findings"
)

// A symptom has one answer: one heading or row of the guide of troubleshooting, and no heading of another
// guide. So has each code of a finding that the guide explains, and each value in the list of refusals.
func TestOneAnswerForEachSymptom(t *testing.T) {
	const guide, refusals = "troubleshooting.md", "validation.md"
	for _, page := range []string{guide, refusals} {
		for symptom, places := range symptoms(t, page) {
			if len(places) > 1 {
				t.Errorf("%s has %q in the lines %d: keep one", page, symptom, places)
			}
		}
	}
	pages, err := filepath.Glob(testenv.Path("charts", "external-services", "docs", "*.md"))
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d guides, %v", len(pages), err)
	}
	own := headings(t, guide)
	for _, page := range pages {
		name := filepath.Base(page)
		if name == guide {
			continue
		}
		for heading := range headings(t, name) {
			if _, found := own[heading]; found {
				t.Errorf("%s and %s have the heading %q: keep one, and link to it", guide, name, heading)
			}
		}
	}
	text := read(t, "charts", "external-services", "docs", guide)
	for _, row := range findings.Catalogue() {
		code, _, _ := strings.Cut(string(row.Code), "/")
		var lines []string
		for line := range strings.Lines(text) {
			if strings.Contains(line, "`"+code+"`") || strings.Contains(line, "("+code+")") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
		if len(lines) > 1 {
			t.Errorf("%s explains the finding %s in %q: keep one", guide, code, lines)
		}
	}
}

var heading = regexp.MustCompile(`^#+ (.*)`)

// symptoms returns the lines of the headings of a page, and of the first cells of its tables.
func symptoms(t *testing.T, page string) map[string][]int {
	t.Helper()
	found := headings(t, page)
	lines := strings.Split(read(t, "charts", "external-services", "docs", page), "\n")
	for i, line := range lines {
		cell, isRow := strings.CutPrefix(line, "| ")
		if !isRow || i+1 < len(lines) && strings.HasPrefix(lines[i+1], "| ---") || strings.HasPrefix(cell, "---") {
			continue // no table, or its head
		}
		cell, _, _ = strings.Cut(cell, " |")
		add(found, cell, i)
	}
	if len(found) < 10 {
		t.Fatalf("%s has %d symptoms", page, len(found))
	}
	return found
}

// headings returns the lines of the headings of a page, without those within blocks.
func headings(t *testing.T, page string) map[string][]int {
	t.Helper()
	found := map[string][]int{}
	block := false
	for i, line := range strings.Split(read(t, "charts", "external-services", "docs", page), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			block = !block
		}
		if match := heading.FindStringSubmatch(line); match != nil && !block {
			add(found, match[1], i)
		}
	}
	return found
}

func add(found map[string][]int, symptom string, i int) {
	symptom = strings.ToLower(strings.TrimRight(strings.TrimSpace(symptom), "."))
	found[symptom] = slices.Sorted(slices.Values(append(found[symptom], i+1)))
}
