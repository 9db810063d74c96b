package build

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"external-services/tools/cluster/internal/progress"
)

// newRepository makes a repository with just enough to build from.
func newRepository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, modulePath, "go.mod"), "module x\n\nrequire (\n\tk8s.io/api v0.37.2\n\tk8s.io/kubernetes v1.37.2\n)\n")
	write(t, filepath.Join(root, modulePath, "go.sum"), "sums\n")
	write(t, filepath.Join(root, modulePath, "kubernetes-1.34.mod"), "module x\n\nrequire k8s.io/kubernetes v1.34.4\n")
	write(t, filepath.Join(root, modulePath, "kubernetes-1.34.sum"), "sums\n")
	write(t, filepath.Join(root, modulePath, componentsPackage, "main.go"), "package main\n")
	return root
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// fakeGo puts a go command of our own in PATH. It adds a line for each of its builds to the returned file, with its flags.
func fakeGo(t *testing.T, buildScript string) (builds string) {
	t.Helper()
	dir := t.TempDir()
	builds = filepath.Join(dir, "builds")
	write(t, filepath.Join(dir, "go"), fmt.Sprintf(`#!/bin/sh
command=$1
flags="$2 $3"
while [ $# -gt 0 ]; do
	[ "$1" = -o ] && out=$2
	shift
done
if [ "$command" = list ]; then
	printf 'a\nb\nc\n'
	exit 0
fi
echo $flags >> %q
%s
`, builds, buildScript))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return builds
}

func count(t *testing.T, path string) int {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(data), "\n")
}

func TestBuildsOnce(t *testing.T) {
	root := newRepository(t)
	builds := fakeGo(t, `echo binary > "$out"`)
	p, err := ensure(t.Context(), Options{Source: root})
	if err != nil {
		t.Fatal(err)
	}
	if p.kubernetes != p.others || filepath.Dir(p.others) != filepath.Join(root, ".bin") || !strings.HasPrefix(filepath.Base(p.others), "components-v1.37.2-") {
		t.Errorf("ensure = %+v", p)
	}
	// Nothing of the go command is needed now.
	t.Setenv("PATH", "")
	for _, version := range []string{"", "1.37", "v1.37.2"} {
		if again, err := ensure(t.Context(), Options{Source: root, Kubernetes: version}); err != nil || again != p {
			t.Errorf("ensure of %q with a binary = %+v, %v", version, again, err)
		}
	}
	if n := count(t, builds); n != 1 {
		t.Errorf("%d builds, want 1", n)
	}
}

