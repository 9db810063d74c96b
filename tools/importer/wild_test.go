package importer_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"external-services/tests/importertest"
	"external-services/tools/findings"
	"external-services/tools/importer"
)

// variables are those of the wild files, replaced as envsubst does it.
var variables = map[string]string{
	"NAS_IP": "10.0.20.5", "DB_IP": "10.0.4.31", "DB_IP_2": "10.0.4.32", "PVE_IP": "10.0.20.8", "NET": "10.0.20",
	"scanner_ip": "10.0.20.78", "GALERA_1": "10.0.4.71", "GALERA_2": "10.0.4.72", "DB_HOST": "db.example.com", "SECRET_DOMAIN": "example.org", "CLUSTER": "east", "APP": "kitchen", "INVERTER_IP": "10.0.20.98",
}

var variableInTest = regexp.MustCompile(`\$\{([A-Za-z_0-9]+)(?::?[-=]([^}]*))?\}`)

func substitute(text string) string {
	return variableInTest.ReplaceAllStringFunc(text, func(found string) string {
		m := variableInTest.FindStringSubmatch(found)
		if value := variables[m[1]]; value != "" {
			return value
		}
		return m[2]
	})
}

// substituteNames replaces the variables of the entries and findings, as in what the chart renders.
func substituteNames(t *testing.T, result *importer.Result) {
	t.Helper()
	text, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	replaced := importer.Result{Values: result.Values}
	if err := json.Unmarshal([]byte(substitute(string(text))), &replaced); err != nil {
		t.Fatal(err)
	}
	*result = replaced
}

// The mappings that people have become entries, which mean what the oracle says, and for some of the files what a person
// wrote down. What is mended or not imported is in testdata/wild/want.txt, which -update writes.
func TestWild(t *testing.T) {
	folders, err := filepath.Glob("testdata/wild/*")
	if err != nil {
		t.Fatal(err)
	}
	expected, asExpected := readExpected(t), 0
	files, mappings, imported := 0, 0, 0
	var got strings.Builder
	for _, folder := range folders {
		shape := filepath.Base(folder)
		if info, err := os.Stat(folder); shape == "broken" || err != nil || !info.IsDir() {
			continue
		}
		texts := map[string]string{}
		paths, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(paths) < 3 {
			t.Errorf("%s has %d files, want at least 3", shape, len(paths))
		}
		all := ""
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			texts[filepath.Base(path)] = string(text)
			for _, document := range documents(t, substitute(string(text))) {
				all += "---\n" + document + "\n"
			}
		}
		files += len(paths)
		result := importInto(t, importer.NewObjects(), importer.Options{}, texts)
		words := wordsOf(result)
		substituteNames(t, result)
		meant := meantBy(t, all)
		rendered := after(t, []byte(substitute(string(result.Values))))
		faults, _ := importertest.Compare(meant, rendered, result)
		for _, fault := range faults {
			t.Errorf("%s: %s", shape, fault)
		}
		entries := keysOfEntries(result)
		for key, meaning := range meant {
			switch {
			case !isMapping(meaning), shape == "cannot-work":
			case slices.Contains(entries, key):
				mappings, imported = mappings+1, imported+1
			default:
				mappings++
				t.Logf("%s: no entry: %s", shape, key)
			}
		}
		for _, want := range expected[shape] {
			if outcome := outcomeOf(want.key, rendered, result); outcome != want.outcome {
				t.Errorf("%s/%s %s: %s, expected %s", shape, want.file, want.key, outcome, want.outcome)
				continue
			}
			asExpected++
		}
		got.WriteString("# " + shape + "\n" + words)
		checkWords(t, shape, all, result)
	}
	t.Logf("%d files, %d mappings that mean something, %d of them entries: %.1f %%", files, mappings, imported, 100*float64(imported)/float64(mappings))
	t.Logf("%d Services are as testdata/wild/expected.txt says", asExpected)
	if files < 120 || imported*100 < mappings*95 {
		t.Errorf("of %d files, %d of %d mappings became entries, want 95 %% of at least 120", files, imported, mappings)
	}
	const path = "testdata/wild/want.txt"
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got), and -update writes it:\n%s", diff)
	}
}

// expectation is what a person expects of a Service in a file.
type expectation struct{ file, key, outcome string }

// readExpected reads testdata/wild/expected.txt, by shape. It was written by hand, before import had read the files.
func readExpected(t *testing.T) map[string][]expectation {
	t.Helper()
	text, err := os.ReadFile("testdata/wild/expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	byShape := map[string][]expectation{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		place, outcome, hasOutcome := strings.Cut(strings.TrimSpace(line), ": ")
		path, key, hasKey := strings.Cut(place, " ")
		shape, file, hasFile := strings.Cut(path, "/")
		if !hasOutcome || !hasKey || !hasFile {
			t.Fatalf("expected.txt: %q, want FILE NAMESPACE/NAME: TRAFFIC", line)
		}
		if _, err := os.Stat(filepath.Join("testdata/wild", path)); err != nil {
			t.Error(err)
		}
		byShape[shape] = append(byShape[shape], expectation{file, key, outcome})
	}
	return byShape
}

