// Package docs follows the READMEs and the guides: it runs their commands as they
// stand there, one after the other, on a copy of the repository and a real cluster, and
// compares what they print with what the document shows.
package docs

import (
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/manifests"
	"external-services/tests/internal/testenv"
)

const name = "docs"

// Each document has the cluster afresh.
var (
	cluster *testenv.Embedded
	used    bool
)

func TestMain(m *testing.M) { testenv.Main(m, start) }

func start(ctx context.Context) (clusters []*testenv.Embedded, err error) {
	if err := testenv.UsePath("helm", "kubectl", "extsvc", "cluster", "dist", "krew"); err != nil {
		return nil, err
	}
	cluster, err = testenv.Start(ctx, name, os.Stderr)
	if cluster != nil {
		clusters = append(clusters, cluster)
	}
	return clusters, err
}

// READMEs are what a newcomer follows, with nothing set up beforehand.
var readmes = []string{"README.md", "README.zh-CN.md"}

// What the READMEs have and this test does not run.
var notRun = []string{
	"make test", // runs this test
}

// withDataPlane are documents whose commands call something, or show what has been called.
var withDataPlane = []string{"README.md", "README.zh-CN.md", "charts/external-services/docs/migration.md"}

// followed lists the documents that are run: the READMEs of the repository and of the
// chart, and every guide.
func followed(t *testing.T) []string {
	t.Helper()
	guides, err := filepath.Glob(testenv.Path("charts/external-services/docs/*.md"))
	if err != nil || len(guides) < 5 {
		t.Fatalf("guides %q: %v", guides, err)
	}
	paths := append(slices.Clone(readmes), "charts/external-services/README.md")
	for _, guide := range guides {
		paths = append(paths, "charts/external-services/docs/"+filepath.Base(guide))
	}
	return paths
}

func TestFollow(t *testing.T) {
	for _, path := range followed(t) {
		// without slashes, by which go test -run takes names apart
		t.Run(strings.ReplaceAll(path, "/", "_"), func(t *testing.T) { follow(t, path) })
	}
}

