package docs

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"external-services/charts"
	"external-services/tools/helm"
	"external-services/tools/schema"
)

func TestChartHasTheDocs(t *testing.T) {
	values, err := charts.FS.ReadFile(charts.Dir + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ValuesYAML(), values) {
		t.Error("values.yaml is out of date: run make generate")
	}
	readme, err := charts.FS.ReadFile(charts.Dir + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Insert(readme, Tables())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, readme) {
		t.Error("the README's tables are out of date: run make generate")
	}
	chart, err := charts.FS.ReadFile(charts.Dir + "/Chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changelog, err := charts.FS.ReadFile(charts.Dir + "/CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if want, err = ChartYAML(chart, changelog); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, chart) {
		t.Error("the annotations of Chart.yaml are out of date: run make generate")
	}
}

func TestEveryKeyOfValuesYAMLHasAComment(t *testing.T) {
	key := regexp.MustCompile(`^ *[A-Za-z]+:`)
	lines := strings.Split(string(ValuesYAML()), "\n")
	found := 0
	for i, line := range lines {
		if !key.MatchString(line) {
			continue
		}
		found++
		if i == 0 || !strings.HasPrefix(strings.TrimSpace(lines[i-1]), "# ") {
			t.Errorf("no comment above %q", line)
		}
	}
	want := 0
	for _, p := range schema.Properties() {
		if !strings.Contains(p.Key, "[]") {
			want++
		}
	}
	if found != want {
		t.Errorf("%d keys found, want %d", found, want)
	}
}

// The commented entries of values.yaml show every key, and work when uncommented.
func TestEntriesShowEveryKey(t *testing.T) {
	for _, p := range schema.Properties() {
		key, inEntry := strings.CutPrefix(p.Key, "services[].")
		name := key[strings.LastIndex(key, ".")+1:]
		if inEntry && !regexp.MustCompile(`(?m)[ -]`+name+`:`).Match(ValuesYAML()) {
			t.Errorf("values.yaml does not show %s", key)
		}
	}
	uncommented := regexp.MustCompile(`(?m)^# (- |  )`).ReplaceAllString(strings.Replace(string(ValuesYAML()), "services: []", "services:", 1), "$1")
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	values, err := helm.Parse([]byte(uncommented))
	if err != nil {
		t.Fatalf("%v in\n%s", err, uncommented)
	}
	result, err := helm.Render(chart, helm.Release{}, values)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Services) != 3 || len(result.EndpointSlices) != 2 {
		t.Errorf("%d Services and %d EndpointSlices, want 3 and 2", len(result.Services), len(result.EndpointSlices))
	}
}

// A key that entries.yaml does not show stands where it is in the Go type.
func TestEveryKey(t *testing.T) {
	entries := everyKey(entries)
	for line, want := range map[string]string{
		"  headless: false\n":                     "  headless: false\n",
		"      zone: eu-1a\n":                     "      zone: eu-1a\n",
		"      appProtocol: mysql\n":              "      appProtocol: mysql\n",
		"  trafficDistribution: PreferSameZone\n": "  trafficDistribution: PreferSameNode\n",
	} {
		if got := everyKey(strings.Replace(entries, line, "", 1)); got != strings.Replace(entries, line, want, 1) {
			t.Errorf("without %q got\n%s", line, got)
		}
	}
	for line, want := range map[string]string{
		"  labels:\n    team: storage\n": "labels has no example",
		"- name:":                        "shows no key before name",
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("without %q: %s, want %s", line, got, want)
				}
			}()
			everyKey(strings.ReplaceAll(entries, line, ""))
		}()
	}
}

func TestInsert(t *testing.T) {
	got, err := Insert([]byte("before\n"+Begin+"\nold\n"+End+"\nafter\n"), "new")
	if want := "before\n" + Begin + "\n\nnew\n" + End + "\nafter\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for text, want := range map[string]string{
		"nothing":       `the line "` + Begin + `" is missing`,
		"only " + Begin: `the line "` + End + `" is missing`,
	} {
		if _, err := Insert([]byte(text), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives the error %v, want %q", text, err, want)
		}
	}
}

func TestLiteral(t *testing.T) {
	for want, value := range map[string]any{
		"true": true, "5": 5, "text": "text", `""`: "", `"true"`: "true", `"1.30"`: "1.30", "1.37.0": "1.37.0", `"a: b"`: "a: b",
		"{}": map[string]string{}, `{a: "1", b: c}`: map[string]string{"b": "c", "a": "1"}, "[]": []string{},
	} {
		if got := literal(value); got != want {
			t.Errorf("%#v is written as %s, want %s", value, got, want)
		}
	}
}

func TestCellAndTypes(t *testing.T) {
	if got := cell("a | b\nc"); got != `a \| b c` {
		t.Errorf("cell: %q", got)
	}
	for _, p := range schema.Properties() {
		if typeName(p.Schema) == "" && !p.Group() {
			t.Errorf("%s has no type", p.Key)
		}
	}
}
