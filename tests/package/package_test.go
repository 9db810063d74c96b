// Package chartpackage checks what make package and make release make.
package chartpackage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
	"time"

	"external-services/tests/internal/testenv"
)

// pack makes the archive as make package does, of the repository whose root is given.
func pack(t *testing.T, root string, shell string) (archive string) {
	t.Helper()
	folder := t.TempDir()
	cmd := exec.Command("bash", "-c", shell+` ci/package.sh "$@"`, "pack", binary(t, "helm4"), binary(t, "generate"), folder)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ci/package.sh: %v\n%s", err, out)
	}
	archives, err := filepath.Glob(filepath.Join(folder, "external-services-*.tgz"))
	if err != nil || len(archives) != 1 {
		t.Fatalf("packages %q: %v", archives, err)
	}
	return archives[0]
}

// The time of the day, the machine's settings and the times and modes of a checkout do
// not show in the archive; a byte of the chart does.
func TestReproducible(t *testing.T) {
	want := read(t, pack(t, testenv.Root(), ""))
	time.Sleep(1100 * time.Millisecond) // tar has whole seconds
	if !bytes.Equal(want, read(t, pack(t, testenv.Root(), "umask 077; export TZ=Pacific/Kiritimati LC_ALL=C; "))) {
		t.Error("a second time makes another archive")
	}
	w := newTree(t)
	w.run("cp", "-R", testenv.Chart(), "charts")
	w.run("chmod", "-R", "u=rwX,go=", "charts")
	w.run("find", "charts", "-exec", "touch", "-d", "2001-02-03", "{}", "+")
	if !bytes.Equal(want, read(t, pack(t, w.root, ""))) {
		t.Error("a copy with other times and modes makes another archive")
	}
	w.edit("values.yaml", func(text string) string { return text + "\n" })
	if bytes.Equal(want, read(t, pack(t, w.root, ""))) {
		t.Error("another chart makes the same archive")
	}
}

// The package holds the files of the chart as they are in the repository, so that the text that a reader
// audits is the one that Helm runs. Helm stores each of them in every revision of a release, so what a
// release does not need is left out (.helmignore).
func TestPackageIsTheChart(t *testing.T) {
	want := []string{
		"Chart.yaml", "README.md", "files/test.sh", "templates/NOTES.txt", "templates/_mappings.tpl", "templates/_objects.tpl", "templates/_rules.tpl",
		"templates/endpoints.yaml", "templates/endpointslice.yaml",
		"templates/resolver/_resolver.tpl", "templates/resolver/configmap.yaml", "templates/resolver/deployment.yaml",
		"templates/resolver/metrics.yaml", "templates/resolver/policy.yaml", "templates/resolver/rbac.yaml",
		"templates/routes/_routes.tpl", "templates/routes/backendtlspolicy.yaml", "templates/routes/ingress.yaml", "templates/routes/route.yaml",
		"templates/service.yaml", "templates/tests/pod.yaml", "values.schema.json", "values.yaml",
	}
	archive := pack(t, testenv.Root(), "")
	// .helmignore goes along: helm lint of the unpacked archive reads it.
	got := slices.DeleteFunc(archived(t, archive), func(name string) bool { return name == ".helmignore" })
	if !slices.Equal(got, want) {
		t.Errorf("the package holds\n%q, want\n%q", got, want)
	}
	for _, name := range want {
		packed, err := exec.Command("tar", "-xzOf", archive, "external-services/"+name).Output()
		if err != nil {
			t.Fatal(err)
		}
		inRepository, err := os.ReadFile(filepath.Join(testenv.Chart(), name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "Chart.yaml" { // Helm rewrites it without comments
			var a, b map[string]any
			if err := errors.Join(yaml.Unmarshal(packed, &a), yaml.Unmarshal(inRepository, &b)); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(a, b) {
				t.Errorf("%s says\n%s, in the repository\n%s", name, packed, inRepository)
			}
		} else if !bytes.Equal(packed, inRepository) {
			t.Errorf("%s is not that of the repository", name)
		}
	}
}

// archived lists the files of a chart archive, sorted, without the chart's folder.
func archived(t *testing.T, archive string) []string {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for reader := tar.NewReader(unzipped); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(names)
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(header.Name, "/")
		names = append(names, path.Clean(name))
	}
}

// Both majors of Helm read the archive.
func TestHelmReadsThePackage(t *testing.T) {
	archive := pack(t, testenv.Root(), "")
	for _, program := range []string{"helm", "helm4"} {
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"lint", "--strict", archive}, "0 chart(s) failed"},
			{[]string{"show", "chart", archive}, "artifacthub.io/changes: |"},
			{[]string{"show", "values", archive}, "# yaml-language-server: $schema=values.schema.json"},
			{[]string{"show", "readme", archive}, "# external-services"},
			{[]string{"template", "outside", archive, "-f", testenv.Path("values-examples", "article.yaml")}, `externalName: "test.k8s.com"`},
		} {
			if out, err := exec.Command(binary(t, program), c.args...).CombinedOutput(); err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%s %q: %v, want %q in\n%s", program, c.args, err, c.want, out)
			}
		}
	}
}
