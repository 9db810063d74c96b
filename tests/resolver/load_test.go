package resolver

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"external-services/tests/dnsserver"
	"external-services/tests/internal/testenv"
	"external-services/tests/internal/traffic"
)

// TestFlips lets a name change its address again and again, under new connections and ones that last: none fails,
// and none is cut. Beside it a client of an alias resolves the same name for each connection.
func TestFlips(t *testing.T) {
	t.Parallel()
	ttls := slices.Repeat([]time.Duration{5 * time.Second}, 3)
	longLived := 20
	if *soak {
		ttls = slices.Concat(slices.Repeat(ttls[:1], 40), slices.Repeat([]time.Duration{30 * time.Second}, 6), slices.Repeat([]time.Duration{time.Minute}, 4))
		longLived = 200
	}
	ips := []string{"10.0.20.1", "10.0.20.2"}
	outside(t, 7001, ips...)
	set := func(ip string, ttl time.Duration) { dns.Set(nameOf(t, "db"), dnsserver.A(ip).TTL(ttl)) }
	set(ips[0], ttls[0])
	i := install(t, "helm", entry(nameOf(t, "db"), "resolve: {drainSeconds: 60}")+"- {name: alias, externalName: "+nameOf(t, "db")+"}\n")
	i.startReplica(0).waitReady()
	i.wantServer("db:7000", hostOf(ips[0]))
	load := i.load("load", traffic.Options{Address: "db:7000", LongLived: longLived, LongLivedInterval: time.Second})
	alias := i.load("alias", traffic.Options{Address: "alias:7001"})
	if err := load.WaitFor(100); err != nil {
		t.Fatal(err)
	}
	var marks []traffic.Mark
	for n, ttl := range ttls {
		ip := ips[(n+1)%2]
		set(ip, ttl)
		marks = append(marks, load.Mark(fmt.Sprintf("flip %d", n+1)))
		if err := load.Settle(100, 3*time.Minute, hostOf(ip)); err != nil {
			t.Fatal(err)
		}
		if *soak {
			waitForQuestions(t, nameOf(t, "db"), 1) // so that CoreDNS keeps each answer for its TTL
		}
	}
	report := stop(t, load)
	if err := report.Stayed(traffic.LongLived, report.Marks[0], longLived); err != nil {
		t.Error(err)
	}
	other := stop(t, alias)
	for _, ttl := range slices.Compact(slices.Clone(ttls)) {
		for name, r := range map[string]*traffic.Report{"resolver": report, "alias": other} {
			list := delays(r, marks, ttls, ttl, ips)
			if len(list) == 0 {
				t.Fatalf("no connection of %s went to the new address, with the TTL %v", name, ttl)
			}
			at := func(percent int) float64 { return list[(len(list)*percent+99)/100-1].Seconds() }
			values := map[string]float64{"count": float64(len(list)), "median": at(50), "p99": at(99), "longest": at(100)}
			t.Logf("TTL %v, %s: from the change in DNS to the first connection there: %v s", ttl, name, values)
			figure("changes, "+name, int(ttl.Seconds()), values)
		}
	}
	open := map[string]float64{"open": 0, "cut": 0}
	for _, c := range report.Connections(traffic.LongLived) {
		open["open"]++
		if c.Events[len(c.Events)-1].Failed() {
			open["cut"]++
		}
	}
	figureOf("changes", open, report)
}

// delays are those of the flips with a TTL, in order.
func delays(r *traffic.Report, marks []traffic.Mark, ttls []time.Duration, of time.Duration, ips []string) (list []time.Duration) {
	for n, mark := range marks {
		server := hostOf(ips[(n+1)%2])
		first := slices.IndexFunc(r.Events, func(e traffic.Event) bool {
			return e.Kind == traffic.New && !e.Start.Before(mark.Time) && e.Server == server
		})
		if ttls[n] == of && first >= 0 {
			list = append(list, r.Events[first].Start.Sub(mark.Time).Round(10*time.Millisecond))
		}
	}
	slices.Sort(list)
	return list
}

// waitForQuestions waits until the DNS server was asked for the IPv4 addresses of a name so many times more.
func waitForQuestions(t *testing.T, name string, count int) {
	t.Helper()
	before := dns.Questions(name, miekg.TypeA)
	for wanted := range count {
		testenv.Eventually(t, name+" is asked for again", func() error {
			if n := dns.Questions(name, miekg.TypeA) - before; n <= wanted {
				return fmt.Errorf("%d of %d questions", n, count)
			}
			return nil
		})
	}
}

