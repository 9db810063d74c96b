package chartpackage

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/registry"
	"external-services/tests/internal/testenv"
)

// buildDist does in place of make dist, with programs that are none. tests/sbom has the real one, which takes minutes
// to compile.
func (w tree) buildDist() {
	w.t.Helper()
	w.run("bash", "-c", `mkdir completions; for shell in bash fish ps1 zsh; do echo >completions/extsvc.$shell; done
		for platform in linux/amd64 windows/arm64; do
			echo $platform >program
			"$1" archive -version "$2" -license "$3" -licenses program -completions completions dist $platform=program
		done
		rm -r completions program; cd dist
		sha256sum extsvc-* >extsvc-$2-checksums.txt`, "dist", binary(w.t, "dist"), version, testenv.Path("LICENSE"))
}

// A release signs the archives of extsvc with the key of the chart: the checksums, and each archive that Helm 4 can
// install.
func TestReleaseSignsArchives(t *testing.T) {
	r, key, w := registry.Start(t), registry.NewKey(t, "open, sesame"), newTree(t)
	r.Login(t, binary(t, "helm4"))
	if out, err := w.release(r, "REGISTRY="+r.URL, "KEY="+key.Name, "KEYRING="+key.Secret, "PASSPHRASE_FILE="+key.Passphrase); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dist := filepath.Join(w.root, "dist")
	checksums := filepath.Join(dist, "extsvc-"+version+"-checksums.txt")
	verify := func(key registry.Key) error {
		keyring, err := openpgp.ReadKeyRing(bytes.NewReader(read(t, key.Public)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = openpgp.CheckArmoredDetachedSignature(keyring, bytes.NewReader(read(t, checksums)), bytes.NewReader(read(t, checksums+".asc")), nil)
		return err
	}
	if err := verify(key); err != nil {
		t.Errorf("the signature of the checksums: %v", err)
	}
	if err := verify(registry.NewKey(t, "")); err == nil {
		t.Error("the key of a stranger verifies the checksums")
	}
	archive := filepath.Join(dist, "extsvc-"+version+"-linux-amd64.tar.gz")
	verifyPlugin := func() (string, error) {
		out, err := exec.Command(binary(t, "helm4"), "plugin", "verify", archive, "--keyring", key.Public).CombinedOutput()
		return string(out), err
	}
	if out, err := verifyPlugin(); err != nil || !strings.Contains(out, key.Name) {
		t.Errorf("helm plugin verify: %v\n%s", err, out)
	}
	changed := read(t, archive)
	changed[9] ^= 1
	if err := os.WriteFile(archive, changed, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := verifyPlugin(); err == nil || !strings.Contains(out, "sha256 sum does not match") {
		t.Errorf("helm plugin verify of a changed archive: %v\n%s", err, out)
	}
	if err := os.WriteFile(checksums, append(read(t, checksums), '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := verify(key); err == nil {
		t.Error("the signature covers not all of the checksums")
	}
}

// An archive that is not the one of the checksums is not signed, and nothing is released.
func TestReleaseRefusesArchives(t *testing.T) {
	key := registry.NewKey(t, "")
	for name, c := range map[string]struct{ change, want string }{
		"no archives":         {"rm dist/extsvc-*", "extsvc-" + version + "-checksums.txt: no such file"},
		"no archive":          {"rm dist/extsvc-*.tar.gz", "linux-amd64.tar.gz: no such file"},
		"another archive":     {"echo >>dist/extsvc-*.zip", "windows-arm64.zip has the checksum "},
		"no list of archives": {"echo a >dist/extsvc-*-checksums.txt", `unexpected line "a\n": write it with sha256sum`},
	} {
		r, w := registry.Start(t), newTree(t)
		r.Login(t, binary(t, "helm4"))
		w.run("bash", "-c", c.change)
		out, err := w.release(r, "REGISTRY="+r.URL, "KEY="+key.Name, "KEYRING="+key.Secret)
		if err == nil || !strings.Contains(out, c.want) || strings.Contains(out, "Pushed:") {
			t.Errorf("%s: %v, want %s in\n%s", name, err, c.want, out)
		}
	}
}

// With a repository, Chart.yaml names it, and all else is the same.
func TestPackageWithARepository(t *testing.T) {
	const repository = "https://git.example/team/external-services"
	without, with := pack(t, testenv.Root(), ""), pack(t, testenv.Root(), "export REPOSITORY_URL="+repository+"; ")
	for _, name := range archived(t, without) {
		same := bytes.Equal(packaged(t, without, name), packaged(t, with, name))
		if same != (name != "Chart.yaml") {
			t.Errorf("%s: that it stays as it was is %t", name, same)
		}
	}
	var chart struct {
		Home        string
		Sources     []string
		Version     string
		Annotations map[string]string
	}
	if err := yaml.Unmarshal(packaged(t, with, "Chart.yaml"), &chart); err != nil {
		t.Fatal(err)
	}
	var screenshots []struct{ Title, URL string }
	if err := yaml.UnmarshalStrict([]byte(chart.Annotations["artifacthub.io/screenshots"]), &screenshots); err != nil {
		t.Fatal(err)
	}
	if chart.Home != repository || len(chart.Sources) != 1 || chart.Sources[0] != repository || len(screenshots) != 1 {
		t.Fatalf("Chart.yaml has %+v", chart)
	}
	path, found := strings.CutPrefix(screenshots[0].URL, repository+"/raw/v"+chart.Version+"/")
	if _, err := os.Stat(testenv.Path(path)); !found || err != nil || screenshots[0].Title == "" {
		t.Errorf("the screenshot is %+v: %v", screenshots[0], err)
	}
}
