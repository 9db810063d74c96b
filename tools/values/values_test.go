package values_test

import (
	"encoding/json"
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
		`"10.0.0.1"`:                                 {IP: "10.0.0.1"},
		`{"ip":"10.0.0.1","ready":false}`:            {IP: "10.0.0.1", Ready: &no},
		`"db.corp.example"`:                          {Host: "db.corp.example"},
		`"db.corp.example."`:                         {Host: "db.corp.example."},
		`"2001:db8::1"`:                              {IP: "2001:db8::1"},
		`"10.0.0.0/8"`:                               {IP: "10.0.0.0/8"},
		`"{{ .Values.global.db }}"`:                  {IP: "{{ .Values.global.db }}"},
		`{"host":"db.corp.example","hostname":"db"}`: {Host: "db.corp.example", Hostname: "db"},
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
