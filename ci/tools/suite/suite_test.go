package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The end of a run names what failed with the first that it says, what did not run and
// why, and how long each part took; a part that fails does not keep the next from running.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example/it\n\ngo 1.26\n",
		"good/good_test.go": `package good
import "testing"
func TestGood(t *testing.T) { t.Log("said by a test that passes") }
func TestLeftOut(t *testing.T) { t.Skip("NOT PROVEN: that it is dark") }
`,
		"bad/bad_test.go": `package bad
import "testing"
func TestBad(t *testing.T) {
	t.Run("inner", func(t *testing.T) { t.Log("one"); t.Error("two"); t.Log("three"); t.Log("four"); t.Log("five") })
}
`,
		"main/main_test.go": `package main
import ("fmt"; "os"; "testing")
func TestMain(m *testing.M) { fmt.Println("no cluster"); os.Exit(1) }
func TestNever(t *testing.T) {}
`,
		"broken/broken_test.go": "package broken\nimport \"testing\"\nfunc TestBroken(t *testing.T) { undefined() }\n",
		"times":                 "61.5\t100.0\t0\tcomponents\n0.2\t0.1\t0\tup to date\n3.0\t2.0\t1\tkubectl\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	one := func(name string, verbose bool) part {
		return part{name: "part " + name, dir: dir, flags: []string{"-count=1"}, packages: "./" + name, verbose: verbose}
	}
	allBut := part{name: "some", dir: dir, packages: "./...", except: []string{"example/it/bad", "example/it/main", "example/it/broken"}}
	for name, c := range map[string]struct {
		parts       []part
		has, hasNot []string
		last        string
		failed      bool
	}{
		"all passes": {
			parts:  []part{one("good", false)},
			has:    []string{"62 s     100 s       components\n", "3 s      2 s         kubectl: FAILED\n", "part good\n", "WHAT DID NOT RUN\nit/good TestLeftOut: ", "NOT PROVEN: that it is dark"},
			hasNot: []string{"said by a test that passes", "up to date", "WHAT FAILED"},
			last:   "1 passed, 0 failed, 1 skipped\n",
		},
		"all packages but some": {parts: []part{allBut}, has: []string{"ok    it/good"}, hasNot: []string{"it/bad"}, last: "1 passed, 0 failed, 1 skipped\n"},
		"verbose":               {parts: []part{one("good", true)}, has: []string{"said by a test that passes"}, last: "1 passed, 0 failed, 1 skipped\n"},
		"a test fails": {
			parts:  []part{one("bad", false), one("good", false)},
			has:    []string{"part bad: FAILED\n", "part good\n", "it/bad TestBad/inner\n    bad_test.go:4: one\n    bad_test.go:4: two\n", "bad_test.go:4: five", "ok    it/good"},
			last:   "1 passed, 1 failed, 1 skipped\n",
			failed: true,
		},
		"TestMain fails":   {parts: []part{one("main", false)}, has: []string{"no cluster\nFAIL", "it/main\n    no cluster\n"}, last: "0 passed, 1 failed, 0 skipped\n", failed: true},
		"does not compile": {parts: []part{one("broken", false)}, has: []string{"WHAT FAILED", "broken_test.go:3:33: undefined: undefined"}, last: "0 passed, 1 failed, 0 skipped\n", failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			err := run(t.Context(), &out, filepath.Join(dir, "times"), c.parts)
			if (err != nil) != c.failed {
				t.Errorf("the error is %v", err)
			}
			text := out.String()
			for _, want := range c.has {
				if !strings.Contains(text, want) {
					t.Errorf("it has no %q", want)
				}
			}
			for _, not := range c.hasNot {
				if strings.Contains(text, not) {
					t.Errorf("it has %q", not)
				}
			}
			if !strings.HasSuffix(text, c.last) {
				t.Errorf("it does not end with %q", c.last)
			}
			if t.Failed() {
				t.Logf("it is\n%s", text)
			}
		})
	}
}