func follow(t *testing.T, path string) {
	d, err := readDocument(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(d.blocks, block.isCommands) {
		return
	}
	if !cluster.DataPlane && slices.Contains(withDataPlane, path) {
		t.Skip("NOT PROVEN, for there is no data plane: ", cluster.LeftOut)
	}
	if used {
		if out, err := exec.CommandContext(t.Context(), "cluster", "--name", name, "--quiet", "up", "--fresh").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	used = true
	dir := clone(t)
	s := startShell(t, dir, cluster.Kubeconfig)
	output, ran := "", false // of the commands before
	for _, b := range d.blocks {
		place := fmt.Sprintf("%s:%d", path, b.line)
		switch {
		case b.comment.notRun != "":
			t.Logf("%s: not run, %s", place, b.comment.notRun)
			if slices.Contains(readmes, path) && !slices.Contains(notRun, b.text) {
				t.Errorf("%s: %q is not run", place, b.text)
			}
			if b.isCommands() {
				s.parse(place, b)
			}
			ran = false
		case b.isCommands() || b.language == setup:
			if b.language == setup && slices.Contains(readmes, path) {
				t.Errorf("%s: a newcomer does not have what is set up here", place)
			}
			output, ran = s.follow(place, b), true
		case b.comment.file != "":
			if err := os.WriteFile(filepath.Join(dir, b.comment.file), []byte(b.text+"\n"), 0o600); err != nil {
				t.Error(err)
			}
		case b.language == "text":
			if !ran {
				t.Errorf("%s: this is the output of no command: put it below the command, or say why it is not run", place)
				continue
			}
			if difference := differs(b.text, output, b.comment.varies); difference != "" {
				t.Errorf("%s: %s. The output is:\n%s", place, difference, output)
			}
			ran = false
		case b.language == "yaml":
			var values any
			if err := yaml.Unmarshal([]byte(b.text), &values); err != nil {
				t.Errorf("%s: %v", place, err)
			}
		default:
			t.Errorf("%s: a block of %q: write sh for commands, text for their output, or yaml", place, b.language)
		}
	}
}

// follow runs the commands of a block. All but the last succeed, and the last one as the
// comment says.
func (s *shell) follow(place string, b block) string {
	s.t.Helper()
	var all strings.Builder
	commands := b.commands()
	for i, command := range commands {
		output, code := s.run(command)
		want := 0
		if i == len(commands)-1 {
			want = b.comment.exit
		}
		if code != want {
			s.t.Errorf("%s: the exit code of %q is %d, want %d:\n%s", place, command, code, want, output)
		}
		all.WriteString(output)
	}
	return all.String()
}

// programs are those whose commands are read, where they are not run.
var programs = []string{"helm", "kubectl", "extsvc"}

// parse has the programs read the flags of commands that are not run: with --help, they do
// nothing else.
func (s *shell) parse(place string, b block) {
	s.t.Helper()
	for _, command := range b.commands() {
		command = regexp.MustCompile(` (\||>|<|--|#|&&|&) .*`).ReplaceAllString(command, "")
		if program, _, _ := strings.Cut(command, " "); !slices.Contains(programs, program) {
			continue
		}
		if output, code := s.run(command + " --help"); code != 0 {
			s.t.Errorf("%s: the flags of %q:\n%s", place, command, output)
		}
	}
}

// Commands within the text have flags that there are.
func TestCommandsInText(t *testing.T) {
	inline := regexp.MustCompile("`((?:" + strings.Join(programs, "|") + ") [^`\n]+)`")
	s := startShell(t, testenv.Root(), os.DevNull)
	read := map[string]bool{}
	for _, path := range followed(t) {
		d, err := readDocument(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range inline.FindAllStringSubmatch(d.text, -1) {
			if !read[match[1]] {
				s.parse(path, block{text: match[1]})
			}
			read[match[1]] = true
		}
	}
	if len(read) < 20 {
		t.Errorf("%d commands, want those of the guides", len(read))
	}
}

// Both READMEs say the same: what is no prose is equal.
func TestREADMEsAgree(t *testing.T) {
	var documents []document
	for _, path := range readmes {
		d, err := readDocument(path)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, d)
	}
	english, chinese := documents[0], documents[1]
	diff := func(what string, of func(document) []string) {
		t.Helper()
		want := of(english)
		if len(want) == 0 {
			t.Errorf("README.md has no %s", what)
		}
		if diff := cmp.Diff(want, of(chinese)); diff != "" {
			t.Errorf("the %s differ (-README.md +README.zh-CN.md):\n%s", what, diff)
		}
	}
	diff("levels of headings", func(d document) (levels []string) {
		for _, heading := range d.headings {
			level, _, _ := strings.Cut(heading, " ")
			levels = append(levels, level)
		}
		return levels
	})
	diff("links", func(d document) []string {
		languages := strings.NewReplacer("README.zh-CN.md", "README", "README.md", "README", ".zh-CN.svg", ".svg")
		var links []string
		for _, link := range d.links {
			links = append(links, languages.Replace(link))
		}
		slices.Sort(links) // the order of words is another
		return links
	})
	diff("code blocks", func(d document) (blocks []string) {
		for _, b := range d.blocks {
			text := b.text
			if b.language == "yaml" { // its comments are prose
				text = regexp.MustCompile(`(?m) *#.*$`).ReplaceAllString(text, "")
			}
			blocks = append(blocks, fmt.Sprintf("%s %+v\n%s", b.language, b.comment, text))
		}
		return blocks
	})
	diff("rows of tables", func(d document) (rows []string) {
		for line := range strings.Lines(d.text) {
			if strings.HasPrefix(line, "|") {
				rows = append(rows, fmt.Sprint(strings.Count(line, "|")))
			}
		}
		return rows
	})
	diff("codes", func(d document) []string {
		codes := regexp.MustCompile("`[^`\n]+`").FindAllString(regexp.MustCompile("(?s)```.*?```").ReplaceAllString(d.text, ""), -1)
		slices.Sort(codes)
		return codes
	})
}

// The versions that a document names are those of ci/versions.env.
func TestVersions(t *testing.T) {
	for path, names := range map[string][]string{
		"README.md":       {"KUBERNETES_VERSION", "KUBERNETES_OLDEST_VERSION", "HELM_VERSION", "HELM4_VERSION"},
		"README.zh-CN.md": {"KUBERNETES_VERSION", "KUBERNETES_OLDEST_VERSION", "HELM_VERSION", "HELM4_VERSION"},
		"charts/external-services/docs/gitops.md":   {"FLUX_HELM_CONTROLLER_VERSION", "FLUX_SOURCE_CONTROLLER_VERSION", "ARGOCD_VERSION"},
		"charts/external-services/docs/versions.md": {"KUBERNETES_VERSION", "KUBERNETES_OLDEST_VERSION", "HELM_VERSION", "HELM4_VERSION", "COREDNS_VERSION"},
	} {
		d, err := readDocument(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			version, err := testenv.Version(name)
			if err != nil {
				t.Fatal(err)
			}
			if !regexp.MustCompile(`\b` + regexp.QuoteMeta(strings.TrimPrefix(version, "v")) + `\b`).MatchString(d.text) {
				t.Errorf("%s does not name %s=%s", path, name, version)
			}
		}
	}
}

// The picture is the same in both languages, but for its words.
func TestPictures(t *testing.T) {
	var shapes []string
	for _, name := range []string{"mechanisms.svg", "mechanisms.zh-CN.svg"} {
		text, err := os.ReadFile(testenv.Path("charts/external-services/docs", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := xml.Unmarshal(text, &struct{}{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		words := regexp.MustCompile(`(<(title|desc|text)\b[^>]*>)[^<]+<`)
		if count := len(words.FindAll(text, -1)); count < 20 {
			t.Errorf("%s has %d words that can be read and searched", name, count)
		}
		shapes = append(shapes, words.ReplaceAllString(string(text), "$1<"))
	}
	if diff := cmp.Diff(shapes[0], shapes[1]); diff != "" {
		t.Errorf("the pictures differ (-English +Chinese):\n%s", diff)
	}
}

// Links lead somewhere, also to headings, and targets of make that are named are there.
func TestLinks(t *testing.T) {
	makefile, err := os.ReadFile(testenv.Path("Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md")
	list.Dir = testenv.Root()
	names, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for _, name := range strings.Fields(string(names)) {
		d, err := readDocument(name)
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Error(err)
			continue
		}
		for _, match := range regexp.MustCompile("(?m)^make ([a-z-]+)|`make ([a-z-]+)").FindAllStringSubmatch(d.text, -1) {
			if target := match[1] + match[2]; !strings.Contains(string(makefile), "\n"+target+":") {
				t.Errorf("%s names make %s, which is no target", name, target)
			}
		}
		for _, link := range d.links {
			if strings.Contains(link, "://") {
				continue
			}
			links++
			file, heading, _ := strings.Cut(link, "#")
			if file == "" {
				file = path.Base(name)
			}
			target := path.Join(path.Dir(name), file)
			if _, err := os.Stat(testenv.Path(target)); err != nil {
				t.Errorf("%s links to %s: %v", name, link, err)
				continue
			}
			if heading == "" {
				continue
			}
			other, err := readDocument(target)
			if err != nil {
				t.Error(err)
				continue
			}
			if !slices.ContainsFunc(other.headings, func(h string) bool { return anchor(h) == heading }) {
				t.Errorf("%s links to %s, and there is no such heading", name, link)
			}
		}
	}
	if links < 50 {
		t.Errorf("%d links, want those of the READMEs and guides", links)
	}
}

// The first screen of the READMEs, which ends with the first heading, shows an entry, says how to install
// the chart and when not to use it.
func TestFirstScreen(t *testing.T) {
	const most = 62 // lines: those of the two columns are next to each other
	for path, words := range map[string][]string{
		"README.md":       {"A Helm chart that", "\nservices:\n", "\n**Install**", "\nhelm install ", "\n**Do not use it**"},
		"README.zh-CN.md": {"这个 Helm chart ", "\nservices:\n", "\n**安装**", "\nhelm install ", "\n**不适合的场合**"},
	} {
		d, err := readDocument(path)
		if err != nil {
			t.Fatal(err)
		}
		screen, _, _ := strings.Cut(d.text, "\n## ")
		if lines := strings.Count(screen, "\n"); lines > most {
			t.Errorf("%s: the first screen has %d lines, want at most %d", path, lines, most)
		}
		for _, word := range words {
			if !strings.Contains(screen, word) {
				t.Errorf("%s: %q is not on the first screen", path, word)
			}
		}
	}
}

// The list of examples has every example.
func TestExamplesAreListed(t *testing.T) {
	const list = "values-examples/README.md"
	entries, err := os.ReadDir(testenv.Path("values-examples"))
	if err != nil || len(entries) < 2 {
		t.Fatal(len(entries), err)
	}
	d, err := readDocument(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != path.Base(list) && !slices.Contains(d.links, name) {
			t.Errorf("%s does not list %s", list, name)
		}
	}
}

// The README lists every guide, in the order in which a reader follows them.
func TestGuidesAreListed(t *testing.T) {
	const docs = "charts/external-services/docs/"
	order := []string{"discover", "environments", "subchart", "migration", "adoption", "routes", "resolver", "operate", "troubleshooting"}
	d, err := readDocument("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(d.text, "\n## Guides\n")
	if !found {
		t.Fatal("README.md has no list of guides")
	}
	var listed []string
	for _, match := range regexp.MustCompile(`\]\(`+docs+`([a-z]+)\.md\)`).FindAllStringSubmatch(list, -1) {
		listed = append(listed, match[1])
	}
	inOrder := slices.DeleteFunc(slices.Clone(listed), func(name string) bool { return !slices.Contains(order, name) })
	if diff := cmp.Diff(order, inOrder); diff != "" {
		t.Errorf("README.md lists the guides in another order (-want +got):\n%s", diff)
	}
	for _, guide := range followed(t) {
		if name, isGuide := strings.CutPrefix(strings.TrimSuffix(guide, ".md"), docs); isGuide && !slices.Contains(listed, name) {
			t.Errorf("README.md does not list %s", guide)
		}
	}
}

// The READMEs show the example as it is, and next to it what the chart renders of it, of which
// they leave fields out.
func TestExample(t *testing.T) {
	example := testenv.Path("values-examples", "article.yaml")
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	var want any
	if err := yaml.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "helm", "template", "outside", testenv.Chart(), "-f", example, "--skip-tests").Output()
	if err != nil {
		t.Fatal(err)
	}
	rendered := manifests.Parse(t, string(out))
	for _, path := range append(slices.Clone(readmes), "charts/external-services/README.md") {
		d, err := readDocument(path)
		if err != nil {
			t.Fatal(err)
		}
		examples := slices.DeleteFunc(d.blocks, func(b block) bool { return b.language != "yaml" })
		if len(examples) == 0 {
			t.Errorf("%s shows no values", path)
			continue
		}
		var got any
		if err := yaml.Unmarshal([]byte(examples[0].text), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s shows other values than values-examples/article.yaml (-example +README):\n%s", path, diff)
		}
		if !slices.Contains(readmes, path) {
			continue
		}
		if len(examples) < 2 {
			t.Errorf("%s does not show what is rendered", path)
			continue
		}
		shown := manifests.Parse(t, examples[1].text)
		if len(shown) != len(rendered) {
			t.Errorf("%s shows %d objects, and the chart renders %d", path, len(shown), len(rendered))
			continue
		}
		for i := range shown {
			if !contains(rendered[i].Object, shown[i].Object) {
				t.Errorf("%s shows the object\n%v\nand the chart renders\n%v", path, shown[i].Object, rendered[i].Object)
			}
		}
	}
}

// contains reports whether a value has everything that a part of it shows. Lists have the same length.
func contains(whole, part any) bool {
	switch part := part.(type) {
	case map[string]any:
		fields, _ := whole.(map[string]any)
		for key, value := range part {
			if !contains(fields[key], value) {
				return false
			}
		}
		return len(part) <= len(fields)
	case []any:
		items, _ := whole.([]any)
		return slices.EqualFunc(items, part, contains)
	}
	return whole == part
}
