package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Each line is the content of a file, and the words that are found in it with their lines.
func TestRun(t *testing.T) {
	for _, c := range []struct {
		name, content string
		want          []string
	}{
		{"a.md", "podPort stands without pods\n", []string{"1: stands"}},
		{"a.md", "Misunderstandings, an upstanding default and a shapely layout.\n", nil},
		{"a.md", "one\ntwo without\na word\n", []string{"2: without a word"}},
		{"a.yaml", "# one without\n# a word\n", []string{"1: without # a word"}},
		{"a.md", "<!-- test: a\nfault -->\n\nA fault.\n", []string{"4: fault"}},
		{"a.md", "The key `faults` is now `findings`, not a fault.\n", []string{"1: fault"}},
		{"a.md", "\"x\" is no format, there is no other, and it is no longer read.\n", []string{"1: is no format"}},
		{"a.md", "JSON Schema draft-07, not a draft of it.\n", []string{"1: draft"}},
		{"a.md", "One Pod leads, and the name leads outside.\n", []string{"1: leads"}},
		{"a.md", "Annotations, as the Service API has them.\n", []string{"1: as the Service API has them"}},

		{"a.md", "Text. What cannot work ends\nthe installation.\n\nWho installs needs Roles.\n", []string{"1: What ...", "4: Who ..."}},
		{"a.md", "# What is refused\n\nWhat does it do? See [What runs](#here).\n", []string{"3: What ..."}},
		{"a.md", "| What | Where |\n| --- | --- |\n| What it answers | x |\n", nil},
		{"a.yaml", "# What Helm needs: a Role.\nkind: Role\n", []string{"1: What ..."}},

		{"a.go", "package a\n\n// A fault of a comment.\nimport \"fault\"\n\nvar fault = `\nhelp\nof a fault`\n", []string{"8: fault"}},
		{"a.go", "package a\n\nvar a = \"no \" +\n\t\"fault\"\n", []string{"4: fault"}},
	} {
		file := filepath.Join(t.TempDir(), c.name)
		if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		found, _, err := run([]string{file})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range found {
			if h.file != file || h.instead == "" {
				t.Errorf("%q: %+v", c.content, h)
			}
			got = append(got, fmt.Sprintf("%d: %s", h.line, h.word))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q has %q, want %q", c.content, got, c.want)
		}
	}
}

// An exception that no file needs is named, and so is a file that cannot be read.
func TestExceptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.md")
	if err := os.WriteFile(file, []byte("It is no longer there.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, unused, err := run([]string{file})
	if err != nil || len(unused) != len(exceptions)-1 {
		t.Errorf("%q, %v, want all exceptions but one", unused, err)
	}
	if _, _, err := run([]string{file + "x"}); err == nil {
		t.Error("a missing file is read")
	}
	for _, e := range exceptions {
		if e.reason == "" {
			t.Errorf("%q has no reason", e.phrase)
		}
	}
}
