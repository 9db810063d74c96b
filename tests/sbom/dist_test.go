package sbom

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"external-services/tests/internal/testenv"
)

// The same sources make the same archive, checksums, manifest and bill of materials in another folder, with other
// settings of Go, of the user and of the time, and the bill is true. For the platform of this machine: the others take
// minutes to compile, and are made by the same lines.
func TestDist(t *testing.T) {
	run(t, testenv.Root(), nil, "make", "--silent", ".bin/dist", ".bin/licenses", ".bin/cyclonedx-gomod", ".bin/extsvc")
	copied := filepath.Join(t.TempDir(), "a copy")
	copyTree(t, copied)
	first, second := t.TempDir(), t.TempDir()
	platform := runtime.GOOS + "/" + runtime.GOARCH
	programs := []string{testenv.Path(".bin", "dist"), testenv.Path(".bin", "licenses"), testenv.Path(".bin", "cyclonedx-gomod"), testenv.Path(".bin", "extsvc")}
	repository := "REPOSITORY_URL=https://git.example/team/external-services"
	run(t, testenv.Root(), []string{repository}, "ci/dist.sh", append(programs, first, platform)...)
	run(t, copied, []string{
		repository, "GOFLAGS=-gcflags=all=-N", "GOAMD64=v3", "GOFIPS140=latest", "GOOS=plan9", "CGO_ENABLED=1",
		"TZ=Pacific/Kiritimati", "LC_ALL=C", "HELM_PLUGIN_NAME=another",
	}, "bash", append([]string{"-c", `umask 077; exec ci/dist.sh "$@"`, "again"}, append(programs, second, platform)...)...)

	base := "extsvc-" + chartVersion(t)
	archive := base + "-" + runtime.GOOS + "-" + runtime.GOARCH
	var names []string
	entries, err := os.ReadDir(first)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if want := []string{base + "-checksums.txt", archive + ".cdx.json", archive + ".tar.gz", "extsvc.yaml"}; !slices.Equal(names, want) {
		t.Fatalf("make dist writes %q, want %q", names, want)
	}
	for _, name := range names {
		if !bytes.Equal(read(t, filepath.Join(first, name)), read(t, filepath.Join(second, name))) {
			t.Errorf("a second time makes another %s", name)
		}
	}

	run(t, first, nil, "sha256sum", "--check", "--strict", base+"-checksums.txt")
	run(t, first, nil, "tar", "-xzf", archive+".tar.gz")
	program := filepath.Join(first, "extsvc", "extsvc")
	versions, err := testenv.Versions()
	if err != nil {
		t.Fatal(err)
	}
	checkBuild(t, program, versions["GO_VERSION"], runtime.GOARCH)
	compareBOM(t, filepath.Join(first, archive+".cdx.json"), program, "std "+versions["GO_VERSION"])
	if out := run(t, first, nil, program, "version"); !strings.Contains(out, "extsvc      "+chartVersion(t)+"\n") {
		t.Errorf("the program says\n%s, want the version %s", out, chartVersion(t))
	}
	checkLicenses(t, read(t, filepath.Join(first, "extsvc", "THIRD-PARTY-LICENSES")), program)
}
