package bench

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The page and the plot show what was measured, all of it and nothing else. They are out of
// date when what is measured has changed since.
func TestPage(t *testing.T) {
	results, err := ReadResults()
	if err != nil {
		t.Fatal(err)
	}
	page, missing, unused := results.write()
	if len(missing) > 0 || len(unused) > 0 {
		t.Errorf("not measured: %q\nmeasured and not shown: %q\nrun make bench", missing, unused)
	}
	for path, want := range map[string]string{pageFile: page, plotFile: results.plot()} {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is not what make bench writes for its results (-want +got):\n%s", path, diff)
		}
	}
}

// Nothing costs more than in proportion to the entries, and to the addresses of one.
func TestLinear(t *testing.T) {
	results, err := ReadResults()
	if err != nil {
		t.Fatal(err)
	}
	power, series := results.steepest()
	if power == 0 || power > linear {
		t.Errorf("%s grows by the power %.2f of the entries, want %.2f at most", series, power, linear)
	}
}

// What finds the faults takes less time than helm, which only says that there are some.
func TestLintIsFasterThanHelm(t *testing.T) {
	results, err := ReadResults()
	if err != nil {
		t.Fatal(err)
	}
	lint, found := results["lint"].row("extsvc lint", 10_000)
	template, also := results["lint"].row("helm template, chart", 10_000)
	if !found || !also || lint.Values["processor"] >= template.Values["processor"] {
		t.Errorf("extsvc lint takes %.2f s of the processors for 10,000 entries, and helm template %.2f s", lint.Values["processor"], template.Values["processor"])
	}
}
