package chartpackage

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"external-services/tests/internal/registry"
	"external-services/tests/internal/testenv"
)

// The version that the tests release: their copy of the chart has a changelog of its own.
const (
	version   = "1000.0.0"
	changelog = "# Changelog\n\n## " + version + "\n\n### Added\n\n- What a test releases.\n"
)

// tree is a clean checkout of what make release reads.
type tree struct {
	t    *testing.T
	root string
}

func newTree(t *testing.T) tree {
	t.Helper()
	w := tree{t, t.TempDir()}
	for _, path := range []string{"charts/external-services", "ci/package.sh", "ci/release.sh", ".gitignore"} {
		target := filepath.Join(w.root, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		w.run("cp", "-R", testenv.Path(path), target)
	}
	w.edit("Chart.yaml", func(text string) string { return withVersion(text, version) })
	w.edit("CHANGELOG.md", func(string) string { return changelog })
	w.run(binary(t, "generate"))
	w.run("git", "init", "--quiet")
	w.commit()
	w.buildImage(version, "")
	w.buildDist()
	return w
}

func withVersion(chart, version string) string {
	lines := strings.Split(chart, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "version: ") {
			lines[i] = "version: " + version
		}
	}
	return strings.Join(lines, "\n")
}

func (w tree) run(program string, args ...string) {
	w.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = w.root
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}

func (w tree) commit() {
	w.t.Helper()
	w.run("git", "add", "--all")
	w.run("git", "-c", "user.name=a test", "-c", "user.email=test@external-services.example", "commit", "--quiet", "--allow-empty", "-m", "A test")
}

