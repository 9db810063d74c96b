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
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"external-services/tests/internal/testenv"
)

// pack makes the archive as make package does, of the repository whose root is given.
func pack(t *testing.T, root string, shell string) (archive string) {
	t.Helper()
	folder := t.TempDir()
	cmd := exec.Command("bash", "-c", shell+` ci/package.sh "$@"`, "pack", binary(t, "helm4"), binary(t, "slim"), folder)
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

// Helm stores each file of the package in each revision of each release.
func TestPackageHoldsWhatAReleaseNeeds(t *testing.T) {
	want := []string{
		"Chart.yaml", "README.md", "files/test.sh", "templates/NOTES.txt", "templates/_helpers.tpl", "templates/_validate.tpl",
		"templates/endpoints.yaml", "templates/endpointslice.yaml", "templates/pod.yaml", "templates/service.yaml", "values.schema.json", "values.yaml",
	}
	// .helmignore goes along: helm lint of the unpacked archive reads it.
	got := slices.DeleteFunc(archived(t, pack(t, testenv.Root(), "")), func(name string) bool { return name == ".helmignore" })
	if !slices.Equal(got, want) {
		t.Errorf("the package holds\n%q, want\n%q", got, want)
	}
}

// The package renders and refuses what the chart does, though its templates have no comments
// and its schema no descriptions.
func TestPackageRendersTheSame(t *testing.T) {
	archive := pack(t, testenv.Root(), "")
	scenarios, err := testenv.Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"3 errors:": "services: [{name: a}, {name: b, addresses: [10.0.0.1:80, 127.0.0.1], ports: [{port: 80}]}]",
		"don't meet the specifications of the schema": "services: [{name: a, adresses: []}]", // one, as Helm goes through several in any order
	} {
		file := filepath.Join(t.TempDir(), "refused.yaml")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		scenarios = append(scenarios, testenv.Scenario{Name: name, Files: []string{file}})
	}
	position := regexp.MustCompile(`\.yaml:[0-9]+:[0-9]+`)
	render := func(chart string, files []string) string {
		args := []string{"template", "outside", chart}
		for _, file := range files {
			args = append(args, "-f", file)
		}
		out, _ := exec.Command(binary(t, "helm"), args...).CombinedOutput() // with what it refuses
		return position.ReplaceAllString(string(out), "")
	}
	for _, scenario := range scenarios {
		want := render(testenv.Chart(), scenario.Files)
		if !strings.Contains(want, "kind: Service") && !strings.Contains(want, scenario.Name) && scenario.Name != "default-values" {
			t.Fatalf("%s: the chart renders nothing:\n%s", scenario.Name, want)
		}
		if got := render(archive, scenario.Files); got != want {
			t.Errorf("%s: the package renders\n%s\nand the chart\n%s", scenario.Name, got, want)
		}
	}
	out, err := exec.Command("tar", "-xzOf", archive, "--wildcards", "external-services/templates/*").Output()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(out, []byte("/*")) {
		t.Error("the templates of the package have comments")
	}
	if out, err = exec.Command("tar", "-xzOf", archive, "external-services/values.schema.json").Output(); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(out, []byte(`"description":"`)) {
		t.Error("the schema of the package has descriptions")
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
