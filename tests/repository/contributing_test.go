package repository

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"external-services/tests/internal/testenv"
)

// What CONTRIBUTING.md and SECURITY.md name is there: targets of make, linked files, and
// the paths of the map.
func TestContributing(t *testing.T) {
	makefile := read(t, "Makefile")
	for _, name := range []string{"CONTRIBUTING.md", "SECURITY.md"} {
		text := read(t, name)
		for _, match := range regexp.MustCompile("(?:^|[\n`])make ([a-z -]+)").FindAllStringSubmatch(text, -1) {
			for target := range strings.FieldsSeq(match[1]) {
				if !strings.Contains(makefile, "\n"+target+":") {
					t.Errorf("%s names make %s, which is no target", name, target)
				}
			}
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(testenv.Path(link[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, link[1], err)
			}
		}
	}
	_, text, _ := strings.Cut(read(t, "CONTRIBUTING.md"), "| What | Where |\n")
	houseMap, _, _ := strings.Cut(text, "\n\n")
	if rows := strings.Count(houseMap, "\n"); rows > 10 { // of which one is the line below the head
		t.Errorf("the map of CONTRIBUTING.md has %d rows, want at most 10", rows)
	}
	paths := regexp.MustCompile("`([a-zA-Z./_-]+)`").FindAllStringSubmatch(houseMap, -1)
	if len(paths) < 25 {
		t.Errorf("the map of CONTRIBUTING.md has %d paths", len(paths))
	}
	for _, match := range paths {
		// below a folder that stands before it in the row
		found := false
		for _, folder := range []string{"", "tools", "tools/values", "charts/external-services"} {
			_, err := os.Stat(testenv.Path(folder, match[1]))
			found = found || err == nil
		}
		if !found && match[1] != "extsvc" && !strings.HasPrefix(match[1], "make ") {
			t.Errorf("the map of CONTRIBUTING.md names %s, which is not there", match[1])
		}
	}
}
