package resolver

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"external-services/tools/values"
)

// Defaults of values.HealthCheck.
const (
	defaultInterval = 10
	defaultTimeout  = 2
	defaultRise     = 2
	defaultFall     = 3
)

// probe is an address that is checked for an entry.
type probe struct {
	entry types.NamespacedName
	ip    netip.Addr
}

// checker connects to the addresses of the entries that have a health check.
type checker struct {
	*schedule[probe]
	notify  func(types.NamespacedName)
	metrics *metrics

	mu     sync.Mutex
	probes map[probe]*probed
}

// probed is what is known of an address. It is healthy until it has failed often enough.
type probed struct {
	check   values.HealthCheck
	port    uint16
	due     bool // in the schedule
	healthy bool
	streak  int // checks in a row that said the other thing
}

func newChecker(workers int, m *metrics, notify func(types.NamespacedName)) *checker {
	c := &checker{notify: notify, metrics: m, probes: map[probe]*probed{}}
	c.schedule = newSchedule(workers, c.connect)
	return c
}

// check sets the addresses that are checked for an entry: none without a health check.
func (c *checker) check(key types.NamespacedName, entry *values.Entry, list []endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := map[probe]bool{}
	if entry != nil && entry.HealthCheck != nil {
		for _, e := range list {
			if !e.draining {
				wanted[probe{key, e.ip}] = true
			}
		}
	}
	for p := range c.probes {
		if p.entry == key && !wanted[p] {
			delete(c.probes, p)
			c.metrics.health.DeleteLabelValues(key.Namespace, key.Name, p.ip.String())
		}
	}
	for p := range wanted {
		if c.probes[p] == nil {
			c.probes[p] = &probed{healthy: true}
		}
		known := c.probes[p]
		known.check, known.port = *entry.HealthCheck, checkedPort(entry)
		if !known.due {
			known.due = true
			c.add(p)
		}
	}
}

// expect takes in that the leader before found an address not to answer.
func (c *checker) expect(key types.NamespacedName, ip netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := (probe{key, ip}); c.probes[p] == nil {
		c.probes[p] = &probed{}
	}
}

// checkedPort is the port outside that is connected to.
func checkedPort(entry *values.Entry) uint16 {
	i := max(slices.IndexFunc(entry.Ports, func(p values.Port) bool { return p.Name == entry.HealthCheck.Port }), 0)
	return uint16(entry.Ports[i].Port)
}

// isHealthy says whether an address answers. One that was never checked does.
func (c *checker) isHealthy(key types.NamespacedName, ip netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.probes[probe{key, ip}]
	return known == nil || known.healthy
}

// connect opens and closes one connection, and returns when to do so again.
func (c *checker) connect(ctx context.Context, p probe) (time.Duration, bool) {
	c.mu.Lock()
	known := c.probes[p]
	if known == nil {
		c.mu.Unlock()
		return 0, false
	}
	check, port := known.check, known.port
	c.mu.Unlock()

	dialer := net.Dialer{Timeout: seconds(cmp.Or(check.TimeoutSeconds, defaultTimeout))}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(p.ip.String(), strconv.Itoa(int(port))))
	if ctx.Err() != nil {
		return 0, false
	}
	if err == nil {
		err = conn.Close()
	}
	if c.record(p, err == nil) {
		c.notify(p.entry)
	}
	return seconds(cmp.Or(check.IntervalSeconds, defaultInterval)), true
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// record counts a check, and says whether the address became healthy or failed with it.
func (c *checker) record(p probe, ok bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.probes[p]
	if known == nil {
		return false
	}
	changed := known.count(ok)
	value := 0.0
	if known.healthy {
		value = 1
	}
	c.metrics.health.WithLabelValues(p.entry.Namespace, p.entry.Name, p.ip.String()).Set(value)
	return changed
}

func (k *probed) count(ok bool) (changed bool) {
	if ok == k.healthy {
		k.streak = 0
		return false
	}
	k.streak++
	needed := cmp.Or(k.check.Fall, defaultFall)
	if ok {
		needed = cmp.Or(k.check.Rise, defaultRise)
	}
	if k.streak < needed {
		return false
	}
	k.healthy, k.streak = ok, 0
	return true
}
