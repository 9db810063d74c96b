// Package sbom checks what make sbom makes. It runs in make verify, beside the list of
// licences: its generator is as large as helm and nothing else needs it.
package sbom

import (
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"external-services/tests/internal/testenv"
)

// The bill of materials has each module that is compiled into extsvc.
func TestSBOM(t *testing.T) {
	cmd := exec.Command("make", "--silent", "sbom")
	cmd.Dir = testenv.Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make sbom: %v\n%s", err, out)
	}
	var bom struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"components"`
	}
	text, err := os.ReadFile(testenv.Path("dist", "extsvc.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &bom); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(testenv.Path(".bin", "extsvc"))
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, component := range bom.Components {
		got = append(got, component.Name+" "+component.Version)
	}
	for _, module := range info.Deps {
		want = append(want, module.Path+" "+module.Version)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); bom.BOMFormat != "CycloneDX" || len(want) < 50 || diff != "" {
		t.Errorf("%s with (-extsvc +bill of materials):\n%s", bom.BOMFormat, diff)
	}
}
