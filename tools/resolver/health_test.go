package resolver

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"external-services/tools/values"
)

func newTestChecker(t *testing.T, port int) (c *checker, entry *values.Entry, noted *int) {
	t.Helper()
	noted = new(int)
	c = newChecker(1, newMetrics(prometheus.NewRegistry(), "test"), func(types.NamespacedName) { *noted++ })
	entry = &values.Entry{}
	entry.Ports = []values.Port{{Name: "http", Port: 80}, {Name: "mysql", Port: port}}
	entry.HealthCheck = &values.HealthCheck{Port: "mysql", IntervalSeconds: 7}
	return c, entry, noted
}

// TestRiseAndFall: an address fails with the third check in a row, and is used again with the second.
func TestRiseAndFall(t *testing.T) {
	c, entry, _ := newTestChecker(t, 1)
	list := of("", "10.0.0.1")
	p := probe{named("db"), list[0].ip}
	c.check(p.entry, entry, list)
	for i, step := range []struct{ ok, changed, healthy bool }{
		{false, false, true}, {false, false, true}, {true, false, true}, // not in a row
		{false, false, true}, {false, false, true}, {false, true, false},
		{true, false, false}, {false, false, false}, {true, false, false}, {true, true, true},
	} {
		if changed := c.record(p, step.ok); changed != step.changed || c.isHealthy(p.entry, p.ip) != step.healthy {
			t.Fatalf("check %d: changed %v, healthy %v", i, changed, !step.healthy)
		}
	}
}

// TestConnect: the checks connect to the port outside, until the address is no longer the entry's.
func TestConnect(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c, entry, noted := newTestChecker(t, listener.Addr().(*net.TCPAddr).Port)
	list := of("", "127.0.0.1")
	p := probe{named("db"), list[0].ip}
	c.expect(p.entry, p.ip) // the last leader found it down
	c.check(p.entry, entry, list)
	for range 2 {
		if after, again := c.connect(t.Context(), p); after != 7*time.Second || !again {
			t.Fatalf("again %v after %v", again, after)
		}
	}
	if !c.isHealthy(p.entry, p.ip) || *noted != 1 {
		t.Errorf("after two connections: healthy %v, noted %d times", c.isHealthy(p.entry, p.ip), *noted)
	}
	listener.Close()
	for range 3 {
		c.connect(t.Context(), p)
	}
	if c.isHealthy(p.entry, p.ip) || *noted != 2 {
		t.Errorf("after three refused connections: healthy %v, noted %d times", c.isHealthy(p.entry, p.ip), *noted)
	}
	list[0].ready, list[0].draining = false, true
	c.check(p.entry, entry, list)
	if _, again := c.connect(t.Context(), p); again {
		t.Error("a draining address is checked")
	}
	c.check(p.entry, nil, of("", "127.0.0.2"))
	if c.isHealthy(p.entry, netip.MustParseAddr("127.0.0.2")) != true || len(c.probes) != 0 {
		t.Errorf("without a health check %d addresses are checked", len(c.probes))
	}
}