func TestBuildsAnotherVersion(t *testing.T) {
	root := newRepository(t)
	builds := fakeGo(t, `echo binary > "$out"`)
	p, err := ensure(t.Context(), Options{Source: root, Kubernetes: "1.34"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(filepath.Base(p.others), "components-v1.37.2-") || !strings.HasPrefix(filepath.Base(p.kubernetes), "kubernetes-v1.34.4-") {
		t.Errorf("ensure = %+v", p)
	}
	data, err := os.ReadFile(builds)
	if err != nil {
		t.Fatal(err)
	}
	module := filepath.Join(root, modulePath)
	want := fmt.Sprintf("-modfile=%[1]s/go.mod -tags=\n-modfile=%[1]s/kubernetes-1.34.mod -tags=kubernetes_only\n", module)
	if string(data) != want {
		t.Errorf("the builds are\n%s\nwant\n%s", data, want)
	}
	// The default version shares its binary with it, and neither build removes the other's.
	t.Setenv("PATH", "")
	if again, err := ensure(t.Context(), Options{Source: root}); err != nil || again != (paths{p.others, p.others}) {
		t.Errorf("ensure of the default version = %+v, %v", again, err)
	}
	if again, err := ensure(t.Context(), Options{Source: root, Kubernetes: "v1.34.4"}); err != nil || again != p {
		t.Errorf("ensure of the other version = %+v, %v", again, err)
	}
}

func TestUnknownVersion(t *testing.T) {
	root := newRepository(t)
	for _, version := range []string{"1.33", "1.3", "1", "v1.34.3", "latest", "kubernetes"} {
		o := Options{Source: root, Kubernetes: version}
		want := fmt.Sprintf("--kubernetes %q: use v1.37.2 or v1.34.4, or the first two numbers of one", version)
		if _, err := ensure(t.Context(), o); err == nil || err.Error() != want {
			t.Errorf("ensure = %v, want %s", err, want)
		}
		if err := Check(o); err == nil || err.Error() != want {
			t.Errorf("Check = %v, want %s", err, want)
		}
	}
	if err := Check(Options{Source: root, Kubernetes: "1.34"}); err != nil {
		t.Errorf("Check of a version that there is = %v", err)
	}
}

func TestSecondBuilderWaits(t *testing.T) {
	root := newRepository(t)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// The build goes on when both others wait, or after half a minute.
	builds := fakeGo(t, fmt.Sprintf(`
i=0; until [ "$(grep -c 'waiting for ' %s)" -ge 2 ] || [ $i = 600 ]; do i=$((i+1)); sleep 0.05; done
echo binary > "$out"`, log.Name()))
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if _, err := ensure(t.Context(), Options{Source: root, Progress: progress.New(log)}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := count(t, builds); n != 1 {
		t.Errorf("%d builds, want 1", n)
	}
	text, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "waiting for "); n != 2 {
		t.Errorf("%d builders said that they wait, want 2:\n%s", n, text)
	}
}

func TestFailedBuild(t *testing.T) {
	root := newRepository(t)
	fakeGo(t, `
i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo "some/package$i" >&2; echo "# message $i" >&2; done
echo half > "$out"
printf 'undefined: x' >&2
exit 1`)
	_, err := ensure(t.Context(), Options{Source: root})
	if err == nil {
		t.Fatal("a failed build is no error")
	}
	for _, want := range []string{"build the components of Kubernetes v1.37.2: go build: exit status 1", "# message 30", "# message 11", "undefined: x"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error has no %q: %v", want, err)
		}
	}
	for _, unwanted := range []string{"some/package30", "# message 10\n"} {
		if strings.Contains(err.Error(), unwanted) {
			t.Errorf("the error has %q: %v", unwanted, err)
		}
	}
	if files := list(t, filepath.Join(root, ".bin")); len(files) != 0 {
		t.Errorf("the build left %q", files)
	}
}

func TestNoGoCommand(t *testing.T) {
	root := newRepository(t)
	t.Setenv("PATH", t.TempDir())
	if _, err := ensure(t.Context(), Options{Source: root}); err == nil || !strings.Contains(err.Error(), "install Go") {
		t.Errorf("ensure without Go = %v", err)
	}
}

func TestRemovesOlderBuildsOfTheSameVersion(t *testing.T) {
	root := newRepository(t)
	fakeGo(t, `echo binary > "$out"`)
	bin := filepath.Join(root, ".bin")
	write(t, filepath.Join(bin, "components-v1.37.2-000000000000"), "old")
	write(t, filepath.Join(bin, "components-v1.34.0-000000000000"), "another version")
	write(t, filepath.Join(bin, ".components-12345"), "an interrupted build")
	write(t, filepath.Join(bin, "helm"), "another program")
	p, err := ensure(t.Context(), Options{Source: root})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"components-v1.34.0-000000000000", filepath.Base(p.others), "helm"}
	if got := list(t, bin); !slices.Equal(got, want) {
		t.Errorf("the folder has %q, want %q", got, want)
	}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

func TestKeyDependsOnEveryInput(t *testing.T) {
	root := newRepository(t)
	var version string
	key := func() string {
		t.Helper()
		kubernetes, _, err := targets(Options{Source: root, Kubernetes: version})
		if err != nil {
			t.Fatal(err)
		}
		key, err := kubernetes.key()
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	first := key()
	seen := map[string]string{first: "nothing"}
	if key() != first {
		t.Error("the same inputs have two keys")
	}
	module := filepath.Join(root, modulePath)
	for _, change := range []struct{ what, path, content string }{
		{"go.sum", filepath.Join(module, "go.sum"), "other sums\n"},
		{"go.mod", filepath.Join(module, "go.mod"), "module x\n\nrequire k8s.io/kubernetes v1.37.2\n"},
		{"the version", filepath.Join(module, "go.mod"), "module x\n\nrequire k8s.io/kubernetes v1.37.3\n"},
		{"a source", filepath.Join(module, componentsPackage, "main.go"), "package main // changed\n"},
		{"a new source", filepath.Join(module, componentsPackage, "new.go"), "package main\n"},
	} {
		write(t, change.path, change.content)
		k := key()
		if other, ok := seen[k]; ok {
			t.Errorf("the key after a change of %s is that after a change of %s", change.what, other)
		}
		seen[k] = change.what
	}
	before := key()
	write(t, filepath.Join(module, componentsPackage, "main_test.go"), "package main\n")
	write(t, filepath.Join(module, "internal", "x.go"), "package internal\n")
	if key() != before {
		t.Error("the key depends on what the binary is not built from")
	}
	write(t, filepath.Join(module, "kubernetes-1.34.sum"), "other sums\n")
	if key() != before {
		t.Error("the key depends on what another version is built from")
	}
	version = "1.34"
	before = key()
	write(t, filepath.Join(module, "kubernetes-1.34.sum"), "sums\n")
	if key() == before {
		t.Error("the key of another version does not depend on its sums")
	}
}

func TestFindRoot(t *testing.T) {
	root := newRepository(t)
	deep := filepath.Join(root, modulePath, "internal")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)
	if got, err := findRoot(""); err != nil || !sameFile(t, got, root) {
		t.Errorf("findRoot = %q, %v, want %q", got, err, root)
	}
	t.Chdir("/")
	if _, err := findRoot(""); err == nil || !strings.Contains(err.Error(), "--source") {
		t.Errorf("findRoot outside = %v", err)
	}
	if _, err := findRoot("/etc"); err == nil || !strings.Contains(err.Error(), `--source "/etc"`) {
		t.Errorf("findRoot of another folder = %v", err)
	}
}

func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	infoA, err := os.Stat(a)
	if err != nil {
		t.Fatal(err)
	}
	infoB, err := os.Stat(b)
	if err != nil {
		t.Fatal(err)
	}
	return os.SameFile(infoA, infoB)
}

