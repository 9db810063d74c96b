package values_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"external-services/charts"
	"external-services/tools/values"
)

func TestChartHasTheDefaults(t *testing.T) {
	text, err := charts.FS.ReadFile(charts.Dir + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got values.Values
	if err := yaml.UnmarshalStrict(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(values.Default(), got); diff != "" {
		t.Errorf("values.yaml differs from values.Default (-Go +values.yaml):\n%s", diff)
	}
	// A key that values.yaml leaves out decodes to the same Go value as one that
	// holds the zero value: compare the keys as well.
	var keys, want map[string]any
	if err := yaml.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	defaults, err := json.Marshal(values.Default())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(defaults, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("values.yaml has other keys than values.Default (-Go +values.yaml):\n%s", diff)
	}
}

func TestAddressForms(t *testing.T) {
	no := false
	for text, want := range map[string]values.Address{
		`"10.0.0.1"`:                      {IP: "10.0.0.1"},
		`{"ip":"10.0.0.1","ready":false}`: {IP: "10.0.0.1", Ready: &no},
	} {
		var got values.Address
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
		if again, err := json.Marshal(got); err != nil || string(again) != text {
			t.Errorf("%s is written as %s, %v", text, again, err)
		}
	}
	var got values.Address
	if err := json.Unmarshal([]byte(`7`), &got); err == nil || !strings.Contains(err.Error(), "an address is a string or a map with the key ip") {
		t.Errorf("7 gives the error %v", err)
	}
}

func TestEveryTypeAndFieldHasAComment(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[values.Values](), reflect.TypeFor[values.Endpoints](), reflect.TypeFor[values.Entry](),
		reflect.TypeFor[values.Patch](), reflect.TypeFor[values.Mapping](), reflect.TypeFor[values.Address](), reflect.TypeFor[values.Port](),
		reflect.TypeFor[values.Pairs](), reflect.TypeFor[values.Tests](), reflect.TypeFor[values.Image](), reflect.TypeFor[values.Resources](),
		reflect.TypeFor[values.LocalReference](),
	} {
		for _, field := range append([]string{""}, fieldNames(typ)...) {
			comment := values.Comment(typ, field)
			if !strings.HasSuffix(comment, ".") || strings.Contains(comment, "\n\n") {
				t.Errorf("%s.%s has the comment %q, want whole sentences", typ.Name(), field, comment)
			}
		}
	}
	if comment := values.Comment(reflect.TypeFor[strings.Builder](), ""); comment != "" {
		t.Errorf("a type of another package has the comment %q", comment)
	}
}

// fieldNames are the fields of a struct itself, without those of embedded ones.
func fieldNames(typ reflect.Type) []string {
	var names []string
	for i := 0; typ.Kind() == reflect.Struct && i < typ.NumField(); i++ {
		if field := typ.Field(i); !field.Anonymous {
			names = append(names, field.Name)
		}
	}
	return names
}
