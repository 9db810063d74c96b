// Package parity holds the chart's validation against real API servers: what the
// chart accepts they take, and what it refuses they refuse as well, or the rule is in the
// list of those that are stricter on purpose.
package parity

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/testenv"
)

var (
	count       = flag.Int("values", 1_500, "how many random values TestParity sends")
	seed        = flag.Int("seed", 1, "where the random values begin")
	only        = flag.String("class", "", "send values of the classes that match this regular expression only")
	clusterName = flag.String("cluster", "parity", "what the names of the embedded clusters begin with, for two runs at once")
	whole       = flag.Bool("table", false, "print what became of the values of each class")
)

// servers are the API servers that are asked, with their clusters. They are started by the
// first test that needs them.
var (
	servers  []*apiServer
	clusters startedLater
	starting sync.Once
)

// startedLater are the clusters as testenv.Main stops them.
type startedLater struct {
	sync.Mutex
	list []*testenv.Embedded
}

// Stop stops those that have been started.
func (s *startedLater) Stop(ctx context.Context) error {
	s.Lock()
	defer s.Unlock()
	var err error
	for _, cluster := range s.list {
		err = errors.Join(err, cluster.Stop(ctx))
	}
	return err
}

// NotProven says nothing: the clusters have no data plane on purpose.
func (s *startedLater) NotProven() string { return "" }

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)                        // Helm tells of values that it skips
	rest.SetDefaultWarningHandler(rest.NoWarnings{}) // of what is deprecated
	debug.SetGCPercent(400)                          // there is memory, and time is short
	testenv.Main(m, func(context.Context) ([]testenv.Started, error) {
		return []testenv.Started{&clusters}, nil
	})
}

func startServers(t *testing.T) {
	starting.Do(func() {
		for _, variable := range []string{"KUBERNETES_VERSION", "KUBERNETES_OLDEST_VERSION"} {
			version, err := testenv.Version(variable)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
			cluster, server, err := startAPIServer(context.Background(), *clusterName+parts[0]+parts[1], os.Stderr, testenv.Kubernetes(version))
			if err != nil {
				t.Fatal(err)
			}
			clusters.Lock()
			clusters.list = append(clusters.list, cluster)
			clusters.Unlock()
			servers = append(servers, server)
		}
	})
	if len(servers) == 0 {
		t.Fatal("the API servers did not start")
	}
}

// draw draws a document of a class: valid values, one fault, and one of the ways to write
// them.
func draw(c class) *rapid.Generator[document] {
	return rapid.Custom(func(t *rapid.T) document {
		shapes := c.shapes
		if c.put == nil {
			shapes = everyShape
		}
		v, at := plainValues(t, shapes, c.put == nil)
		d := decoded(v)
		if c.put == nil {
			d.plain = v
		} else {
			c.put(t, &d, d.Values["services"].([]any)[at].(entry))
		}
		spread(t, &d)
		return d
	})
}

// disagreement is what the chart and an API server do not agree on, or the chart and
// what its values are known to be.
type disagreement struct {
	what   string // the same for what is the same
	detail string
}

// verdict is what became of a document.
type verdict struct {
	refused *refusal
	objects []object

	// by API server: why it refuses the objects, those that would be rendered without the
	// chart's rules; empty where it takes them
	answers map[string]string

	// there are no objects to ask for, also without the rules
	nothing bool

	rules []string // the rules that explain why the chart is stricter
	found []disagreement
}

// judge renders a document, and asks the API servers; thorough has it look closer, and apply
// the objects as well as create them. An error is that one of the servers could not be
// asked.
func judge(ctx context.Context, charts charts, c class, d document, thorough bool) (verdict, error) {
	v := verdict{answers: map[string]string{}}
	if thorough {
		if what := closer(charts, d); what != "" {
			v.found = append(v.found, disagreement{"the chart overlooks what it sees looking closely", what})
		}
	}
	rendered, err := documents(charts.chart, d)
	if err != nil {
		refused := read(err)
		v.refused = &refused
		v.expectRefusal(c)
		rendered, err = documents(charts.lenient, d)
	} else if c.says != "" {
		v.found = append(v.found, disagreement{"the chart accepts", fmt.Sprintf("the chart accepts %q, want a refusal that says %q", c.name, c.says)})
	}
	if err == nil {
		v.objects, err = objects(rendered)
	}
	if err != nil {
		v.nothing = true
		if v.refused == nil {
			v.found = append(v.found, disagreement{"the chart renders no objects", err.Error()})
		}
		return v, nil
	}
	if err := v.ask(ctx, thorough); err != nil {
		return v, err
	}
	v.compare(charts, d)
	if d.plain != nil && v.refused == nil {
		for _, what := range invariants(d, v.objects) {
			v.found = append(v.found, disagreement{"an invariant does not hold", what})
		}
	}
	return v, nil
}

