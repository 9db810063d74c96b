package importer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"external-services/tests/importertest"
	"external-services/tools/findings"
	"external-services/tools/importer"
)

// variables are those of the wild files, replaced as envsubst does it.
var variables = map[string]string{
	"NAS_IP": "10.0.20.5", "DB_IP": "10.0.4.31", "DB_IP_2": "10.0.4.32", "PVE_IP": "10.0.20.8", "NET": "10.0.20",
	"DB_HOST": "db.example.com", "SECRET_DOMAIN": "example.org", "CLUSTER": "east",
}

var variableInTest = regexp.MustCompile(`\$\{([A-Z_0-9]+)(?::?[-=]([^}]*))?\}`)

func substitute(text string) string {
	return variableInTest.ReplaceAllStringFunc(text, func(found string) string {
		m := variableInTest.FindStringSubmatch(found)
		if value := variables[m[1]]; value != "" {
			return value
		}
		return m[2]
	})
}

// The mappings that people have become entries, which mean what the oracle says. What is mended or not imported is
// in testdata/wild/want.txt, which -update writes.
func TestWild(t *testing.T) {
	folders, err := filepath.Glob("testdata/wild/*")
	if err != nil {
		t.Fatal(err)
	}
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
		meant := meantBy(t, all)
		faults, _ := importertest.Compare(meant, after(t, []byte(substitute(string(result.Values)))), result)
		for _, fault := range faults {
			t.Errorf("%s: %s", shape, fault)
		}
		entries := keysOfEntries(result)
		for key, meaning := range meant {
			if len(meaning.Traffic) > 0 {
				mappings++
				if slices.Contains(entries, key) {
					imported++
				}
			}
		}
		got.WriteString("# " + shape + "\n" + wordsOf(result))
		checkWords(t, shape, all, result)
	}
	t.Logf("%d files, %d mappings that mean something, %d of them entries: %.1f %%", files, mappings, imported, 100*float64(imported)/float64(mappings))
	if files < 73 || imported*100 < mappings*95 {
		t.Errorf("of %d files, %d of %d mappings became entries, want 95 %% of at least 73", files, imported, mappings)
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
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got), and -update writes it:\n%s", diff)
	}
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
		lines = append(lines, fmt.Sprintf("%s: %s: %s\n", keyOf(f.Namespace, f.Entry), f.Code, f.Message))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// A broken document is one line, with its file and line, and the rest of its folder is read.
func TestBroken(t *testing.T) {
	paths, err := filepath.Glob("testdata/wild/broken/*")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(path)] = string(text)
	}
	result := importInto(t, importer.NewObjects(), importer.Options{}, texts)
	if code := findings.ExitCode(result.Findings); code != findings.ExitNotice {
		t.Errorf("exit code %d", code)
	}
	if !slices.Contains(keysOfEntries(result), "default/after-all") {
		t.Errorf("the last file is not read: %v", keysOfEntries(result))
	}
	const golden = "testdata/wild/want-broken.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(wordsOf(result)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), wordsOf(result)); diff != "" {
		t.Errorf("(-want +got), and -update writes it:\n%s", diff)
	}
}