func TestBinDirWithoutSource(t *testing.T) {
	t.Chdir("/")
	bin := t.TempDir()
	if _, err := ensure(t.Context(), Options{BinDir: bin}); err == nil || !strings.Contains(err.Error(), "has no binary") {
		t.Errorf("ensure with an empty folder = %v", err)
	}
	all := filepath.Join(bin, "components-v1.37.2-000000000000")
	write(t, all, "binary")
	other := filepath.Join(bin, "kubernetes-v1.34.4-000000000000")
	write(t, other, "binary")
	for version, want := range map[string]paths{"": {all, all}, "1.37": {all, all}, "1.34": {other, all}} {
		o := Options{BinDir: bin, Kubernetes: version}
		if got, err := ensure(t.Context(), o); err != nil || got != want {
			t.Errorf("ensure of %q = %+v, %v, want %+v", version, got, err, want)
		}
		if err := Check(o); err != nil {
			t.Errorf("Check of %q = %v", version, err)
		}
	}
	if err := Check(Options{BinDir: bin, Kubernetes: "1.35"}); err == nil || !strings.Contains(err.Error(), "use v1.37.2 or v1.34.4") {
		t.Errorf("Check of a version that is not there = %v", err)
	}
	write(t, filepath.Join(bin, "kubernetes-v1.34.4-000000000001"), "binary")
	if _, err := ensure(t.Context(), Options{BinDir: bin, Kubernetes: "1.34"}); err == nil || !strings.Contains(err.Error(), "2 binaries of Kubernetes 1.34: remove all but one") {
		t.Errorf("ensure with two binaries of a version = %v", err)
	}
	write(t, filepath.Join(bin, "components-v1.34.0-000000000000"), "binary")
	if _, err := ensure(t.Context(), Options{BinDir: bin}); err == nil || !strings.Contains(err.Error(), "remove all but one") {
		t.Errorf("ensure with two binaries = %v", err)
	}
}

