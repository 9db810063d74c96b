package bench

import (
	"os"
	"strings"
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

// The section of the resolver shows all that make soak measures.
func TestResolverSection(t *testing.T) {
	results, err := ReadResults()
	if err != nil {
		t.Fatal(err)
	}
	part := &Part{Date: "2026-01-02"}
	add := func(series string, size int, names ...string) {
		row := Row{Series: series, Size: size, Rounds: 1, Values: map[string]float64{}}
		for i, name := range names {
			row.Values[name] = float64(i + 1)
		}
		part.Rows = append(part.Rows, row)
	}
	for _, ttl := range FlipTTLs {
		add("changes, resolver", ttl, "count", "median", "p99", "longest")
		add("changes, alias", ttl, "count", "median", "p99", "longest")
	}
	for _, c := range ResolverTrials {
		add(c.Series, 0, "minutes", "connections", "failed", "open", "cut", "writes", "syncs")
	}
	for _, size := range ResolverSizes {
		add("names", size, "seconds", "peakMiB", "core", "answers", "minutes", "heapMiB", "heapMiBAtTheEnd", "goroutines", "goroutinesAtTheEnd")
	}
	results["resolver"] = part
	page, missing, unused := results.write()
	if len(missing) > 0 || len(unused) > 0 {
		t.Errorf("not measured: %q\nmeasured and not shown: %q", missing, unused)
	}
	for _, line := range []string{
		"| 5 s | 1 | 2 s | 3 s | 4 s | 2 s | 3 s | 4 s |",
		"| the address changes in DNS, 50 times | 1.0 | 2 | 3 | 4 | 5 |",
		"| the API server is away for a minute | 1.0 | 2 | 3 |  |  |",
		"| 1,000 | 1 s | 2 MiB | 300.0 % | 4 | 6.0 and 7.0 MiB in 5 minutes | 8 and 9 |",
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("no line %q", line)
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