// waitForConnections waits until each load has made so many connections more.
func waitForConnections(t *testing.T, loads map[string]*traffic.Load, count int) {
	t.Helper()
	var wg sync.WaitGroup
	for name, load := range loads {
		wg.Go(func() {
			if err := load.WaitFor(count); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wg.Wait()
}

// TestRotation lets a name answer with 8 of 64 addresses, others each time: no connection fails, and the slice is
// written at most once an answer.
func TestRotation(t *testing.T) {
	t.Parallel()
	var ips []string
	for n := range 64 {
		ips = append(ips, fmt.Sprintf("10.0.21.%d", n+1))
	}
	if err := cluster.AddOutside(t.Context(), "rotation", ips); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Serve(t.Context(), "rotation", "tcp", ":7001"); err != nil {
		t.Fatal(err)
	}
	dns.Set(nameOf(t, "db"), dnsserver.A(ips...).TTL(ttl).Rotate(8))
	i := install(t, "helm", entry(nameOf(t, "db"), ""))
	r := i.startReplica(0).waitReady()
	i.wantServer("db:7000", "rotation")
	load := i.load("load", traffic.Options{Address: "db:7000"})
	questions := 6
	if *soak {
		questions = 110 // in 10 minutes
	}
	const writes, good = `slice_writes_total{result="ok"}`, `lookups_total{family="IPv4",result="ok"}`
	start, before, asked, syncs := time.Now(), r.metric(writes), r.metric(good), kubeProxySyncs(t)
	waitForQuestions(t, nameOf(t, "db"), questions)
	answers := r.metric(good) - asked // CoreDNS may ask twice for one of them
	count, minutes := r.metric(writes)-before, time.Since(start).Minutes()
	syncs = kubeProxySyncs(t) - syncs
	t.Logf("%.0f answers, %.0f writes (%.1f a minute), %.0f syncs of kube-proxy's rules", answers, count, count/minutes, syncs)
	if math.Abs(count-answers) > 1 || answers < float64(questions)/2 || count > 12*minutes+1 {
		t.Errorf("%.0f writes for %.0f answers in %.1f minutes, want one for each, and at most 12 a minute", count, answers, minutes)
	}
	figureOf("rotation", map[string]float64{"writes": count, "syncs": syncs}, stop(t, load))
	i.wantWrites(r)
}

// wantWrites says that no write was refused.
func (i *installation) wantWrites(r *replica) {
	i.t.Helper()
	for _, result := range []string{"error", "forbidden"} {
		if n := r.metric(`slice_writes_total{result="` + result + `"}`); n > 0 {
			i.t.Errorf("%v writes: %s", n, result)
		}
	}
}

// kubeProxySyncs is how often kube-proxy has written its rules.
func kubeProxySyncs(t *testing.T) (count float64) {
	t.Helper()
	text, err := cluster.Get(t.Context(), "node", "http://127.0.0.1:10249/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "kubeproxy_sync_proxy_rules_duration_seconds_count") {
			var n float64
			if _, err := fmt.Sscan(line[strings.LastIndex(line, " "):], &n); err != nil {
				t.Fatal(err)
			}
			count += n
		}
	}
	if count == 0 {
		t.Fatal("kube-proxy's metrics lack the syncs of its rules")
	}
	return count
}

// TestKilledLeader kills the leader again and again while the name changes its address, and then both replicas: no
// connection fails.
func TestKilledLeader(t *testing.T) {
	t.Parallel()
	kills, connections, away := 2, 100, 1500
	if *soak {
		kills, connections, away = 30, 500, 15_000 // one every 10 s, and then 5 minutes
	}
	ips := []string{"10.0.22.1", "10.0.22.2"}
	outside(t, 7001, ips...)
	answers(nameOf(t, "db"), ips[0])
	i := install(t, "helm", entry(nameOf(t, "db"), ""))
	replicas := []*replica{i.startReplica(0).waitReady(), i.startReplica(1).waitReady()}
	i.wantServer("db:7000", hostOf(ips[0]))
	load := i.load("load", traffic.Options{Address: "db:7000"})
	if err := load.WaitFor(connections); err != nil {
		t.Fatal(err)
	}
	started := 2
	for n := range kills {
		var leader int
		testenv.Eventually(t, "a replica leads", func() error {
			leader = slices.IndexFunc(replicas, (*replica).leads)
			if leader < 0 {
				return fmt.Errorf("none does")
			}
			return nil
		})
		answers(i.name("db"), ips[(n+1)%2])
		replicas[leader].kill()
		replicas[leader] = i.startReplica(started)
		started++
		load.Mark(fmt.Sprint("kill ", started))
		if err := load.WaitFor(connections); err != nil {
			t.Fatal(err)
		}
	}
	i.wantServer("db:7000", hostOf(ips[kills%2]))
	for _, r := range replicas {
		r.kill()
	}
	load.Mark("no replica")
	if err := load.WaitFor(away); err != nil {
		t.Fatal(err)
	}
	figureOf("kills", nil, stop(t, load))
}

// TestAPIServerAway stops the API server: connections go on, and what changed meanwhile is written after it.
func TestAPIServerAway(t *testing.T) {
	away := 10 * time.Second
	if *soak {
		away = time.Minute
	}
	ips := []string{"10.0.23.1", "10.0.23.2"}
	outside(t, 7001, ips...)
	answers(nameOf(t, "db"), ips[0])
	i := install(t, "helm", entry(nameOf(t, "db"), ""))
	i.startReplica(0).waitReady() // which ends without its Lease, and is started again
	i.wantServer("db:7000", hostOf(ips[0]))
	load := i.load("load", traffic.Options{Address: "db:7000"})
	answers(i.name("db"), ips[1])
	if err := cluster.Restart(t.Context(), "kube-apiserver", away); err != nil {
		t.Fatal(err)
	}
	i.wantServer("db:7000", hostOf(ips[1]))
	figureOf("API server", nil, stop(t, load))
}
