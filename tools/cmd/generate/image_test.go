package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"external-services/tools/values"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// A given image is the default one in each generated file, and nothing else changes.
func TestImage(t *testing.T) {
	const repository = "registry.example:5000/team/resolver"
	released, err := withImage(values.Default(), repository+"@"+digest)
	if err != nil {
		t.Fatal(err)
	}
	before, after := generated(t, values.Default()), generated(t, released)
	for name, changes := range map[string][]string{
		"values.schema.json": {
			`"default": "external-services-resolver"`, `"default": "` + repository + `"`,
			`"default": ""`, `"default": "` + digest + `"`,
		},
		"values.yaml": {
			"repository: external-services-resolver", "repository: " + repository,
			`digest: ""`, "digest: " + digest,
		},
		"README.md":  {"`external-services-resolver`", "`" + repository + "`", "`\"\"`", "`" + digest + "`"},
		"Chart.yaml": {"image: external-services-resolver:1.0.0", "image: " + repository + "@" + digest},
	} {
		old, now := strings.Split(before[name], "\n"), strings.Split(after[name], "\n")
		if len(old) != len(now) {
			t.Errorf("%s has %d lines, and %d with an image", name, len(old), len(now))
			continue
		}
		var changed []string
		for i, line := range old {
			if line != now[i] {
				changed = append(changed, line, now[i])
			}
		}
		ok := len(changed) == len(changes)
		for i := 0; ok && i < len(changes); i += 2 {
			ok = strings.Replace(changed[i], changes[i], changes[i+1], 1) == changed[i+1]
		}
		if !ok {
			t.Errorf("%s: the lines that change, before and after, are\n%s\nwant the changes %q",
				name, strings.Join(changed, "\n"), changes)
		}
	}
}

// generated returns the generated files of a chart by their names.
func generated(t *testing.T, defaults values.Values) map[string]string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "CHANGELOG.md"), "## 1.0.0\n\n### Added\n\n- Services.\n")
	write(t, filepath.Join(dir, "Chart.yaml"), "version: 1.0.0\nannotations:\n"+beginAnnotations+endAnnotations)
	write(t, filepath.Join(dir, "README.md"), beginTables+"\n"+endTables+"\n")
	if err := generate(dir, defaults, false); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range []string{"values.schema.json", "values.yaml", "README.md", "Chart.yaml"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	return files
}

func TestImageRefuses(t *testing.T) {
	for image, want := range map[string]string{
		"registry.example/resolver":                 `"" is not a valid image digest: write it as the registry shows it`,
		"registry.example/resolver@":                `"" is not a valid image digest`,
		"registry.example/resolver@sha256:1":        `"sha256:1" is not a valid image digest`,
		"oci://registry.example/resolver@" + digest: `"oci://registry.example/resolver" is not a valid image name: write it without tag and digest`,
		"registry.example/resolver:1.0.0@" + digest: `"registry.example/resolver:1.0.0" is not a valid image name`,
		"@" + digest: `"" is not a valid image name`,
	} {
		if _, err := withImage(values.Default(), image); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", image, err, want)
		}
	}
}