// expectRefusal looks at what the chart says when it refuses.
func (v *verdict) expectRefusal(c class) {
	said := strings.Join(v.refused.messages, "\n")
	switch {
	case c.put == nil:
		v.found = append(v.found, disagreement{"the chart refuses valid values", said})
	case c.says != "" && !strings.Contains(said, c.says):
		v.found = append(v.found, disagreement{"the chart refuses with other words", fmt.Sprintf("%s\nwant: %s", said, c.says)})
	case v.refused.unclear && !ownTemplate.MatchString(said):
		v.found = append(v.found, disagreement{"the chart refuses without a message of its own", said})
	}
}

// ownTemplate is what Helm says of a template that stands in the values. Then there is
// nothing that the API server could be asked about.
var ownTemplate = regexp.MustCompile(`error calling tpl`)

// ask sends the objects. All servers are asked at once.
func (v *verdict) ask(ctx context.Context, apply bool) error {
	errs := make([]error, len(servers))
	answers := make([]string, len(servers))
	var wg sync.WaitGroup
	for i, server := range servers {
		wg.Go(func() {
			how := []sending{creating}
			if apply || v.refused != nil {
				how = append(how, applying)
			}
			for _, how := range how {
				for _, o := range v.objects {
					answers[i], errs[i] = server.take(ctx, o, how)
					if answers[i] != "" || errs[i] != nil {
						return
					}
				}
			}
		})
	}
	wg.Wait()
	for i, server := range servers {
		if errs[i] != nil {
			return errs[i]
		}
		v.answers[server.version] = answers[i]
	}
	return nil
}

// leftToTheServer is what the API server refuses and the chart does not: a request of the test Pod over
// its limit, which would take a calculation with quantities.
var leftToTheServer = regexp.MustCompile(`^Pod "(?s:.*)" is invalid: .*must be less than or equal to [a-z-]+ limit`)

// compare holds the answers of the API servers against that of the chart.
func (v *verdict) compare(charts charts, d document) {
	for _, server := range servers {
		answer := v.answers[server.version]
		switch {
		case v.refused == nil && leftToTheServer.MatchString(answer):
		case v.refused == nil && answer != "":
			v.found = append(v.found, disagreement{"the chart accepts and Kubernetes refuses", server.version + ": " + answer})
		case v.refused != nil && answer == "" && !v.refused.unclear:
			for _, message := range v.refused.messages {
				name := v.explain(charts, d, message)
				if name == "" {
					v.found = append(v.found, disagreement{"the chart refuses and Kubernetes accepts", server.version + " accepts: " + message})
				} else if !slices.Contains(v.rules, name) {
					v.rules = append(v.rules, name)
				}
			}
		}
	}
}

// explain returns the rule that a message is of, or nothing.
func (v *verdict) explain(charts charts, d document, message string) string {
	for _, rule := range stricter {
		if rule.says.MatchString(message) && (rule.when == nil || rule.when(charts, d, v.objects, message)) {
			return rule.what
		}
	}
	return ""
}

// tally counts what became of the values of a class.
type tally struct {
	values, refused, nothing int
	answers                  map[string]int
	rules                    map[string]int
}

func (t *tally) add(v verdict) {
	t.values++
	if v.refused != nil {
		t.refused++
	}
	if v.nothing {
		t.nothing++
	}
	for version, answer := range v.answers {
		if answer != "" {
			t.answers[version]++
		}
	}
	for _, rule := range v.rules {
		t.rules[rule]++
	}
}

// chosen are the classes to draw values of: every second value is valid.
func chosen(t *testing.T) []class {
	expression, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	var list []class
	for _, c := range classes {
		if expression.MatchString(c.name) {
			list = append(list, c)
		}
	}
	if expression.MatchString(plain) {
		for range max(1, len(list)) {
			list = append(list, class{name: plain})
		}
	}
	if len(list) == 0 {
		t.Fatalf("no class matches %q", *only)
	}
	return list
}

