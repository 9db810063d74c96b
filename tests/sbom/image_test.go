package sbom

import (
	"bytes"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"oras.land/oras-go/v2/content/oci"

	"external-services/tests/internal/ociimage"
	"external-services/tests/internal/testenv"
)

// The image holds the static binaries of the resolver, of the pinned compiler, with the version of the chart, and
// one bill of materials is true for both platforms.
func TestImage(t *testing.T) {
	run(t, testenv.Root(), nil, "make", "--silent", "image")
	versions, err := testenv.Versions()
	if err != nil {
		t.Fatal(err)
	}
	version := chartVersion(t)
	programs := map[string][]byte{}
	for _, architecture := range []string{"amd64", "arm64"} {
		path := testenv.Path("dist", "resolver-linux-"+architecture)
		programs["linux/"+architecture] = read(t, path)
		checkBuild(t, path, versions["GO_VERSION"], architecture)
		compareBOM(t, testenv.Path("dist", "resolver-"+version+".cdx.json"), path, "std "+versions["GO_VERSION"])
	}
	layout, err := oci.NewFromFS(t.Context(), os.DirFS(testenv.Path("dist", "resolver-image")))
	if err != nil {
		t.Fatal(err)
	}
	licenses := read(t, testenv.Path("dist", "resolver-LICENSES"))
	checkLicenses(t, licenses, testenv.Path("dist", "resolver-linux-amd64"))
	index := ociimage.Check(t, layout, version, version, licenses, programs)
	if text := string(read(t, testenv.Path("dist", "resolver-image.digest"))); text != index.Digest.String()+"\n" {
		t.Errorf("resolver-image.digest has %q, want %s", text, index.Digest)
	}

	// To run it, a container needs nothing but the program.
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "resolver"), programs["linux/amd64"], 0o755); err != nil {
		t.Fatal(err)
	}
	if out := run(t, root, nil, "./resolver", "--version"); out != "resolver version "+version+"\n" {
		t.Errorf("the program of the image says %q, want version %s", out, version)
	}
}

// checkLicenses checks that licences have those of Go and of the modules of a program, each under its name and with its
// text.
func checkLicenses(t *testing.T, text []byte, program string) {
	t.Helper()
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"the Go standard library"}
	for _, module := range info.Deps {
		names = append(names, module.Path)
	}
	for _, name := range names {
		if !bytes.Contains(text, []byte("\n"+name+"\n")) {
			t.Errorf("the licences do not name %s", name)
		}
	}
	for _, sentence := range []string{"Copyright 2009 The Go Authors", "Apache License", "Permission is hereby granted"} {
		if !bytes.Contains(text, []byte(sentence)) {
			t.Errorf("no licence says %q", sentence)
		}
	}
}

// checkBuild checks what a binary says of how it was built.
func checkBuild(t *testing.T, path, compiler, architecture string) {
	t.Helper()
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if info.GoVersion != compiler || settings["CGO_ENABLED"] != "0" || settings["-trimpath"] != "true" ||
		settings["GOARCH"] != architecture || settings["vcs.revision"] != "" || settings["-gcflags"] != "" {
		t.Errorf("%s was built by %s with %v", filepath.Base(path), info.GoVersion, settings)
	}
}

// The same sources make the same image in another folder, with other settings of Go, of the user and of the time. For
// one platform: the other one would take as long to link and compress, and is made by the same lines.
func TestReproducibleImage(t *testing.T) {
	copied := filepath.Join(t.TempDir(), "a copy")
	copyTree(t, copied)
	first, second := t.TempDir(), t.TempDir()
	image, licenses := testenv.Path(".bin", "image"), testenv.Path(".bin", "licenses")
	run(t, testenv.Root(), nil, "ci/image.sh", image, licenses, first, "linux/amd64")
	run(t, copied, []string{
		"GOFLAGS=-gcflags=all=-N", "GOAMD64=v3", "GOFIPS140=latest", "GOARCH=arm64", "CGO_ENABLED=1",
		"TZ=Pacific/Kiritimati", "LC_ALL=C",
	}, "bash", "-c", `umask 077; exec ci/image.sh "$@"`, "again", image, licenses, second, "linux/amd64")
	for _, name := range []string{"resolver-linux-amd64", "resolver-image.digest", "resolver-image.tar"} {
		if !bytes.Equal(read(t, filepath.Join(first, name)), read(t, filepath.Join(second, name))) {
			t.Errorf("a second time makes another %s", name)
		}
	}
}

// copyTree copies the files of the repository, those that are not committed too.
func copyTree(t *testing.T, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	const copyFiles = `git ls-files -z -co --exclude-standard |
		while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
		tar --null -T - -cf - | tar -xf - -C "$1"`
	run(t, testenv.Root(), nil, "bash", "-c", copyFiles, "copy", to)
}

func chartVersion(t *testing.T) string {
	t.Helper()
	for line := range strings.Lines(string(read(t, testenv.Path("charts", "external-services", "Chart.yaml")))) {
		if version, ok := strings.CutPrefix(line, "version: "); ok {
			return strings.TrimSpace(version)
		}
	}
	t.Fatal("Chart.yaml has no version")
	return ""
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// run runs a program, with variables on top of the environment of the test, and returns its output.
func run(t *testing.T, dir string, environment []string, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = dir, slices.Concat(os.Environ(), environment)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}
