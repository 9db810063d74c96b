package discover_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"external-services/tools/discover"
)

const corpus = "testdata/corpus"

// mark is a reference that a person found in a file of the corpus.
type mark struct {
	File string `json:"-"`
	Line int    `json:"line"`
	Host string `json:"host"`
	Port int    `json:"port"`
}

func (m mark) String() string { return fmt.Sprintf("%s:%d %s %d", m.File, m.Line, m.Host, m.Port) }

// marks reads testdata/marks.yaml.
func marks(t *testing.T) []mark {
	t.Helper()
	text, err := os.ReadFile("testdata/marks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var byFile map[string][]mark
	if err := yaml.UnmarshalStrict(text, &byFile); err != nil {
		t.Fatal(err)
	}
	var all []mark
	for file, list := range byFile {
		for _, m := range list {
			m.File = file
			all = append(all, m)
		}
	}
	return all
}

// scanCorpus reads the corpus.
func scanCorpus(t *testing.T, secrets bool) *discover.Scan {
	t.Helper()
	scan := discover.NewScan()
	scan.Secrets = secrets
	if err := scan.ReadPaths([]string{corpus}); err != nil {
		t.Fatal(err)
	}
	return scan
}

// What is found in the corpus is what people marked: at least 97 of 100 findings are right, and at least 90 of 100
// references are found.
func TestCorpus(t *testing.T) {
	marked := map[string]bool{}
	files := 0
	for _, m := range marks(t) {
		if marked[m.String()] {
			t.Errorf("%s is marked twice", m)
		}
		marked[m.String()] = true
	}
	if err := filepath.WalkDir(corpus, func(_ string, entry fs.DirEntry, err error) error {
		if !entry.IsDir() {
			files++
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if files < 60 || len(marked) < 300 {
		t.Errorf("the corpus has %d files and %d marks, want 60 and 300", files, len(marked))
	}
	found := map[string]bool{}
	report := scanCorpus(t, false).Report(discover.ReportOptions{})
	for _, e := range report.Endpoints {
		for _, r := range e.References {
			file := strings.TrimPrefix(r.File, corpus+"/")
			found[mark{file, r.Line, r.Host, r.Port}.String()] = true
		}
	}
	right := 0
	var wrong, missed []string
	for reference := range found {
		if marked[reference] {
			right++
		} else {
			wrong = append(wrong, reference)
		}
	}
	for reference := range marked {
		if !found[reference] {
			missed = append(missed, reference)
		}
	}
	slices.Sort(wrong)
	slices.Sort(missed)
	precision, recall := float64(right)/float64(len(found)), float64(right)/float64(len(marked))
	t.Logf("%d files, %d marks: precision %.3f, recall %.3f", files, len(marked), precision, recall)
	t.Logf("wrong:\n  %s", strings.Join(wrong, "\n  "))
	t.Logf("missed:\n  %s", strings.Join(missed, "\n  "))
	if precision < 0.97 || recall < 0.9 {
		t.Errorf("precision %.3f and recall %.3f, want at least 0.97 and 0.9", precision, recall)
	}
	for _, f := range report.Findings {
		t.Errorf("the corpus has a file that is not read: %s", f.Message)
	}
}
