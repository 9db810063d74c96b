package resolver

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"external-services/tests/dnsserver"
	"external-services/tests/internal/testenv"
)

// TestManyNames follows many names with TTLs of 5, 30 and 60 seconds, one of which is never answered, and says what
// that costs. Its heap and its goroutines do not grow.
func TestManyNames(t *testing.T) {
	if !*soak {
		t.Parallel()
		manyNames(t, 100, 1, 3)
		return
	}
	// Alone: the API server has no time for others while Helm creates a thousand Services at once.
	t.Run("1000", func(t *testing.T) { manyNames(t, 1_000, 1, 300) }) // half an hour
	t.Run("10000", func(t *testing.T) { manyNames(t, 1_000, 10, 50) })
}

// manyNames follows the names of entries that have some each, until the first was asked for so many times more.
func manyNames(t *testing.T, entries, each, questions int) {
	names := entries * each
	ip := func(n int) string { return fmt.Sprintf("10.%d.%d.%d", 1+n/60_000, 40+n/250%240, 1+n%250) }
	var services strings.Builder
	for n := range entries {
		var hosts []string
		for k := range each {
			number := n*each + k
			host := nameOf(t, fmt.Sprint("n-", number))
			dns.Set(host, dnsserver.A(ip(number)).TTL([]time.Duration{5, 30, 60}[number%3]*time.Second))
			hosts = append(hosts, host)
		}
		fmt.Fprintf(&services, "- {name: n-%d, addresses: [%s], ports: [{port: 80}]}\n", n, strings.Join(hosts, ", "))
	}
	silent := (entries - 2) * each // with a long TTL, if it had one
	dns.Fail(nameOf(t, fmt.Sprint("n-", silent)), dnsserver.Silent)
	i := install(t, "helm", "resolver: {enabled: true}\nservices:\n"+services.String())
	start := time.Now()
	r := i.startReplica(0).waitReady()
	figures := map[string]float64{"seconds": time.Since(start).Seconds()}
	if got := strings.Fields(i.addresses(fmt.Sprintf("n-%d", entries-1))); len(got) != each {
		t.Errorf("%d addresses of the last entry when the resolver is ready, want %d: %q", len(got), each, got)
	}

	waitForQuestions(t, nameOf(t, "n-0"), min(questions, 10)) // its TTL is 5 s
	before, asked := r.processor(), r.metric(`lookups_total{family="IPv4",result="ok"}`)
	start = time.Now()
	figures["heapMiB"], figures["goroutines"] = r.heap(), r.anyMetric("go_goroutines")
	waitForQuestions(t, nameOf(t, "n-0"), questions)
	figures["heapMiBAtTheEnd"], figures["goroutinesAtTheEnd"] = r.heap(), r.anyMetric("go_goroutines")
	took := time.Since(start)
	figures["minutes"] = took.Minutes()
	figures["core"] = (r.processor() - before).Seconds() / took.Seconds()
	figures["answers"] = (r.metric(`lookups_total{family="IPv4",result="ok"}`) - asked) / took.Seconds()
	figures["peakMiB"] = float64(r.peakMemory()) / (1 << 20)
	t.Logf("%d names: %v", names, figures)
	figure("names", names, figures)
	if figures["answers"] == 0 {
		t.Error("no metric counts the good answers")
	}
	if each == 1 && figures["peakMiB"] > 64 {
		t.Errorf("%.0f MiB of memory, want at most 64", figures["peakMiB"])
	}
	if figures["heapMiBAtTheEnd"] > 1.5*figures["heapMiB"] || figures["goroutinesAtTheEnd"] > figures["goroutines"]+20 {
		t.Errorf("heap and goroutines grow: %v", figures)
	}
	dns.Set(nameOf(t, "n-0"), dnsserver.A("10.9.9.9").TTL(ttl))
	testenv.Eventually(t, "n-0 has its other address", func() error {
		if got := i.addresses("n-0"); !strings.Contains(got, ip(0)+"(draining)") || !strings.Contains(got, "10.9.9.9") {
			return fmt.Errorf("it has %q", got)
		}
		return nil
	})
	if got := i.addresses(fmt.Sprintf("n-%d", entries-2)); strings.Contains(got, ip(silent)+" ") || got == ip(silent) {
		t.Errorf("the silent name has %s", got)
	}
}

// heap is the size of what the replica keeps, in MiB. With the resolver's setting, garbage is collected when the heap
// has grown by a quarter of that: https://pkg.go.dev/runtime#MemStats, NextGC.
func (r *replica) heap() float64 {
	r.t.Helper()
	return r.anyMetric("go_memstats_next_gc_bytes") / 1.25 / (1 << 20)
}

// processor is the time of a processor that the replica has used.
func (r *replica) processor() time.Duration {
	r.t.Helper()
	text := r.proc("stat")
	fields := strings.Fields(text[strings.LastIndex(text, ")"):]) // of proc(5), from the third on
	var ticks int
	for _, field := range fields[12:14] {
		n, err := strconv.Atoi(field)
		if err != nil {
			r.t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// peakMemory is the most memory that the replica had, in bytes.
func (r *replica) peakMemory() (kib int) {
	r.t.Helper()
	for line := range strings.Lines(r.proc("status")) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if _, err := fmt.Sscan(text, &kib); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	return kib << 10
}

func (r *replica) proc(file string) string {
	r.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", r.Pid(), file))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}
