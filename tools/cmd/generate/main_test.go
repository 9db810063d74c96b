package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"external-services/tools/values"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTheChartIsUpToDate(t *testing.T) {
	if err := generate(filepath.Join("..", "..", "..", "charts", "external-services"), values.Default(), true); err != nil {
		t.Error(err)
	}
}

// A check accepts what was written, refuses any other text, and leaves it alone.
func TestWriteAndCheck(t *testing.T) {
	dir := t.TempDir()
	if err := generate(dir, values.Default(), false); err == nil || !strings.Contains(err.Error(), "CHANGELOG.md: no such file") {
		t.Errorf("without a changelog: %v", err)
	}
	write(t, filepath.Join(dir, "CHANGELOG.md"), "## 1.0.0\n\n### Added\n\n- Services.\n")
	write(t, filepath.Join(dir, "Chart.yaml"), "version: 1.0.0\nannotations:\n"+beginAnnotations+endAnnotations)
	if err := generate(dir, values.Default(), false); err == nil || !strings.Contains(err.Error(), "README.md: add the lines "+`"`+beginTables) {
		t.Errorf("without a README: %v", err)
	}
	write(t, filepath.Join(dir, "README.md"), beginTables+"\n"+endTables+"\n")
	if err := generate(dir, values.Default(), true); err == nil || !strings.Contains(err.Error(), "README.md is out of date: run make generate") {
		t.Errorf("check before write: %v", err)
	}
	if err := generate(dir, values.Default(), false); err != nil {
		t.Fatal(err)
	}
	if err := generate(dir, values.Default(), true); err != nil {
		t.Errorf("check after write: %v", err)
	}
	for _, file := range []string{"values.schema.json", "values.yaml", "README.md", "Chart.yaml"} {
		path := filepath.Join(dir, file)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.Replace(string(text), "Service", "Servce", 1)
		if changed == string(text) {
			t.Fatalf("%s lacks the text to change", file)
		}
		write(t, path, changed)
		if err := generate(dir, values.Default(), true); err == nil || err.Error() != path+" is out of date: run make generate and commit what it changes" {
			t.Errorf("check of a changed %s: %v", file, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != changed {
			t.Errorf("check wrote %s: %v", file, err)
		}
		write(t, path, string(text))
	}
}
