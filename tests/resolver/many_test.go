package resolver

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"external-services/tests/dnsserver"
)

// TestManyNames follows many names with TTLs of 5, 30 and 60 seconds, one of which is never answered, and says what
// that costs.
func TestManyNames(t *testing.T) {
	t.Parallel()
	names, questions := 100, 3
	if *soak {
		names, questions = 1000, 50 // in 5 minutes
	}
	var services strings.Builder
	for n := range names {
		name := nameOf(t, fmt.Sprint("n-", n))
		dns.Set(name, dnsserver.A(fmt.Sprintf("10.0.%d.%d", 40+n/250, 1+n%250)).TTL([]time.Duration{5, 30, 60}[n%3]*time.Second))
		fmt.Fprintf(&services, "- {name: n-%d, addresses: [%s], ports: [{port: 80}]}\n", n, name)
	}
	dns.Fail(nameOf(t, "n-1"), dnsserver.Silent)
	i := install(t, "helm", "resolver: {enabled: true}\nservices:\n"+services.String())
	start := time.Now()
	r := i.startReplica(0).waitReady()
	t.Logf("%d names: ready after %v", names, time.Since(start).Round(100*time.Millisecond))
	i.wantAddresses(fmt.Sprintf("n-%d", names-1), fmt.Sprintf("10.0.%d.%d", 40+(names-1)/250, 1+(names-1)%250))

	before, asked := r.processor(), r.metric(`lookups_total{family="IPv4",result="ok"}`)
	start = time.Now()
	waitForQuestions(t, nameOf(t, "n-0"), questions) // its TTL is 5 s
	took := time.Since(start)
	used, asked := r.processor()-before, r.metric(`lookups_total{family="IPv4",result="ok"}`)-asked
	memory := r.peakMemory()
	t.Logf("%d names: %d MiB at most, %.1f %% of a core, %.1f good answers a second", names, memory>>20, 100*used.Seconds()/took.Seconds(), asked/took.Seconds())
	if asked == 0 {
		t.Error("no metric counts the good answers")
	}
	if memory > 64<<20 {
		t.Errorf("%d MiB of memory, want at most 64", memory>>20)
	}
	dns.Set(i.name("n-0"), dnsserver.A("10.0.49.1").TTL(ttl))
	i.wantAddresses("n-0", "10.0.40.1(draining) 10.0.49.1")
	if got := i.addresses("n-1"); got != "" {
		t.Errorf("the silent name has %s", got)
	}
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
