// Package sbom checks what make dist and make image make. It runs in make verify: the generator of bills of materials
// is as large as helm, and the programs of a release are compiled with settings of their own.
package sbom

import (
	"debug/buildinfo"
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// compareBOM compares a bill of materials with the modules that are compiled into a program, and more components.
func compareBOM(t *testing.T, path, program string, more ...string) {
	t.Helper()
	var bom struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"components"`
	}
	if err := json.Unmarshal(read(t, path), &bom); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	got, want := []string{}, slices.Clone(more)
	for _, component := range bom.Components {
		got = append(got, component.Name+" "+component.Version)
	}
	for _, module := range info.Deps {
		want = append(want, module.Path+" "+module.Version)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); bom.BOMFormat != "CycloneDX" || len(want) < 20 || diff != "" {
		t.Errorf("%s with (-program +bill of materials):\n%s", bom.BOMFormat, diff)
	}
}
