package bench

import (
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// page writes the results as Markdown.
func (r Results) page() string {
	text, _, _ := r.write()
	return text
}

// write returns the page, what it has a place for and was not measured, and what was
// measured and has no place in it.
func (r Results) write() (text string, missing, unused []string) {
	p := &page{results: r, used: map[string]bool{}}
	p.head()
	p.targets()
	p.template()
	p.lint()
	p.secret()
	p.release()
	p.tools()
	p.traffic()
	p.resolver()
	p.start()
	for name, part := range r {
		for _, row := range part.Rows {
			if key := key(name, row.Series, row.Size); !p.used[key] {
				unused = append(unused, key)
			}
		}
	}
	return p.out.String(), p.missing, unused
}

type page struct {
	results Results
	out     strings.Builder
	used    map[string]bool
	missing []string
}

func key(part, series string, size int) string { return fmt.Sprintf("%s: %s, %d", part, series, size) }

// value is one that was measured, or NaN, which is noted.
func (p *page) value(part, series string, size int, name string) float64 {
	key := key(part, series, size)
	p.used[key] = true
	row, found := p.results[part].row(series, size)
	value, has := row.Values[name]
	if !found || !has {
		p.missing = append(p.missing, key+": "+name)
		return math.NaN()
	}
	return value
}

func (p *page) say(format string, args ...any) { fmt.Fprintf(&p.out, format, args...) }

// row writes a row of a table.
func (p *page) row(cells ...string) { p.say("| %s |\n", strings.Join(cells, " | ")) }

// table writes the head of a table whose first columns are text, and the others numbers.
func (p *page) table(text int, titles ...string) {
	p.say("\n")
	p.row(titles...)
	rule := make([]string, len(titles))
	for i := range rule {
		if rule[i] = "---:"; i < text {
			rule[i] = "---"
		}
	}
	p.row(rule...)
}

// seconds is a time with three digits.
func seconds(s float64) string {
	switch {
	case math.IsNaN(s):
		return "?"
	case s == 0:
		return "0 s"
	case s < 0.001:
		return fmt.Sprintf("%.0f µs", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.3g ms", s*1e3)
	case s < 100:
		return fmt.Sprintf("%.3g s", s)
	}
	return fmt.Sprintf("%.0f s", s)
}

func times(ratio float64) string { return fmt.Sprintf("%.2f", ratio) }

func mebibytes(m float64) string { return fmt.Sprintf("%.0f MiB", m) }

func kilobytes(b float64) string { return fmt.Sprintf("%.1f KB", b/1000) }

// taken is the seconds of a series.
func (p *page) taken(part, series string, size int) string {
	return seconds(p.value(part, series, size, "seconds"))
}

func (p *page) head() {
	p.say("# What it costs\n\nMade by `make bench`, which measures all of this and writes this page: DO NOT EDIT.\n\n")
	p.say("Runs that are compared took turns. The entries are a mix of aliases of DNS names and of addresses of both families, with ports and\n")
	p.say("labels, in %d namespaces. The floor is a chart that prints the very same objects with a bare `range` and checks nothing; the empty chart\n", Namespaces)
	p.say("prints nothing.\n")
	if stamps := p.stamps(); len(stamps) == 1 {
		p.say("\n%s\n", stamps[0])
	}
	p.say("\n![Cost by the number of entries](benchmarks.svg)\n\nBoth axes are logarithmic: what is linear in the entries runs along the thin lines.\n")
}

// stamps are the different dates and machines of the parts.
func (p *page) stamps() []string {
	var stamps []string
	seen := map[string]bool{}
	for _, part := range parts {
		if part.apart && p.results[part.name] == nil {
			continue
		}
		if stamp := p.stamp(part.name); !seen[stamp] {
			seen[stamp] = true
			stamps = append(stamps, stamp)
		}
	}
	return stamps
}

func (p *page) stamp(part string) string {
	if p.results[part] == nil {
		p.missing = append(p.missing, part)
		return ""
	}
	return fmt.Sprintf("Measured on %s: %s.", p.results[part].Date, p.results[part].Machine)
}

// section writes the title of a part, what it is about, and how it was measured.
func (p *page) section(part, title, text string) {
	p.say("\n## %s\n\n%s", title, text)
	if measured := p.results[part]; measured != nil {
		if runs := measured.Rows[0].Rounds; runs > 1 {
			p.say(" Medians of %d runs.", runs)
		} else {
			p.say(" One run.")
		}
	}
	p.say("\n")
	if len(p.stamps()) > 1 {
		p.say("\n%s\n", p.stamp(part))
	}
}

// ratio of a series to the floor.
func (p *page) ratio(part, series string, size int) float64 {
	return p.value(part, series, size, "ratio")
}

// fixed is what the chart adds to each revision, without any entry.
func (p *page) fixed() float64 {
	return p.value("secret", "package", 0, "bytes") - p.value("secret", "empty", 0, "bytes")
}

// templateLines counts the lines of all files under the chart's templates.
func templateLines() float64 {
	lines := 0
	err := filepath.WalkDir(filepath.Join(Chart, "templates"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		lines += bytes.Count(text, []byte("\n"))
		return err
	})
	if err != nil {
		return math.NaN() // not met
	}
	return float64(lines)
}

// perEntry is what an entry adds to a revision, from 100 to the most.
func (p *page) perEntry(chart string) float64 {
	return (p.value("secret", chart, LargestRelease, "bytes") - p.value("secret", chart, 100, "bytes")) / (LargestRelease - 100)
}

func (p *page) targets() {
	p.say("\n## Targets\n")
	p.table(1, "what", "at most", "measured", "")
	var whys []string
	row := func(what string, limit, measured float64, unit func(float64) string, why ...string) {
		met := "met"
		if !(measured <= limit) {
			met = "**not met**"
			whys = append(whys, why...)
		}
		p.row(what, unit(limit), unit(measured), met)
	}
	row("lines of the chart's templates, comments included", 600, templateLines(), func(lines float64) string { return fmt.Sprintf("%.0f", lines) },
		"A third of the lines are the rules, one each with its sentence. Tests hold the other limits of the templates: six defines from an\nentry to its printed slice, four levels of nesting, and no argument by its position.")
	row("`helm template` of 100 entries, by the floor", 1.4, p.ratio("template", "helm template, chart", 100), times,
		"In a short list what is done once weighs more: Helm reads the rules, and compiles the schema with its formats.")
	row("`helm template` of 1,000 entries, by the floor", 1.8, p.ratio("template", "helm template, chart", 1_000), times,
		"Each entry becomes one dict, and a table of rules goes over it: that costs as much as printing it.")
	row("`helm template` of 10,000 entries, by the floor", 2, p.ratio("template", "helm template, chart", 10_000), times)
	row("what the chart adds to the Secret of each revision", 24_000, p.fixed(), kilobytes,
		"The package is the chart as it is in the repository: templates with their comments, a schema with descriptions and formats, the\nREADME. Helm writes each file in base64 before it compresses all, which then gains little.")
	row("what an entry adds to it, by the floor", 1.1, p.perEntry("package")/p.perEntry("floor"), times)
	row("`helm install` of 1,000 entries, by `kubectl apply --server-side`", 1.3, p.ratio("release", "install, helm", 1_000), times)
	if p.results["resolver"] != nil {
		slowest := math.Inf(-1)
		for _, ttl := range FlipTTLs {
			slowest = max(slowest, p.value("resolver", "changes, resolver", ttl, "p99")-float64(ttl))
		}
		row("the resolver follows a change in DNS, 99 of 100, after the TTL", 7, slowest, seconds)
		row("memory of the resolver with 1,000 names", 64, p.value("resolver", "names", 1_000, "peakMiB"), mebibytes)
		row("its part of a core", 0.05, p.value("resolver", "names", 1_000, "core"), func(part float64) string { return fmt.Sprintf("%.1f %%", 100*part) })
	}
	row("`make demo`, when it has run before", 30, p.value("start", "make demo, warm", 0, "seconds"), seconds)
	steepest, series := p.results.steepest()
	row(fmt.Sprintf("steepest growth of all, as a power of the number of entries or addresses (%s)", series), linear, steepest, times)
	for _, why := range whys {
		p.say("\n%s\n", why)
	}
}

func (p *page) template() {
	p.section("template", "helm template", "A user waits for it before anything else, and a pipeline runs it most.")
	p.table(1, "entries", "chart", "floor", "empty chart", "chart by floor", "peak memory, chart", "peak memory, floor")
	row := func(what, series string, size int) {
		value := func(chart, name string) float64 { return p.value("template", series+chart, size, name) }
		p.row(what, seconds(value("chart", "seconds")), seconds(value("floor", "seconds")), seconds(value("empty", "seconds")),
			times(value("chart", "ratio")), mebibytes(value("chart", "peakMiB")), mebibytes(value("floor", "peakMiB")))
	}
	for _, size := range Sizes {
		row(thousands(size), "helm template, ", size)
	}
	for _, size := range OneEntry {
		row(fmt.Sprintf("one with %s addresses", thousands(size)), "helm template, one entry, ", size)
	}
}

func (p *page) lint() {
	p.section("lint", "helm lint and extsvc lint", "`extsvc lint` finds what `helm template` does, and where.")
	p.table(1, "entries", "helm lint, chart", "floor", "empty chart", "chart by floor", "extsvc lint", "by helm template", "peak memory, helm", "peak memory, extsvc")
	for _, size := range Sizes {
		extsvc, template := p.value("lint", "extsvc lint", size, "seconds"), p.value("lint", "helm template, chart", size, "seconds")
		p.row(thousands(size), p.taken("lint", "helm lint, chart", size), p.taken("lint", "helm lint, floor", size), p.taken("lint", "helm lint, empty", size),
			times(p.ratio("lint", "helm lint, chart", size)), seconds(extsvc), times(extsvc/template),
			mebibytes(p.value("lint", "helm lint, chart", size, "peakMiB")), mebibytes(p.value("lint", "extsvc lint", size, "peakMiB")))
	}
}

func (p *page) secret() {
	p.section("secret", "The Secret of a release", "Helm stores the chart, the values and the objects of each revision in a Secret, compressed, and the API server takes 1 MiB.\n"+
		"These are the bytes of its `data.release`, as the API server stores them. The package is what\n`make package` makes, the chart its folder: the same files.")
	p.table(1, "entries", "package", "chart", "floor", "empty chart")
	p.row("none", kilobytes(p.value("secret", "package", 0, "bytes")), kilobytes(p.value("secret", "chart", 0, "bytes")), "", kilobytes(p.value("secret", "empty", 0, "bytes")))
	for _, size := range Sizes {
		if size > LargestRelease {
			continue
		}
		cells := []string{thousands(size)}
		for _, chart := range []string{"package", "chart", "floor", "empty"} {
			cells = append(cells, kilobytes(p.value("secret", chart, size, "bytes")))
		}
		p.row(cells...)
	}
	const room = 1 << 20
	p.say("\nThe packaged chart is %s of each revision, and an entry adds %.0f bytes, which by the floor are %.0f. There is room for about %s entries.\n",
		kilobytes(p.fixed()), p.perEntry("package"), p.perEntry("floor"), thousands(int((room-p.value("secret", "package", 0, "bytes"))/p.perEntry("package"))/100*100))
}

func (p *page) release() {
	p.section("release", "The life of a release", "Helm next to `kubectl apply --server-side` (and `kubectl delete`) of the same objects, to one API server, without a node. Both have a limit of\n"+
		"requests for each client, and make a client for each object, which has fewer requests than its limit lets through at once: neither waits.\n"+
		"The last column has `--qps 1000 --burst-limit 2000`; kubectl has no such flags. kubectl sends one request after the other, and helm creates\nmany objects at a time.")
	p.table(2, "entries", "step", "kubectl", "helm", "by kubectl", "helm, raised limits", "by kubectl")
	for _, size := range Sizes {
		if size < 100 || size > LargestRelease {
			continue
		}
		for _, step := range []string{"install", "upgrade without a change", "upgrade of one entry", "uninstall"} {
			cells := []string{thousands(size), step, seconds(p.value("release", step+", kubectl", size, "seconds"))}
			for _, way := range []string{"helm", "helm, raised limits"} {
				cells = append(cells, p.taken("release", step+", "+way, size), times(p.ratio("release", step+", "+way, size)))
			}
			p.row(cells...)
		}
	}
}

func (p *page) tools() {
	p.section("tools", "extsvc", "`check` reads a cluster without resolving names; `plan` of a release finds one change.")
	p.table(1, "entries", "plan, of two files", "plan, of a release", "import, of manifests", "import, of a cluster", "check", "peak memory, check")
	for _, size := range Sizes {
		p.row(thousands(size), p.taken("tools", "extsvc plan, of two files", size), p.taken("tools", "extsvc plan, of a release", size),
			p.taken("tools", "extsvc import, of manifests", size), p.taken("tools", "extsvc import, of a cluster", size),
			p.taken("tools", "extsvc check", size), mebibytes(p.value("tools", "extsvc check", size, "peakMiB")))
	}
}

func (p *page) traffic() {
	p.section("traffic", "Connections", "How long after helm's return the last connection began that went elsewhere, and the new side was reached, while a client opens a connection\n"+
		"each millisecond.")
	p.table(1, "change of the backend", "median", "slowest", "connections", "failed")
	for _, series := range []string{"external to both", "both to cluster", "cluster to both", "both to external"} {
		value := func(name string) float64 { return p.value("traffic", series, 0, name) }
		p.row(series, seconds(value("seconds")), seconds(value("slowest")), thousands(int(value("connections"))), thousands(int(value("failed"))))
	}
	p.say("\nThe time of a connection, from the question to the DNS, if there is one, to the first line of the server.\n")
	p.table(1, "connection to", "median", "99 of 100", "connections")
	for _, series := range []string{"the address outside", "the ClusterIP", "the name, by DNS each time"} {
		value := func(name string) float64 { return p.value("traffic", series, 0, name) }
		p.row(series, seconds(value("seconds")), seconds(value("p99")), thousands(int(value("connections"))))
	}
}

// resolver has no section until make soak has run.
func (p *page) resolver() {
	if p.results["resolver"] == nil {
		return
	}
	p.section("resolver", "The resolver", "Made by `make soak`, under new connections all the time: 50 a second, and 17 to each entry where DNS fails. How long after a change of the\n"+
		"address in DNS the first connection went there, and next to it that of a client of an alias, which asks the cluster's DNS each time.")
	p.table(1, "TTL", "changes", "resolver, median", "99 of 100", "longest", "alias, median", "99 of 100", "longest")
	for _, ttl := range FlipTTLs {
		cells := []string{fmt.Sprintf("%d s", ttl), thousands(int(p.value("resolver", "changes, resolver", ttl, "count")))}
		for _, way := range []string{"resolver", "alias"} {
			for _, name := range []string{"median", "p99", "longest"} {
				cells = append(cells, seconds(p.value("resolver", "changes, "+way, ttl, name)))
			}
		}
		p.row(cells...)
	}
	p.say("\nNew connections, and open ones with traffic.\n")
	p.table(1, "while", "minutes", "connections", "failed", "open connections", "cut")
	for _, c := range ResolverTrials {
		value := func(name string) float64 { return p.value("resolver", c.Series, 0, name) }
		cells := []string{c.What, fmt.Sprintf("%.1f", value("minutes")), thousands(int(value("connections"))), thousands(int(value("failed"))), "", ""}
		if c.Open {
			cells[4], cells[5] = thousands(int(value("open"))), thousands(int(value("cut")))
		}
		p.row(cells...)
	}
	rate := func(name string) float64 {
		return p.value("resolver", "rotation", 0, name) / p.value("resolver", "rotation", 0, "minutes")
	}
	p.say("\nWith the answers that rotate, the resolver wrote %.1f times a minute, and kube-proxy its rules %.1f times.\n", rate("writes"), rate("syncs"))
	p.say("\nNames with TTLs of 5, 30 and 60 seconds, one of which is never answered.\n")
	p.table(1, "names", "ready after", "peak memory", "of a core", "answers a second", "heap, after a minute and at the end", "goroutines")
	for _, size := range ResolverSizes {
		value := func(name string) float64 { return p.value("resolver", "names", size, name) }
		p.row(thousands(size), seconds(value("seconds")), mebibytes(value("peakMiB")), fmt.Sprintf("%.1f %%", 100*value("core")), fmt.Sprintf("%.0f", value("answers")),
			fmt.Sprintf("%.1f and %.1f MiB in %.0f minutes", value("heapMiB"), value("heapMiBAtTheEnd"), value("minutes")), fmt.Sprintf("%.0f and %.0f", value("goroutines"), value("goroutinesAtTheEnd")))
	}
}

func (p *page) start() {
	p.section("start", "Starting a cluster", "The programs are built. Cold, the cluster has no state; warm, it is up; `make demo` takes it up and down. The images of\nkind's cluster are built, which [make test-kind](../../../ci/kind/README.md) runs on.")
	p.table(1, "what", "time")
	for _, step := range startSeries() {
		p.row(step, p.taken("start", step, 0))
	}
}

// linear is how steep the costs of a linear program may be between the two largest
// numbers of entries, or of addresses, as a power of the number: those of the machine,
// such as memory that is new to it, are not linear.
const linear = 1.1

// steepest is the steepest growth of what the chart and the tools cost between the two
// largest sizes of a series. Work is the time of the processors: waiting is of others.
func (r Results) steepest() (power float64, series string) {
	for _, part := range parts {
		if r[part.name] == nil {
			continue
		}
		for _, row := range r[part.name].Rows {
			if strings.HasSuffix(row.Series, "floor") || strings.HasSuffix(row.Series, "empty") || strings.HasSuffix(row.Series, "kubectl") {
				continue
			}
			larger, found := r[part.name].row(row.Series, row.Size*10)
			if _, more := r[part.name].row(row.Series, row.Size*100); !found || more {
				continue
			}
			for _, name := range []string{"processor", "peakMiB", "bytes"} {
				if was := row.Values[name]; was > 0 {
					if growth := math.Log10(larger.Values[name] / was); growth > power {
						power, series = growth, fmt.Sprintf("%s of %s, from %s to %s", map[string]string{"processor": "work", "peakMiB": "memory", "bytes": "size"}[name],
							row.Series, thousands(row.Size), thousands(larger.Size))
					}
				}
			}
		}
	}
	return power, series
}
