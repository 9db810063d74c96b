package schema

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/testenv"
	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/lint"
)

// lintTexts lints texts as values files over each other, with the chart of the repository, and
// returns the errors.
func lintTexts(t testing.TB, texts ...string) []findings.Finding {
	t.Helper()
	chart, err := helm.Load(testenv.Chart())
	if err != nil {
		t.Fatal(err)
	}
	options := lint.Options{Chart: chart}
	for i, text := range texts {
		options.Files = append(options.Files, lint.File{Name: fmt.Sprintf("%d.yaml", i), Text: []byte(text)})
	}
	list, err := lint.Run(options)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list, func(f findings.Finding) bool { return f.Severity != findings.Error })
}

// severalErrors is how the chart's message begins if there are several.
var severalErrors = regexp.MustCompile(`^\d+ errors, the first: `)

// Lint finds an error exactly in what helm refuses: the invalid cases are those that
// TestInvalidValues sees refused. Every error has a line, and the words of the chart.
func TestLintAgreesOnInvalidValues(t *testing.T) {
	for _, c := range testenv.InvalidCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			list := lintTexts(t, c.Values)
			if c.API != "" {
				if len(list) > 0 {
					t.Errorf("lint refuses what helm accepts: %v", list)
				}
				return
			}
			if len(list) == 0 {
				t.Fatalf("lint finds no error in what helm refuses:\n%s", c.Values)
			}
			var all strings.Builder
			for _, f := range list {
				if f.Line == 0 || f.Column == 0 || f.File == "" {
					t.Errorf("no position: %+v", f)
				}
				if f.Message == "" || len(f.Fix) == 0 {
					t.Errorf("no message or no fix: %+v", f)
				}
				text := lint.Sentence(f)
				if strings.ContainsAny(text, "^\\\n") && !strings.ContainsAny(c.Values, "^\\\n") {
					t.Errorf("a regular expression or a line break: %s", text)
				}
				fmt.Fprintln(&all, text)
			}
			if c.Chart == "" {
				return
			}
			want := strings.Split(severalErrors.ReplaceAllString(c.Chart, ""), "\n")
			if len(want) > 50 {
				return
			}
			if len(list) != len(want) {
				t.Errorf("%d errors, the chart has %d:\n%s\n%s", len(list), len(want), all.String(), c.Chart)
			}
			for _, text := range want {
				// lint has a form of its own for the entry, and may know the address
				text = strings.TrimPrefix(text, "  - ")
				if strings.HasPrefix(text, "services[") {
					_, text, _ = strings.Cut(text, ": ")
				}
				_, text, _ = strings.Cut(text, " ") // after the field
				reason, _, _ := strings.Cut(text, ": write ")
				reason = strings.Replace(reason, "or externalName is", "or externalName: is", 1)
				if !strings.Contains(all.String(), reason) {
					t.Errorf("the chart says %q, lint\n%s", reason, all.String())
				}
			}
		})
	}
}

func TestLintAgreesOnValidValues(t *testing.T) {
	for _, c := range validCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if list := lintTexts(t, c.Values); len(list) > 0 {
				t.Errorf("%v\n%s", list, c.Values)
			}
		})
	}
	scenarios, err := testenv.Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	for _, scenario := range scenarios {
		t.Run(scenario.Name, func(t *testing.T) {
			t.Parallel()
			var texts []string
			for _, file := range scenario.Files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, string(text))
			}
			if list := lintTexts(t, texts...); len(list) > 0 {
				t.Errorf("%v", list)
			}
		})
	}
}

