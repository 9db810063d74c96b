package discover_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"external-services/tools/discover"
	"external-services/tools/findings"
)

// writeFile writes a file, and the folders that it is in.
func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// manyFiles is how many files writeMany writes.
const manyFiles = 10_000

// writeMany writes files of six formats, each with one reference.
func writeMany(t testing.TB, dir string) {
	t.Helper()
	for i := range manyFiles {
		host := fmt.Sprintf("db-%d.corp.example", i)
		name, text := "", ""
		switch i % 6 {
		case 0:
			name, text = "app.env", "NAME=a\nDB_HOST="+host+"\nDB_PORT=3306\n"
		case 1:
			name, text = "application.properties", "a.b=c\nspring.datasource.url=jdbc:mysql://"+host+":3306/a\n"
		case 2:
			name, text = "config.yaml", "a: {b: c}\ndatabase:\n  host: "+host+"\n  port: 3306\n"
		case 3:
			name, text = "config.json", `{"database": {"host": "`+host+`", "port": 3306}, "b": [1, 2, 3]}`
		case 4:
			name, text = "config.toml", "[database]\nhost = \""+host+"\"\nport = 3306\n"
		case 5:
			name = "deployment.yaml"
			text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: shop}\nspec: {template: {spec: {containers: [{name: a, " +
				"image: 'registry.example/a:1', env: [{name: DB_HOST, value: " + host + "}, {name: DB_PORT, value: '3306'}]}]}}}\n"
		}
		writeFile(t, filepath.Join(dir, fmt.Sprint(i%100), fmt.Sprint(i), name), text)
	}
}

// Ten thousand files are all read, and each reference is found.
func TestManyFiles(t *testing.T) {
	dir := t.TempDir()
	writeMany(t, dir)
	scan := discover.NewScan()
	if err := scan.ReadPaths([]string{dir}); err != nil {
		t.Fatal(err)
	}
	report := scan.Report(discover.ReportOptions{})
	if report.Read.Files != manyFiles || len(report.Endpoints) != manyFiles || len(report.Findings) > 0 {
		t.Fatalf("%s %d findings", report.Summary(), len(report.Findings))
	}
	names := map[string]bool{}
	for _, e := range report.Endpoints {
		if len(e.Ports) != 1 || e.Ports[0].Port != 3306 || len(e.References) != 1 || names[e.Entry] {
			t.Fatalf("%+v", e)
		}
		names[e.Entry] = true
	}
}

// BenchmarkManyFiles reads ten thousand files.
func BenchmarkManyFiles(b *testing.B) {
	dir := b.TempDir()
	writeMany(b, dir)
	for b.Loop() {
		scan := discover.NewScan()
		if err := scan.ReadPaths([]string{dir}); err != nil {
			b.Fatal(err)
		}
		if report := scan.Report(discover.ReportOptions{}); len(report.Endpoints) != manyFiles {
			b.Fatal(report.Summary())
		}
	}
}

// What is not configuration is not read, and a file that is not read though it may be configuration is a finding.
func TestWhichFiles(t *testing.T) {
	dir := t.TempDir()
	const url = "url: http://a.corp.example\n"
	for _, name := range []string{
		".git/config.yaml", "node_modules/a/config.yaml", "vendor/a/config.yaml", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "main.go",
		"README.md", "archive.tar.gz", "Chart.yaml", "pom.xml",
	} {
		writeFile(t, filepath.Join(dir, name), url)
	}
	writeFile(t, filepath.Join(dir, "binary.env"), "URL=http://b.corp.example\x00")
	writeFile(t, filepath.Join(dir, "data.json"), `["`+strings.Repeat("x", discover.MaxFileSize)+`"]`)
	writeFile(t, filepath.Join(dir, "broken.yaml"), "url: http://c.corp.example\nopen: [\n")
	writeFile(t, filepath.Join(dir, "app.yaml"), "url: http://d.corp.example\n")
	scan := discover.NewScan()
	if err := scan.ReadPaths([]string{dir}); err != nil {
		t.Fatal(err)
	}
	report := scan.Report(discover.ReportOptions{})
	if len(report.Endpoints) != 1 || report.Endpoints[0].Host != "d.corp.example" {
		t.Errorf("%+v", report.Endpoints)
	}
	var messages []string
	for _, f := range report.Findings {
		messages = append(messages, strings.TrimPrefix(f.Message, "Could not read "+filepath.ToSlash(dir)+"/"))
		if f.Severity != findings.Warning || len(f.Fix) == 0 {
			t.Errorf("%+v", f)
		}
	}
	want := []string{"broken.yaml:2: it is not valid YAML.", "data.json: it has 2 MiB, and files over 2 MiB are not read."}
	if !slices.Equal(messages, want) {
		t.Errorf("%q, want %q", messages, want)
	}
	if err := scan.ReadPaths([]string{filepath.Join(dir, "none")}); err == nil {
		t.Error("a path that does not exist is not an error")
	}
}