// edit changes a file of the chart.
func (w tree) edit(name string, change func(text string) string) {
	w.t.Helper()
	path := filepath.Join(w.root, "charts", "external-services", name)
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	changed := change(string(text))
	if changed == string(text) {
		w.t.Fatalf("the edit leaves %s as it was", name)
	}
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// release runs what make release runs, with variables such as KEY=....
func (w tree) release(r registry.Registry, variables ...string) (string, error) {
	cmd := exec.Command("ci/release.sh", binary(w.t, "helm4"), binary(w.t, "generate"), binary(w.t, "image"), binary(w.t, "dist"), "dist")
	cmd.Dir = w.root
	cmd.Env = append(r.Environment(), variables...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func binary(t *testing.T, name string) string {
	t.Helper()
	path, err := testenv.Binary(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A release is pushed and pulled as it was packaged, verified by its signature, and
// installed from the registry, with both majors of Helm.
func TestRelease(t *testing.T) {
	r, key, w := registry.Start(t), registry.NewKey(t, "open, sesame"), newTree(t)
	variables := []string{"REGISTRY=" + r.URL, "KEY=" + key.Name, "KEYRING=" + key.Secret, "PASSPHRASE_FILE=" + key.Passphrase, "VERSION=" + version}
	chart := r.URL + "/external-services"

	if out, err := w.release(r, variables...); err == nil || !strings.Contains(out, "UNAUTHORIZED: authentication required") {
		t.Fatalf("without a login: %v\n%s", err, out)
	}
	r.Login(t, binary(t, "helm4"))
	if out, err := w.release(r, variables...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	archive := filepath.Join(w.root, "dist", "external-services-"+version+".tgz")
	packed := read(t, archive)
	w.run("mkdir", "again")
	w.run("cp", "dist/resolver-image.digest", "again")
	w.run("env", "IMAGE_REPOSITORY="+r.Image(), "ci/package.sh", binary(t, "helm4"), binary(t, "generate"), "again")
	if !bytes.Equal(packed, read(t, filepath.Join(w.root, "again", filepath.Base(archive)))) {
		t.Error("make release and make package make different archives")
	}
	stranger := registry.NewKey(t, "")
	for _, program := range []string{"helm", "helm4"} {
		t.Run(program, func(t *testing.T) {
			helm := func(args ...string) (string, error) {
				cmd := exec.Command(binary(t, program), args...)
				cmd.Env = r.Environment()
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			folder := t.TempDir()
			pulled := filepath.Join(folder, filepath.Base(archive))
			if out, err := helm("pull", chart, "--version", version, "--destination", folder, "--verify", "--keyring", key.Public); err != nil {
				t.Fatalf("helm pull: %v\n%s", err, out)
			}
			if !bytes.Equal(packed, read(t, pulled)) {
				t.Error("what is pulled is not what was pushed")
			}
			if out, err := helm("verify", pulled, "--keyring", key.Public); err != nil || !strings.Contains(out, key.Name) {
				t.Errorf("helm verify: %v\n%s", err, out)
			}
			if out, err := helm("template", "outside", chart, "--version", version, "--verify", "--keyring", key.Public, "-f", testenv.Path("values-examples", "article.yaml")); err != nil ||
				!strings.Contains(out, `externalName: "test.k8s.com"`) || !strings.Contains(out, "192.168.50.206") {
				t.Errorf("helm template: %v\n%s", err, out)
			}
			if out, err := helm("pull", chart, "--version", version, "--destination", t.TempDir(), "--verify", "--keyring", stranger.Public); err == nil || !strings.Contains(out, "signature made by unknown entity") {
				t.Errorf("the key of a stranger verifies it: %v\n%s", err, out)
			}

			// One byte, of the header of gzip, that no reader of the chart sees.
			changed := bytes.Clone(packed)
			changed[9] ^= 1
			if err := os.WriteFile(pulled, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := helm("show", "chart", pulled); err != nil || !strings.Contains(out, "version: "+version) {
				t.Errorf("the changed archive is not one: %v\n%s", err, out)
			}
			if out, err := helm("verify", pulled, "--keyring", key.Public); err == nil || !strings.Contains(out, "sha256 sum does not match") {
				t.Errorf("a changed byte is verified: %v\n%s", err, out)
			}
			elsewhere := r.URL + "/changed-" + program
			if out, err := helm("push", pulled, elsewhere); err != nil {
				t.Fatalf("helm push: %v\n%s", err, out)
			}
			if out, err := helm("pull", elsewhere+"/external-services", "--version", version, "--destination", t.TempDir(), "--verify", "--keyring", key.Public); err == nil || !strings.Contains(out, "sha256 sum does not match") {
				t.Errorf("a changed byte in the registry is verified: %v\n%s", err, out)
			}
		})
	}

	// A version never changes.
	w.edit("README.md", func(text string) string { return text + "\nMore.\n" })
	w.commit()
	if out, err := w.release(r, variables...); err == nil || !strings.Contains(out, "has the version "+version+" already") {
		t.Errorf("the same version twice: %v\n%s", err, out)
	}
}

func TestReleaseRefuses(t *testing.T) {
	r, key := registry.Start(t), registry.NewKey(t, "")
	r.Login(t, binary(t, "helm4"))
	variables := []string{"REGISTRY=" + r.URL, "KEY=" + key.Name, "KEYRING=" + key.Secret, "VERSION="}
	for name, c := range map[string]struct {
		variable string
		change   func(w tree)
		want     string
	}{
		"no registry":         {"REGISTRY=", nil, `REGISTRY is "": write where the chart goes`},
		"no OCI registry":     {"REGISTRY=registry.example", nil, `REGISTRY is "registry.example": write where the chart goes`},
		"no key":              {"KEY=", nil, "KEY is not set: write the name or e-mail"},
		"no keyring":          {"KEYRING=/nowhere", nil, `KEYRING is "/nowhere", which is no file`},
		"another version":     {"VERSION=1.0.0", nil, "VERSION is 1.0.0, and Chart.yaml has " + version},
		"a file to commit":    {"", func(w tree) { w.run("touch", "more") }, "the tree has changes that are not committed, so that nobody else could make the same archive: commit them or take them back\n?? more\n"},
		"a file to take back": {"", func(w tree) { w.run("rm", "charts/external-services/README.md") }, "take them back\n D charts/external-services/README.md\n"},
		"unreleased changes": {"", func(w tree) {
			w.edit("CHANGELOG.md", func(text string) string { return strings.Replace(text, "## ", "## Unreleased\n\n## ", 1) })
			w.commit()
		}, "CHANGELOG.md has changes under Unreleased: give them a version"},
		"no changes": {"", func(w tree) {
			w.edit("Chart.yaml", func(text string) string { return withVersion(text, "1000.0.1") })
			w.commit()
		}, `CHANGELOG.md has no section "## 1000.0.1", the version of Chart.yaml: add one`},
		"annotations out of date": {"", func(w tree) {
			w.edit("CHANGELOG.md", func(text string) string { return text + "- One more.\n" })
			w.commit()
		}, "Chart.yaml is out of date: run make generate and commit what it changes"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTree(t)
			if c.change != nil {
				c.change(w)
			}
			out, err := w.release(r, append(variables, c.variable)...)
			if err == nil || !strings.Contains(out, c.want) || strings.Contains(out, "Successfully") || strings.Count(strings.TrimSpace(out), "\n") > 1 {
				t.Errorf("got %v\n%s\nwant one message: %s", err, out, c.want)
			}
		})
	}
	cmd := exec.Command(binary(t, "helm4"), "show", "chart", r.URL+"/external-services")
	cmd.Env = r.Environment()
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "repository name not known") {
		t.Errorf("after refusals the registry has the chart: %v\n%s", err, out)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
