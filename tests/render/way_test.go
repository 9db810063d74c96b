package render

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"external-services/tests/internal/testenv"
)

// define is where a named template of the chart begins.
var define = regexp.MustCompile(`\{\{-? define "([^"]+)" -?\}\}`)

// templates are the chart's own files, by name below templates/.
func templates(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	root := filepath.Join(testenv.Chart(), "templates")
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		files[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// contributing is the part of CONTRIBUTING.md that tells the way of an entry.
func contributing(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(testenv.Path("CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## The way of an entry\n")
	way, _, _ := strings.Cut(rest, "\n## ")
	if lines := strings.Count(way, "\n"); !found || lines > 30 {
		t.Fatalf("CONTRIBUTING.md tells the way of an entry in %d lines, want at most 30", lines)
	}
	return way
}

// The files and defines that CONTRIBUTING names are those of the chart, each define in the file that is
// named with it.
func TestWayOfAnEntryIsTold(t *testing.T) {
	way, files := contributing(t), templates(t)
	in := map[string]string{}
	for name, text := range files {
		for _, match := range define.FindAllStringSubmatch(text, -1) {
			in[match[1]] = name
		}
	}
	for _, match := range regexp.MustCompile("`(external-services\\.[a-zA-Z]+)`(?: \\(`([^`]+)`\\))?").FindAllStringSubmatch(way, -1) {
		if in[match[1]] == "" || match[2] != "" && in[match[1]] != match[2] {
			t.Errorf("CONTRIBUTING.md has %s in %q, the chart in %q", match[1], match[2], in[match[1]])
		}
	}
	for _, match := range regexp.MustCompile("`([a-z/_]+\\.(?:yaml|tpl|txt)|NOTES.txt)`").FindAllStringSubmatch(way, -1) {
		if _, ok := files[match[1]]; !ok {
			t.Errorf("CONTRIBUTING.md names %s, which the chart does not have", match[1])
		}
	}
}

// A copy of the chart that says which defines it executes: for the second entry of the article they are at
// most six besides the rules, and those that CONTRIBUTING lists.
func TestWayOfAnEntryIsShort(t *testing.T) {
	chart := filepath.Join(t.TempDir(), "external-services")
	if err := os.CopyFS(chart, os.DirFS(testenv.Chart())); err != nil {
		t.Fatal(err)
	}
	for name, text := range templates(t) {
		traced := define.ReplaceAllString(text, `$0{{ "\n# define $1\n" }}`)
		if err := os.WriteFile(filepath.Join(chart, "templates", name), []byte(traced), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	helm, err := testenv.Binary("helm")
	if err != nil {
		t.Fatal(err)
	}
	const entry = `services=[{"name": "mysql-test", "namespace": "test-env", "addresses": ["192.168.50.206"], "ports": [{"port": 3306}]}]`
	out, err := exec.Command(helm, "template", "outside", chart, "--set-json", entry).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// What is once a release is not on the way of an entry, and the rules print nothing.
	aside := []string{
		"external-services.common", "external-services.ownLabels", "external-services.usual", "external-services.checkRelease", "external-services.checkResolver",
		"external-services.fail", "external-services.checkPairs", "external-services.resolver", "external-services.releaseName", "external-services.image",
	}
	rules := []string{"external-services.refuse", "external-services.checkAddresses", "external-services.checkPorts"}
	var executed []string
	for _, match := range regexp.MustCompile(`# define ([a-zA-Z.-]+)`).FindAllStringSubmatch(string(out), -1) {
		if !slices.Contains(executed, match[1]) && !slices.Contains(aside, match[1]) {
			executed = append(executed, match[1])
		}
	}
	for _, rule := range rules {
		if !slices.Contains(executed, rule) {
			t.Errorf("%s is not executed: %q", rule, executed)
		}
		executed = slices.DeleteFunc(executed, func(name string) bool { return name == rule })
	}
	_, list, _ := strings.Cut(contributing(t), "these are six defines:")
	list, _, _ = strings.Cut(list, ", with")
	var told []string
	for _, match := range regexp.MustCompile("`(external-services\\.[a-zA-Z]+)`").FindAllStringSubmatch(list, -1) {
		told = append(told, match[1])
	}
	slices.Sort(executed)
	slices.Sort(told)
	if len(executed) > 6 || !slices.Equal(executed, told) {
		t.Errorf("the entry goes through\n%q, CONTRIBUTING.md says\n%q", executed, told)
	}
}

// The limits of design that a reader feels: lines, nesting, and arguments by name.
func TestTemplatesStaySmall(t *testing.T) {
	lines, ofResolver, ofRoutes, deepest := 0, 0, 0, 0
	for name, text := range templates(t) {
		switch count := strings.Count(text, "\n"); path.Dir(name) {
		case "resolver":
			ofResolver += count
		case "routes":
			ofRoutes += count
		default:
			lines += count
		}
		if strings.Contains(text, "index . ") || strings.Contains(text, "index $ ") {
			t.Errorf("%s takes an argument by its position", name)
		}
		for _, part := range define.Split(text, -1)[min(1, strings.Count(text, "define")):] {
			depth := 0
			for _, action := range regexp.MustCompile(`\{\{-?\s*(if|range|with|end)\b`).FindAllStringSubmatch(part, -1) {
				if action[1] == "end" {
					depth--
				} else {
					depth++
				}
				deepest = max(deepest, depth)
			}
		}
	}
	if lines > 980 || ofResolver > 360 || ofRoutes > 250 || deepest > 4 {
		t.Errorf("the templates have %d lines, those of the resolver %d, those of routes %d, and %d levels", lines, ofResolver, ofRoutes, deepest)
	}
	t.Logf("%d lines, %d of the resolver, %d of routes, %d levels", lines, ofResolver, ofRoutes, deepest)
}
