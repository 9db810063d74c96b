package schema

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"

	"external-services/tools/values"
)

// keywords are those that the validators of all supported Helm versions, santhosh-tekuri/jsonschema and
// xeipuuv/gojsonschema, read alike, and two for editors that both ignore.
var keywords = []string{
	"$schema", "title", "description", "default", "examples",
	"type", "enum", "minimum", "maximum", "required", "properties", "additionalProperties", "items", "minItems", "maxItems", "uniqueItems", "$ref",
	"pattern", "maxLength", "patternProperties", "patternErrorMessage", "errorMessage",
}

func TestEveryObjectIsClosedAndDescribed(t *testing.T) {
	text, err := Generate(values.Default())
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	check(t, "", root)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if packed.Len() > 10<<10 {
		t.Errorf("the schema has %d bytes, %d compressed, want at most 10 KB: every release stores it so", len(text), packed.Len())
	}
}

// free are the maps that take anything: those of a parent chart, and those that the chart hands on to a Pod.
var free = []string{".global", ".resolver.tolerations[]", ".resolver.affinity"}

func check(t *testing.T, path string, s map[string]any) {
	t.Helper()
	for _, keyword := range slices.Sorted(maps.Keys(s)) {
		if !slices.Contains(keywords, keyword) {
			t.Errorf("%q has the keyword %s, which not every Helm reads alike", path, keyword)
		}
	}
	if s["$ref"] != nil {
		if len(s) > 1 {
			t.Errorf("%q has keywords beside $ref, which draft-07 ignores", path)
		}
		return
	}
	if s["type"] == nil {
		t.Errorf("%q has no type", path)
	}
	isItem := strings.HasSuffix(path, "{}") || strings.HasSuffix(path, "[]") && s["properties"] == nil
	if s["description"] == nil && !isItem {
		t.Errorf("%q has no description", path)
	}
	if properties, ok := s["properties"].(map[string]any); ok {
		if s["additionalProperties"] != false {
			t.Errorf("%q accepts unknown keys", path)
		}
		for name, property := range properties {
			check(t, path+"."+name, property.(map[string]any))
		}
	} else if more, ok := s["additionalProperties"].(map[string]any); ok {
		check(t, path+"{}", more)
	} else if keys, ok := s["patternProperties"].(map[string]any); ok && s["additionalProperties"] == false {
		for _, more := range keys {
			check(t, path+"{}", more.(map[string]any))
		}
	} else if strings.Contains(fmt.Sprint(s["type"]), "object") && !slices.Contains(free, path) {
		t.Errorf("%q is an object that takes anything", path)
	}
	if items, ok := s["items"].(map[string]any); ok {
		check(t, path+"[]", items)
	}
}

// Code that names a missing field stops the generator.
func TestPropertyPanicsForAFieldThatIsGone(t *testing.T) {
	for name, s := range map[string]*jsonschema.Schema{
		"no properties":    {},
		"no such property": Reflect(values.Default()),
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			property(s, "gone")
		})
	}
}

func TestPropertiesNameEachKeyOnce(t *testing.T) {
	var keys []string
	for _, p := range Properties(values.Default()) {
		keys = append(keys, p.Key)
	}
	for _, key := range []string{"global", "enabled", "endpoints", "endpoints.maxPerSlice", "services", "services[].name", "services[].ports[].targetPort", "services[].addresses[].ip"} {
		if !slices.Contains(keys, key) {
			t.Errorf("%s is missing in %q", key, keys)
		}
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(keys))); len(unique) != len(keys) {
		t.Errorf("%d keys, %d of them different", len(keys), len(unique))
	}
}