// outcomeOf is what became of a Service, in the words of testdata/wild/expected.txt.
func outcomeOf(key string, rendered map[string]importertest.Meaning, result *importer.Result) string {
	isFound := func(code findings.Code) bool {
		return slices.ContainsFunc(result.Findings, func(f findings.Finding) bool {
			return f.Code == code && keyOf(f.Namespace, f.Entry) == key
		})
	}
	if !slices.Contains(keysOfEntries(result), key) {
		if isFound(findings.NotImported) {
			return "no entry, said"
		}
		return "no entry"
	}
	var parts []string
	for _, line := range rendered[key].Traffic {
		parts = append(parts, strings.Join(strings.Fields(line), " "))
	}
	if isFound(findings.Mended) {
		parts = append(parts, "mended")
	}
	return cmp.Or(strings.Join(parts, ", "), "nothing")
}

// expected says what the entries of a manifest mean: what it does today, or where something is mended what is meant.
func expected(t testing.TB, text string, result *importer.Result) map[string]importertest.Meaning {
	t.Helper()
	all, meant := read(t, text), meantBy(t, text)
	for _, f := range result.Findings {
		if f.Code == findings.Mended {
			key := keyOf(f.Namespace, f.Entry)
			all[key] = meant[key]
		}
	}
	return all
}

// checkWords requires a word on every entry that does something else than the objects.
func checkWords(t *testing.T, shape, text string, result *importer.Result) {
	t.Helper()
	today, meant := read(t, text), meantBy(t, text)
	for _, key := range keysOfEntries(result) {
		hasWord := slices.ContainsFunc(result.Findings, func(f findings.Finding) bool {
			return f.Code == findings.Mended && keyOf(f.Namespace, f.Entry) == key
		})
		if !slices.Equal(today[key].Traffic, meant[key].Traffic) && !hasWord {
			t.Errorf("%s: %s works only as an entry, and no comment says so", shape, key)
		}
	}
}

// isMapping says whether connections to a Service leave the cluster.
func isMapping(m importertest.Meaning) bool {
	return slices.ContainsFunc(m.Traffic, func(line string) bool { return !strings.Contains(line, "pods") })
}

func keyOf(namespace, name string) string {
	if namespace == "" {
		namespace = "default"
	}
	return namespace + "/" + name
}

func keysOfEntries(result *importer.Result) (keys []string) {
	for _, e := range result.Entries {
		if len(e.Namespaces) == 0 {
			keys = append(keys, keyOf(e.Namespace, e.Name))
		}
		for _, namespace := range e.Namespaces {
			keys = append(keys, keyOf(namespace, e.Name))
		}
	}
	return keys
}

// wordsOf lists what is mended, not imported or not read, and the hints.
func wordsOf(result *importer.Result) string {
	var lines []string
	for _, f := range result.Findings {
		lines = append(lines, fmt.Sprintf("%s: %s: %s\n", keyOf(f.Namespace, f.Entry), f.Code, strings.Join(append([]string{f.Message}, f.Fix...), ": ")))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// goWords are names of Go in a message.
var goWords = regexp.MustCompile(`\b(json|interface|Go (value|struct)|unmarshal|strict decoding|v1\.)`)

// Each kind of broken manifest is three files. A file has one warning with a line of the file, in the words of people
// who write manifests, and whatever else is read becomes entries. testdata/wild/want-broken.txt has the messages.
func TestBroken(t *testing.T) {
	const folder, golden = "testdata/wild/broken", "testdata/wild/want-broken.txt"
	text := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	kinds, err := filepath.Glob(folder + "/*")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, kind := range kinds {
		paths, err := filepath.Glob(kind + "/*")
		if err != nil {
			t.Fatal(err)
		}
		if kind != folder+"/after.yaml" && len(paths) < 3 {
			t.Errorf("%s has %d files, want at least 3", kind, len(paths))
		}
		for _, path := range paths {
			name := filepath.Base(kind) + "/" + filepath.Base(path)
			result := importInto(t, importer.NewObjects(), importer.Options{}, map[string]string{name: text(path), "z-after.yaml": text(folder + "/after.yaml")})
			if !slices.Contains(keysOfEntries(result), "default/after-all") {
				t.Errorf("%s: the file after it is not read: %v", name, keysOfEntries(result))
			}
			if code := findings.ExitCode(result.Findings); code != findings.ExitNotice {
				t.Errorf("%s: exit code %d, want %d", name, code, findings.ExitNotice)
			}
			warnings := slices.DeleteFunc(slices.Clone(result.Findings), func(f findings.Finding) bool { return f.Severity == findings.Hint })
			if len(warnings) != 1 {
				t.Errorf("%s: %d warnings, want 1: %v", name, len(warnings), warnings)
			}
			for _, f := range warnings {
				message := f.Message + strings.Join(f.Fix, " ")
				if !regexp.MustCompile(regexp.QuoteMeta(name)+":[0-9]+").MatchString(message) || goWords.MatchString(message) {
					t.Errorf("%s: %q does not have the line, or has words of Go", name, message)
				}
			}
			got.WriteString("# " + name + "\n" + wordsOf(result))
		}
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := gocmp.Diff(text(golden), got.String()); diff != "" {
		t.Errorf("(-want +got), and -update writes it:\n%s", diff)
	}
}
