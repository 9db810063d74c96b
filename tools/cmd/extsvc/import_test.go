package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"external-services/tools/findings"
	"external-services/tools/importer"
	"external-services/tools/values"
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
	stdout, stderr, err := run(t, "import", "-f", input, "--write", output)
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

	// A file is overwritten only with --force, and with the same text.
	before, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := run(t, "import", "-f", input, "--write", output); err == nil || !strings.Contains(stderr, "values.yaml exists: overwrite it with --force") {
		t.Errorf("without --force: %v, %q", err, stderr)
	}
	if _, stderr, err := run(t, "import", "-f", dir, "--write", output, "--force", "--strict"); err == nil || !strings.Contains(stderr, "this is a values file, not a manifest") {
		t.Errorf("a folder with values: %v, %q", err, stderr)
	}
	if _, stderr, err := run(t, "import", "-f", input, "--write", output, "--force"); err != nil {
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
	stdout, stderr, err := run(t, "import", "-f", input)
	if exitStatus(err) != findings.ExitNotice || !strings.Contains(stdout, `# not carried over: sessionAffinity: "ClientIP"`) || stderr != "read 1 Service: 1 entry, 1 warning\n" {
		t.Errorf("%v\n%s\n%s", err, stdout, stderr)
	}
	if _, stderr, err := run(t, "import", "-f", input, "--exit-zero", "-q"); err != nil || stderr != "" {
		t.Errorf("%v %q", err, stderr)
	}
	for want, args := range map[string][]string{
		"no such file or directory":                         {"-f", filepath.Join(dir, "none.yaml")},
		"[filename context] are set none of the others":     {"-f", input, "--context", "a"},
		"-R reads the folders of -f":                        {"-R"},
		"[namespace all-namespaces] are set none of the":    {"-n", "shop", "-A"},
		`context "none" does not exist`:                     {"--context", "none"},
		`unknown output format "text" (values, json)`:       {"-f", input, "-o", "text"},
		"in.yaml exists: overwrite it with --force, or nam": {"-f", input, "--write", input},
	} {
		if _, stderr, err := run(t, append([]string{"import"}, args...)...); exitStatus(err) != findings.ExitFailed || !strings.Contains(stderr, want) {
			t.Errorf("%q: %v, %q, want %q", args, err, stderr, want)
		}
	}
}

// With -o json, import prints one document of the type importer.Result.
func TestImportJSON(t *testing.T) {
	dir := t.TempDir()
	input, output := filepath.Join(dir, "in.yaml"), filepath.Join(dir, "result.json")
	write(t, input, lossy+"---\napiVersion: v1\nkind: Service\nmetadata: {name: empty, namespace: shop}\n---\napiVersion: v1\nkind: Pod\n---\n"+manifest)
	if stdout, stderr, err := run(t, "import", "-f", input, "-o", "json", "--write", output); exitStatus(err) != findings.ExitNotice || stdout != "" {
		t.Fatalf("%v\n%s\n%s", err, stdout, stderr)
	}
	text, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	var result importer.Result
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&result); err != nil || decoder.More() {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(result.Entries) != 3 || len(result.NotImported) != 1 || len(result.LeftOut) != 1 || result.Read != (importer.Counts{Services: 4, Endpoints: 1}) ||
		!findings.Has(result.Findings, findings.NotCarriedOver, "", "db") || !findings.Has(result.Findings, findings.NotImported, "shop", "empty") {
		t.Errorf("%+v", result)
	}
}

// A broken document and what is mended are comments, and the exit code is 1; with --strict import ends.
func TestImportMends(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "kind: [")
	write(t, filepath.Join(dir, "b.yaml"), "apiVersion: v1\nkind: Service\nmetadata: {name: nas}\nspec: {type: ExternalName, externalName: 10.0.0.5, ports: [{port: 80}]}\n")
	stdout, stderr, err := run(t, "import", "-f", dir)
	if exitStatus(err) != findings.ExitNotice || stderr != "read 1 Service: 1 entry, 2 warnings\n" {
		t.Errorf("%v %q", err, stderr)
	}
	for _, want := range []string{"# not read: " + filepath.Join(dir, "a.yaml") + ":1: ", "  # mended: externalName: 10.0.0.5: ", "addresses: [10.0.0.5]"} {
		if !strings.Contains(strings.ReplaceAll(stdout, "\n#           ", " "), want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}
	if _, stderr, err := run(t, "import", "-f", dir, "--strict"); exitStatus(err) != findings.ExitFailed || !strings.Contains(stderr, "a.yaml:1: did not find expected node content") {
		t.Errorf("with --strict: %v %q", err, stderr)
	}
}

// A folder of manifests that are all broken in a way is read to its end, with a line for each: exit code 1, not 2.
func TestImportBroken(t *testing.T) {
	const folder = "../../importer/testdata/wild/broken"
	files, err := filepath.Glob(folder + "/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	stdout, stderr, err := run(t, "import", "-R", "-f", folder, "-o", "json")
	if exitStatus(err) != findings.ExitNotice {
		t.Fatalf("%v %q", err, stderr)
	}
	var result importer.Result
	if err := json.Unmarshal([]byte(stdout), &result); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		isNamed := func(f findings.Finding) bool {
			return f.Severity == findings.Warning && strings.Contains(f.Message, strings.TrimPrefix(file, folder)+":")
		}
		if !slices.ContainsFunc(result.Findings, isNamed) {
			t.Errorf("no warning names a line of %s", file)
		}
	}
	if !slices.ContainsFunc(result.Entries, func(e values.Entry) bool { return e.Name == "after-all" }) {
		t.Error("the file without a fault is no entry")
	}
}
