package testenv

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Section compares the text between two marker lines of a page with the one wanted, or writes it there. The
// command is the one that writes it.
func Section(t testing.TB, path, begin, end, text string, write bool, command string) {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), begin)
	old, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has not the lines %q and %q", path, begin, end)
	}
	if write {
		if err := os.WriteFile(path, []byte(before+begin+text+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(old, text); diff != "" {
		t.Errorf("%s is not up to date: run %s (-page +generated):\n%s", path, command, diff)
	}
}