// Random values of each class in turn, every second one valid, go through the chart and to
// the API servers. The number of a value, counted from the seed, is all that it is made of:
// -seed with the number of one and -class with its class make it again.
func TestParity(t *testing.T) {
	startServers(t)
	ctx := t.Context()
	list := chosen(t)
	t.Logf("%d values of %d classes, from the seed %d", *count, len(names(list)), *seed)

	tallies := map[string]*tally{}
	for name := range names(list) {
		tallies[name] = &tally{answers: map[string]int{}, rules: map[string]int{}}
	}
	type failure struct {
		class class
		seed  int
		what  string
	}
	var (
		mutex       sync.Mutex
		failures    []failure
		next, done  atomic.Int64 // values
		sent, found atomic.Int64 // objects, disagreements
		wg          sync.WaitGroup
	)
	start := time.Now()
	ticker := time.NewTicker(10 * time.Second)
	defer ticker.Stop()
	finished := make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				fmt.Printf("parity: %d of %d values, %d disagreements, %.0f s\n", done.Load(), *count, found.Load(), time.Since(start).Seconds())
			case <-finished:
				return
			}
		}
	}()
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			charts, err := loadCharts()
			if err != nil {
				t.Error(err)
				return
			}
			for {
				i := int(next.Add(1)) - 1
				if i >= *count || found.Load() >= 100 || ctx.Err() != nil {
					return
				}
				c := list[i%len(list)]
				document := draw(c).Example(*seed + i)
				v, err := judge(ctx, charts, c, document, (i/len(list))%4 == 0)
				if err != nil {
					t.Errorf("class %q, seed %d: %v", c.name, *seed+i, err)
					return
				}
				sent.Add(int64(len(v.objects)))
				mutex.Lock()
				tallies[c.name].add(v)
				for _, disagreed := range v.found {
					if !slices.ContainsFunc(failures, func(f failure) bool { return f.class.name == c.name && f.what == disagreed.what }) {
						failures = append(failures, failure{c, *seed + i, disagreed.what})
						found.Add(1)
						fmt.Printf("parity: class %q, seed %d: %s: %.600s\n", c.name, *seed+i, disagreed.what, disagreed.detail)
					}
				}
				mutex.Unlock()
				done.Add(1)
			}
		})
	}
	wg.Wait()
	close(finished)
	report(tallies, *whole || len(failures) > 0, time.Since(start), sent.Load())
	if *count >= 50_000 && *only == "" {
		for _, rule := range stricter {
			if !slices.ContainsFunc(slices.Collect(maps.Values(tallies)), func(c *tally) bool { return c.rules[rule.what] > 0 }) {
				t.Errorf("no value shows that the chart is stricter by the rule %q: take it out of the list", rule.what)
			}
		}
	}
	for i, f := range failures {
		if i == 5 {
			t.Errorf("and %d more disagreements", len(failures)-i)
			break
		}
		t.Run(strings.ReplaceAll(f.class.name, " ", "_"), func(t *testing.T) { shrink(t, f.class, f.seed, f.what) })
	}
}

func names(list []class) map[string]bool {
	result := map[string]bool{}
	for _, c := range list {
		result[c.name] = true
	}
	return result
}

// shrink makes the values of a disagreement small, and keeps them for TestKept.
func shrink(t *testing.T, c class, seed int, what string) {
	charts, err := loadCharts()
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"rapid.seed": fmt.Sprint(seed), "rapid.checks": "1", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	var smallest *document
	var detail string
	defer func() {
		if smallest == nil {
			t.Errorf("class %q, seed %d: %q does not show a second time", c.name, seed, what)
			return
		}
		path, text, err := keep(c, *smallest, what)
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("class %q, seed %d: %s\n%s\nkept in %s:\n%.2000s", c.name, seed, what, detail, path, text)
	}()
	generator := draw(c)
	rapid.Check(t, func(rt *rapid.T) {
		d := generator.Draw(rt, "values")
		v, err := judge(context.Background(), charts, c, d, true)
		if err != nil {
			t.Log(err)
			return
		}
		for _, found := range v.found {
			if found.what == what {
				smallest, detail = &d, found.detail
				rt.Fatal(what)
			}
		}
	})
}

