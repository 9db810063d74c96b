package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const manifest = `
apiVersion: v1
kind: Service
metadata: {name: svc1, namespace: default}
spec: {type: ExternalName, externalName: test.k8s.com}
---
apiVersion: v1
kind: Service
metadata: {name: mysql-test, namespace: test-env}
spec:
  ports: [{protocol: TCP, port: 3306, targetPort: 3306}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: mysql-test, namespace: test-env}
subsets:
  - addresses: [{ip: 192.168.50.206}]
    ports: [{port: 3306}]
`

const lossy = "apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {type: ExternalName, externalName: db.example, sessionAffinity: ClientIP}\n"

// What import writes, template renders: the objects of the article.
func TestImport(t *testing.T) {
	dir := t.TempDir()
	input, output := filepath.Join(dir, "in.yaml"), filepath.Join(dir, "values.yaml")
	write(t, input, manifest)
	stdout, stderr, err := run(t, "import", "-f", input, "-o", output)
	if err != nil || stdout != "" || !strings.Contains(stderr, "2 entries, everything carried over") {
		t.Fatalf("%v\n%s\n%s", err, stdout, stderr)
	}
	stdout, stderr, err = run(t, "template", "-f", output)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	for _, want := range []string{"externalName: \"test.k8s.com\"", "namespace: \"test-env\"", "kind: Endpoints", "- ip: \"192.168.50.206\"", "port: 3306"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}

	// A file is overwritten on demand alone, and with the same text.
	before, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := run(t, "import", "-f", input, "-o", output); err == nil || !strings.Contains(stderr, "values.yaml exists: write --force to overwrite it") {
		t.Errorf("without --force: %v, %q", err, stderr)
	}
	if _, stderr, err := run(t, "import", "-f", dir, "-o", output, "--force"); err == nil || !strings.Contains(stderr, "this is a values file: it needs no import") {
		t.Errorf("a folder with values: %v, %q", err, stderr)
	}
	if _, stderr, err := run(t, "import", "-f", input, "-o", output, "--force"); err != nil {
		t.Errorf("with --force: %v, %q", err, stderr)
	}
	if after, err := os.ReadFile(output); err != nil || string(after) != string(before) {
		t.Errorf("twice: %v\n%s", err, after)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 2 {
		t.Errorf("%v %q", err, left)
	}
}

func TestImportNamespaces(t *testing.T) {
	input := filepath.Join(t.TempDir(), "in.yaml")
	write(t, input, lossy+"---\n"+manifest)
	stdout, stderr, err := run(t, "import", "-f", input, "-n", "shop", "--release-namespace", "test-env", "--exit-zero")
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	if !strings.Contains(stdout, "namespace: shop") || !strings.Contains(stdout, "namespace: default") || strings.Contains(stdout, "test-env") {
		t.Error(stdout)
	}
}

func TestImportExitCodes(t *testing.T) {
	dir := t.TempDir()
	input := filepath.Join(dir, "in.yaml")
	write(t, input, lossy)
	var code exitCode
	if stdout, stderr, err := run(t, "import", "-f", input); !errors.As(err, &code) || code != 2 || !strings.Contains(stdout, "# not carried over: sessionAffinity") || !strings.Contains(stderr, "1 thing was not carried over") {
		t.Errorf("%v\n%s\n%s", err, stdout, stderr)
	}
	if _, stderr, err := run(t, "import", "-f", input, "--exit-zero", "-q"); err != nil || stderr != "" {
		t.Errorf("%v %q", err, stderr)
	}
	for want, args := range map[string][]string{
		"no such file or directory":                                         {"-f", filepath.Join(dir, "none.yaml")},
		"--context is for the objects of a cluster, and -f reads manifests": {"-f", input, "--context", "a"},
		"-R reads the folders of -f":                                        {"-R"},
		"none of the others can be":                                         {"-n", "shop", "-A"},
		`context "none" does not exist`:                                     {"--context", "none"},
	} {
		if _, stderr, err := run(t, append([]string{"import"}, args...)...); err == nil || exitStatus(err) != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%q: %v, %q, want %q", args, err, stderr, want)
		}
	}
}
