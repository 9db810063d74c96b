package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"external-services/tools/helm"
	"external-services/tools/schema"
	"external-services/tools/values"
)

func TestEveryKeyOfValuesYAMLHasAComment(t *testing.T) {
	key := regexp.MustCompile(`^ *[A-Za-z]+:`)
	lines := strings.Split(string(valuesYAML(values.Default())), "\n")
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
	for _, p := range schema.Properties(values.Default()) {
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
	for _, p := range schema.Properties(values.Default()) {
		key, inEntry := strings.CutPrefix(p.Key, "services[].")
		name := key[strings.LastIndex(key, ".")+1:]
		if inEntry && !regexp.MustCompile(`(?m)[ -]`+name+`:`).Match(valuesYAML(values.Default())) {
			t.Errorf("values.yaml does not show %s", key)
		}
	}
	uncommented := regexp.MustCompile(`(?m)^# (- |  )`).ReplaceAllString(strings.Replace(string(valuesYAML(values.Default())), "services: []", "services:", 1), "$1")
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	values, err := helm.Parse([]byte(uncommented))
	if err != nil {
		t.Fatalf("%v in\n%s", err, uncommented)
	}
	values["resolver"].(map[string]any)["enabled"] = true // as one of the entries needs it
	result, err := helm.Render(chart, helm.Release{}, values)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Services) != 5 || len(result.EndpointSlices) != 3 || len(result.Routes) != 3 || len(result.Resolvers) == 0 {
		t.Errorf("%d Services, %d EndpointSlices, %d routes and %d objects of the resolver, want 5, 3, 3 and some",
			len(result.Services), len(result.EndpointSlices), len(result.Routes), len(result.Resolvers))
	}
}

// A key that entries.yaml does not show has the place that it has in the Go type.
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

func TestLiteral(t *testing.T) {
	for want, value := range map[string]any{
		"true": true, "5": 5, "text": "text", `""`: "", `"true"`: "true", `"1.30"`: "1.30", "1.37.0": "1.37.0", `'a: b'`: "a: b",
		"{}": map[string]string{}, `{a: "1", b: c}`: map[string]string{"b": "c", "a": "1"}, "[]": []string{}, "[a, b]": []any{"a", "b"},
	} {
		if got := literal(value); got != want {
			t.Errorf("%#v is written as %s, want %s", value, got, want)
		}
	}
}