// kept is a document that was a disagreement once.
type kept struct {
	Class     string         `json:"class"`
	What      string         `json:"what"`
	Namespace string         `json:"namespace"`
	Values    map[string]any `json:"values"`
}

func keep(c class, d document, what string) (path, text string, err error) {
	data, err := yaml.Marshal(kept{Class: c.name, What: what, Namespace: d.Release.Namespace, Values: d.Values})
	if err != nil {
		return "", "", err
	}
	slug := regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(c.name, "-")
	path = filepath.Join("testdata", "kept", fmt.Sprintf("%s-%x.yaml", slug, sha256.Sum256(data))[:len(slug)+9]+".yaml")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", "", err
	}
	return path, string(data), os.WriteFile(path, data, 0o644)
}

// report prints what became of the values: of each class where that is asked for, of each
// rule by which the chart is stricter, and of all.
func report(tallies map[string]*tally, classes bool, took time.Duration, objects int64) {
	var versions []string
	for _, server := range servers {
		versions = append(versions, server.version)
	}
	total := &tally{answers: map[string]int{}, rules: map[string]int{}}
	for _, c := range tallies {
		total.values, total.refused, total.nothing = total.values+c.values, total.refused+c.refused, total.nothing+c.nothing
		for _, version := range versions {
			total.answers[version] += c.answers[version]
		}
		for rule, count := range c.rules {
			total.rules[rule] += count
		}
	}
	row := func(name string, c *tally) {
		fmt.Printf("%-60s %7d %7d", name, c.values, c.refused)
		for _, version := range versions {
			fmt.Printf(" %7d", c.answers[version])
		}
		fmt.Printf(" %8d", c.nothing)
	}
	if classes {
		fmt.Printf("\n%-60s %7s %7s", "CLASS", "VALUES", "CHART")
		for _, version := range versions {
			fmt.Printf(" %7s", version)
		}
		fmt.Printf(" %8s  STRICTER THAN KUBERNETES\n", "UNSENT")
		for _, name := range slices.Sorted(maps.Keys(tallies)) {
			row(name, tallies[name])
			var rules []string
			for _, rule := range slices.Sorted(maps.Keys(tallies[name].rules)) {
				rules = append(rules, fmt.Sprintf("%s (%d)", rule, tallies[name].rules[rule]))
			}
			fmt.Printf("  %s\n", strings.Join(rules, "; "))
		}
		row("all", total)
		fmt.Printf("\nCHART and the versions of Kubernetes: how many values each refuses. UNSENT: without its rules the chart renders nothing to send.\n\n")
		fmt.Printf("%-7s  STRICTER THAN KUBERNETES\n", "VALUES")
		for _, rule := range stricter {
			fmt.Printf("%7d  %s\n", total.rules[rule.what], rule.what)
		}
		fmt.Println()
	}
	fmt.Printf("parity: %d values of %d classes; the chart refuses %d", total.values, len(tallies), total.refused)
	for _, version := range versions {
		fmt.Printf(", Kubernetes %s refuses %d", version, total.answers[version])
	}
	fmt.Printf("; %d objects sent to each; %.0f s, %.1f ms a value\n", objects, took.Seconds(), float64(took.Milliseconds())/float64(max(1, total.values)))
}

// Values that were a disagreement once are none.
func TestKept(t *testing.T) {
	startServers(t)
	files, err := filepath.Glob(filepath.Join("testdata", "kept", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	charts, err := loadCharts()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var k kept
			if err := yaml.UnmarshalStrict(text, &k); err != nil {
				t.Fatal(err)
			}
			c := class{name: plain}
			if i := slices.IndexFunc(classes, func(c class) bool { return c.name == k.Class }); i >= 0 {
				c = classes[i]
			} else if k.Class != plain {
				t.Fatalf("no class %q", k.Class)
			}
			d := document{Values: k.Values}
			d.Release.Name, d.Release.Namespace = "outside", k.Namespace
			v, err := judge(t.Context(), charts, c, d, true)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range v.found {
				t.Errorf("%s: %s", found.what, found.detail)
			}
		})
	}
}

// copyOf is a copy of decoded JSON.
func copyOf[T any](value T) T {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // it was decoded
	}
	var result T
	if err := json.Unmarshal(text, &result); err != nil {
		panic(err)
	}
	return result
}