func TestIsVersion(t *testing.T) {
	for _, wanted := range []string{"v1.34.4", "1.34.4", "v1.34", "1.34"} {
		if !IsVersion("v1.34.4", wanted) {
			t.Errorf("v1.34.4 is not %s", wanted)
		}
	}
	for _, wanted := range []string{"", "1", "1.3", "1.34.", "1.34.40", "1.340"} {
		if IsVersion("v1.34.4", wanted) {
			t.Errorf("v1.34.4 is %q", wanted)
		}
	}
}

func TestKubernetesVersion(t *testing.T) {
	for modfile, want := range map[string]string{
		"require k8s.io/kubernetes v1.37.2\n":                                       "v1.37.2",
		"require (\n\tk8s.io/kubernetes v1.34.4 // indirect\n)\n":                   "v1.34.4",
		"require (\n\tk8s.io/kubernetes-x v0.1.0\n\tk8s.io/kubernetes v1.36.1\n)\n": "v1.36.1",
	} {
		if got, err := kubernetesVersion([]byte(modfile)); err != nil || got != want {
			t.Errorf("kubernetesVersion(%q) = %q, %v, want %q", modfile, got, err, want)
		}
	}
	for _, modfile := range []string{"", "replace k8s.io/kubernetes => ../kubernetes\n", "require k8s.io/kubernetes v1.37.0-alpha.1\n"} {
		if got, err := kubernetesVersion([]byte(modfile)); err == nil {
			t.Errorf("kubernetesVersion(%q) = %q, want an error", modfile, got)
		}
	}
}

func TestLinkerFlags(t *testing.T) {
	flags := linkerFlags("v1.37.2")
	for _, want := range []string{
		"-X k8s.io/component-base/version.gitVersion=v1.37.2", "-X k8s.io/component-base/version.gitMajor=1",
		"-X k8s.io/component-base/version.gitMinor=37", "-X k8s.io/client-go/pkg/version.gitVersion=v1.37.2",
	} {
		if !strings.Contains(flags, want) {
			t.Errorf("no %q in %q", want, flags)
		}
	}
}

func TestOpenRefusesOtherPrograms(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(self, kubernetes); err == nil || !strings.Contains(err.Error(), "was not built from cmd/components") {
		t.Errorf("open of this test = %v", err)
	}
}

func TestStatusLine(t *testing.T) {
	for _, c := range []struct {
		compiled, packages int
		elapsed            time.Duration
		doing, want        string
	}{
		{0, 0, time.Second, "resolving packages", "building Kubernetes v1.37.2: 1.0s: resolving packages"},
		{812, 2640, 125 * time.Second, "k8s.io/api/core/v1", "building Kubernetes v1.37.2: 2m05s, compiled 812 of at most 2640 packages: k8s.io/api/core/v1"},
		{0, 2640, time.Second, "", "building Kubernetes v1.37.2: 1.0s, compiled 0 of at most 2640 packages"},
	} {
		if got := statusLine("v1.37.2", c.compiled, c.packages, c.elapsed, c.doing); got != c.want {
			t.Errorf("statusLine = %q, want %q", got, c.want)
		}
	}
}

func TestReportReadsTheGoCommand(t *testing.T) {
	r := newReport("v1.37.2", nil, time.Now())
	for _, chunk := range []string{
		"go: downloading k8s.io/api v0.37.2\ninternal/", "cpu\nk8s.io/api/core/v1\n", "# x\n./x.go:1:1: wrong\n",
	} {
		if _, err := r.Write([]byte(chunk)); err != nil {
			t.Fatal(err)
		}
	}
	if r.compiled != 2 || r.doing != "k8s.io/api/core/v1" {
		t.Errorf("compiled %d packages, the last is %q", r.compiled, r.doing)
	}
	if got := r.failure(); got != "# x\n./x.go:1:1: wrong" {
		t.Errorf("failure = %q", got)
	}
	if _, err := r.Write([]byte("external-services/tools/cluster/cmd/components\n")); err != nil {
		t.Fatal(err)
	}
	if r.doing != "linking" {
		t.Errorf("after the last package it is %q", r.doing)
	}
}
