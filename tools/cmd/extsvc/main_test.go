package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"external-services/charts"
	"external-services/tools/docs"
	"external-services/tools/render"
	"external-services/tools/schema"
)

// run starts the program with arguments and gives what it prints.
func run(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := newRootCommand()
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(args)
	err = cmd.Execute()
	return out.String(), errs.String(), err
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTemplate(t *testing.T) {
	dir := t.TempDir()
	base, prod := filepath.Join(dir, "base.yaml"), filepath.Join(dir, "prod.yaml")
	write(t, base, "services: [{name: orders, externalName: a.example}]")
	write(t, prod, "commonLabels: {stage: prod}")
	for _, chart := range []string{"", filepath.Join("..", "..", "..", "charts", charts.Dir)} {
		args := []string{"template", "outside", "-n", "shop", "-f", base, "-f", prod, "--set", "commonLabels.team=a", "--set-string", "commonLabels.cost=1", "--set-json", `commonAnnotations={"b":"c"}`}
		if chart != "" {
			args = append(args, "--chart", chart)
		}
		stdout, stderr, err := run(t, args...)
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr)
		}
		result, err := render.Decode(stdout)
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Services) != 1 {
			t.Fatalf("%d Services, want 1, in\n%s", len(result.Services), stdout)
		}
		service := result.Services[0]
		if service.Namespace != "shop" || service.Labels["app.kubernetes.io/instance"] != "outside" || service.Labels["stage"] != "prod" ||
			service.Labels["team"] != "a" || service.Labels["cost"] != "1" || service.Annotations["b"] != "c" {
			t.Errorf("a value is lost in\n%s", stdout)
		}
	}
}

func TestTemplateSaysWhatIsWrong(t *testing.T) {
	values := filepath.Join(t.TempDir(), "values.yaml")
	write(t, values, "services: [{name: orders}]")
	for want, args := range map[string][]string{
		`services[0] "orders": addresses or externalName is missing`: {"template", "-f", values},
		`open no/such/file: no such file or directory`:               {"template", "-f", "no/such/file"},
		`load the chart "no/such/chart"`:                             {"template", "--chart", "no/such/chart"},
		`accepts at most 1 arg(s)`:                                   {"template", "a", "b"},
	} {
		stdout, stderr, err := run(t, args...)
		if err == nil || !strings.Contains(stderr, want) {
			t.Errorf("%q gives the error %v and prints %q, want %q", args, err, stderr, want)
		}
		if stdout != "" {
			t.Errorf("%q prints %q", args, stdout)
		}
	}
}

func TestSchemaAndDocsArePrinted(t *testing.T) {
	want, err := schema.Generate()
	if err != nil {
		t.Fatal(err)
	}
	for command, text := range map[string]string{"schema": string(want), "docs": docs.Tables()} {
		if stdout, stderr, err := run(t, command); err != nil || stdout != text {
			t.Errorf("%s: %v\n%s\nprinted %d bytes, want %d", command, err, stderr, len(stdout), len(text))
		}
	}
}

// What --write writes, --check accepts; any other text, it does not, and leaves alone.
func TestWriteAndCheck(t *testing.T) {
	for command, files := range map[string][]string{
		"schema": {"values.schema.json"},
		"docs":   {"README.md", "values.yaml"},
	} {
		t.Run(command, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "README.md"), docs.Begin+"\n"+docs.End+"\n")
			if _, stderr, err := run(t, command, "--check", "--chart", dir); err == nil || !strings.Contains(stderr, files[0]+" is out of date: run make generate") {
				t.Errorf("check before write: %v, %q", err, stderr)
			}
			if _, stderr, err := run(t, command, "--write", "--chart", dir); err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
			if _, stderr, err := run(t, command, "--check", "--chart", dir); err != nil {
				t.Errorf("check after write: %v\n%s", err, stderr)
			}
			for _, file := range files {
				path := filepath.Join(dir, file)
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				changed := strings.Replace(string(text), "Services", "Servces", 1)
				if changed == string(text) {
					t.Fatalf("%s does not hold the text to change", file)
				}
				write(t, path, changed)
				if _, stderr, err := run(t, command, "--check", "--chart", dir); err == nil || !strings.Contains(stderr, file) {
					t.Errorf("check of a changed %s: %v, %q", file, err, stderr)
				}
				if after, err := os.ReadFile(path); err != nil || string(after) != changed {
					t.Errorf("check wrote %s: %v", file, err)
				}
				write(t, path, string(text))
			}
		})
	}
	if _, stderr, err := run(t, "schema", "--write", "--check"); err == nil || !strings.Contains(stderr, "[check write]") {
		t.Errorf("both flags: %v, %q", err, stderr)
	}
	if _, stderr, err := run(t, "docs", "--write", "--chart", t.TempDir()); err == nil || !strings.Contains(stderr, "is missing: write it where the tables begin") {
		t.Errorf("no README: %v, %q", err, stderr)
	}
}