// The chart in an application's chart: its values are under the alias, in the application's own
// file and in those over it.
func TestLintOfAnApplication(t *testing.T) {
	path, err := testenv.Application(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	chart := func() *helm.Chart {
		c, err := helm.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	list, err := lint.Run(lint.Options{Chart: chart(), ChartName: "shop/values.yaml"})
	if err != nil || slices.ContainsFunc(list, func(f findings.Finding) bool { return f.Severity == findings.Error }) {
		t.Fatalf("%v, %v", err, list)
	}
	text := "databases:\n  services:\n    - {name: Orders, externalName: a.example}\n    - {nme: x}\n  commonLabels: {a b: c}\n"
	list, err = lint.Run(lint.Options{Chart: chart(), ChartName: "shop/values.yaml", Files: []lint.File{{Name: "over.yaml", Text: []byte(text)}}})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := (&lint.Report{Findings: list}).WriteText(&out, findings.Plain); err != nil {
		t.Fatal(err)
	}
	want := `over.yaml:3:14: entry "Orders": name: "Orders" is not a valid Service name: write at most 63 lower-case letters, digits and "-", with a letter first and no "-" last
over.yaml:4:7: databases.services[1].name: is missing: write a string, such as mysql-test
over.yaml:4:7: databases.services[1].addresses or externalName: is missing: write the IP addresses outside under addresses, or the DNS name outside as externalName
over.yaml:4:8: databases.services[1].nme: is an unknown key: write name
over.yaml:5:18: databases.commonLabels["a b"]: "a b" is not a valid label key: write at most 63 letters, digits, "-", "_" and ".", with a letter or digit first and last, after a domain and "/" if it has one
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// corpus are the values of all cases, good and bad.
func corpus(t testing.TB) []string {
	t.Helper()
	var texts []string
	for _, c := range validCases(t) {
		texts = append(texts, c.Values)
	}
	for _, c := range testenv.InvalidCases(t) {
		texts = append(texts, c.Values)
	}
	return texts
}

// mutated changes a text of the corpus in one to three places.
func mutated(t testing.TB, random *rand.Rand, texts []string) string {
	t.Helper()
	var vals any
	if err := yaml.Unmarshal([]byte(texts[random.IntN(len(texts))]), &vals); err != nil {
		t.Fatal(err)
	}
	for range 1 + random.IntN(3) {
		vals = mutate(random, vals)
	}
	if _, ok := vals.(map[string]any); !ok {
		vals = map[string]any{"services": vals}
	}
	out, err := yamlv3.Marshal(vals) // that of Helm's own library cannot write control characters
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Random changes of values that are good or bad: whatever they are, helm and lint say
// the same. A failure prints the values; MUTATION_SEED repeats or varies the run.
func TestLintAgreesOnMutations(t *testing.T) {
	texts := corpus(t)
	seed, count := uint64(1), 150
	if text := os.Getenv("MUTATION_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	random := rand.New(rand.NewPCG(seed, 0))
	refused := 0
	for i := range count {
		values := mutated(t, random, texts)
		_, stderr, err := template(t, values)
		list := lintTexts(t, values)
		if (err == nil) != (len(list) == 0) {
			t.Errorf("mutation %d of seed %d: helm says %v, %s\nlint says %v\nof\n%s", i, seed, err, stderr, list, values)
		}
		if err != nil {
			refused++
		}
	}
	t.Logf("helm refused %d of %d", refused, count)
	if refused < count/10 || refused > count*9/10 {
		t.Errorf("helm refused %d of %d: the mutations test one side only", refused, count)
	}
}

// FuzzLintMutations is the same in process, with the library of helm, without end. What
// renders also decodes to objects of the Kubernetes API.
func FuzzLintMutations(f *testing.F) {
	texts := corpus(f)
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		values := mutated(t, rand.New(rand.NewPCG(seed, 1)), texts)
		list := lintTexts(t, values)
		vals, err := helm.Parse([]byte(values))
		if err != nil {
			t.Fatal(err)
		}
		chart, err := helm.Load(testenv.Chart())
		if err != nil {
			t.Fatal(err)
		}
		_, err = helm.Render(chart, helm.Release{}, vals)
		if (err == nil) != (len(list) == 0) {
			t.Errorf("helm says %v\nlint says %v\nof\n%s", err, list, values)
		}
		for _, f := range list {
			if f.Line == 0 || len(f.Fix) == 0 {
				t.Errorf("no position or no fix: %+v\nof\n%s", f, values)
			}
		}
	})
}

// mutate changes one place of values.
func mutate(random *rand.Rand, value any) any {
	junk := []any{nil, true, "", "x", "10.0.0.1", "2001:DB8::1", "::1", "{{ .Release.Name }}", "{{ .Values.x.y.z }}", "{{ oops", "a.example", 0.0, 80.0, 65536.0, 1.5, []any{}, map[string]any{}, []any{"10.0.0.9"}, map[string]any{"a": "b"}, "Both", "both", "cluster", "UDP", "default"}
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 0 || random.IntN(6) == 0 {
			keys := []string{"services", "overrides", "namespaceOverrides", "name", "ports", "port", "addresses", "externalName", "headless", "selector", "enabled", "default", "orders", "labels", "annotations", "targetPort", "namespaces", "zone"}
			v[keys[random.IntN(len(keys))]] = junk[random.IntN(len(junk))]
			return v
		}
		keys := make([]string, 0, len(v))
		for key := range v {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		key := keys[random.IntN(len(keys))]
		switch random.IntN(8) {
		case 0:
			delete(v, key)
		case 1:
			v[key+"s"] = v[key]
		default:
			v[key] = mutate(random, v[key])
		}
		return v
	case []any:
		if len(v) == 0 {
			return append(v, junk[random.IntN(len(junk))])
		}
		i := random.IntN(len(v))
		switch random.IntN(8) {
		case 0:
			return slices.Delete(v, i, i+1)
		case 1:
			return append(v, v[i])
		}
		v[i] = mutate(random, v[i])
		return v
	}
	return junk[random.IntN(len(junk))]
}
