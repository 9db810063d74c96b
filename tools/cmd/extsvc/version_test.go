package main

import (
	"encoding/json"
	"strings"
	"testing"

	"external-services/tools/helm"
)

func TestVersion(t *testing.T) {
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	stdout, _, err := run(t, "version", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(stdout))
	decoder.DisallowUnknownFields()
	var v versions
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if v.Chart != chart.Metadata.Version || !strings.HasPrefix(v.Extsvc, v.Chart) || v.Helm == "" || v.Kubernetes == "" {
		t.Errorf("%+v", v)
	}
	stdout, _, err = run(t, "version")
	if err != nil || !strings.Contains(stdout, "chart       "+v.Chart+"\n") {
		t.Errorf("%v\n%s", err, stdout)
	}
}
