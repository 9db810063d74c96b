package resolver

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"

	"external-services/tools/values"
)

// Defaults of values.Resolve.
const (
	defaultDrain        = 300 * time.Second
	defaultMaxAddresses = 100
)

// origin is where endpoints come from: a DNS name and a family, or an IP address of the values, which is a
// name that always has itself as its answer.
type origin = question

// endpoint is an address as it is to be written.
type endpoint struct {
	origin   origin
	ip       netip.Addr
	ready    bool
	draining bool // not ready, and open connections go on
	hostname string
	zone     string
}

// address is what is remembered of an address of an origin.
type address struct {
	seen     time.Time // when an answer last had it, or when it was read from a slice
	draining time.Time // since when it is out of use; zero while it is in use
	written  bool      // has been in a slice: one that was not has no connections to finish
}

// endpoints are the addresses of one entry over time. They are read from its slices once; after that the
// answers and the values change them. Nothing else is stored.
type endpoints map[origin]map[netip.Addr]*address

// input is what an update of endpoints depends on.
type input struct {
	entry    *values.Entry
	families []corev1.IPFamily // of the Service
	answer   func(question) answer
	refuses  func(netip.Addr) string // why an address is not written
	healthy  func(netip.Addr) bool

	// others are the families in which the Service has a ready endpoint that the resolver does not
	// write: a pod, or an IP address in a slice of the release.
	others map[corev1.IPFamily]bool

	now time.Time
}

// read takes in a slice of the resolver as the last leader left it, and returns the addresses that were out
// of use and not draining.
func (e endpoints) read(slice *discoveryv1.EndpointSlice, now time.Time) (failed []netip.Addr) {
	for _, found := range slice.Endpoints {
		for _, text := range found.Addresses {
			ip, err := netip.ParseAddr(text)
			if err != nil {
				continue // of a kind that the resolver never writes
			}
			a := &address{seen: now, written: true}
			switch {
			case ptr.Deref(found.Conditions.Terminating, false):
				a.draining = now
			case !ptr.Deref(found.Conditions.Ready, true):
				failed = append(failed, ip)
			}
			e.of(origin{cmp.Or(slice.Annotations[values.HostAnnotation], text), corev1.IPFamily(slice.AddressType)})[ip] = a
		}
	}
	return failed
}

// wrote notes that all addresses are in slices now.
func (e endpoints) wrote() {
	for _, addresses := range e {
		for _, a := range addresses {
			a.written = true
		}
	}
}

func (e endpoints) of(o origin) map[netip.Addr]*address {
	if e[o] == nil {
		e[o] = map[netip.Addr]*address{}
	}
	return e[o]
}

// update takes in the answers and the values, and returns the endpoints to write, and when the next of
// them has drained; zero if none drains.
func (e endpoints) update(in input) (list []endpoint, drained time.Time) {
	current := in.origins()
	for _, o := range current {
		e.see(o.origin, in)
	}
	e.retire(current, in)
	for o, addresses := range e {
		maps.DeleteFunc(addresses, func(ip netip.Addr, a *address) bool {
			ends := a.draining.Add(in.drain())
			if in.refuses(ip) != "" || !a.draining.IsZero() && (!a.written || !in.now.Before(ends)) {
				return true
			}
			if !a.draining.IsZero() && (drained.IsZero() || ends.Before(drained)) {
				drained = ends
			}
			return false
		})
		if len(addresses) == 0 {
			delete(e, o)
		}
	}
	return e.list(current, in), drained
}

// given is an origin with what the values say of it.
type given struct {
	origin
	address values.Address
}

// origins are those of the values.
func (in input) origins() (list []given) {
	for _, a := range in.entry.Addresses {
		for _, family := range in.families {
			ip, err := netip.ParseAddr(a.IP)
			if a.Host != "" || err == nil && familyOf(ip) == family {
				list = append(list, given{origin{cmp.Or(a.Host, a.IP), family}, a})
			}
		}
	}
	return list
}

func familyOf(ip netip.Addr) corev1.IPFamily {
	if ip.Is4() {
		return corev1.IPv4Protocol
	}
	return corev1.IPv6Protocol
}

// see takes in the newest good answer. What it lacks drains: at once, or with keepSeconds that long after
// the last answer that had it, measured from answer to answer, so that nothing changes while DNS is away.
func (e endpoints) see(o origin, in input) {
	answer := in.answer(o)
	if ip, err := netip.ParseAddr(o.host); err == nil {
		answer.addresses, answer.at = []netip.Addr{ip}, in.now
	}
	older := func(a *address) bool { return a.seen.After(answer.at) }
	if answer.at.IsZero() || slices.ContainsFunc(slices.Collect(maps.Values(e[o])), older) {
		return // of before this replica took over: the leader may have had a newer one
	}
	resolve := in.resolve()
	keep := time.Duration(resolve.KeepSeconds) * time.Second
	addresses, seen := e.of(o), map[netip.Addr]time.Time{}
	for ip, a := range addresses {
		if a.draining.IsZero() && keep > 0 && answer.at.Sub(a.seen) <= keep {
			seen[ip] = a.seen
		}
	}
	for _, ip := range answer.addresses {
		seen[ip] = answer.at
	}
	used := newest(seen, cmp.Or(resolve.MaxAddresses, defaultMaxAddresses))
	for _, ip := range used {
		written := addresses[ip] != nil && addresses[ip].written
		addresses[ip] = &address{seen: seen[ip], written: written}
	}
	for ip, a := range addresses {
		if a.draining.IsZero() && !slices.Contains(used, ip) {
			a.draining = in.now
		}
	}
}

// newest returns the addresses that were seen last, at most that many.
func newest(seen map[netip.Addr]time.Time, most int) []netip.Addr {
	ips := slices.SortedFunc(maps.Keys(seen), func(a, b netip.Addr) int {
		return cmp.Or(seen[b].Compare(seen[a]), a.Compare(b))
	})
	return ips[:min(len(ips), most)]
}

// retire drains the origins that the values no longer have, once something else is ready: until then
// their addresses are better than none.
func (e endpoints) retire(current []given, in input) {
	ready := len(in.others) > 0 || slices.ContainsFunc(current, func(g given) bool { return g.isReady() && e.inUse(g.origin) })
	for o, addresses := range e {
		if !ready || slices.ContainsFunc(current, func(g given) bool { return g.origin == o }) {
			continue
		}
		for _, a := range addresses {
			if a.draining.IsZero() {
				a.draining = in.now
			}
		}
	}
}

func (e endpoints) inUse(o origin) bool {
	for _, a := range e[o] {
		if a.draining.IsZero() {
			return true
		}
	}
	return false
}

// list returns the endpoints in the order of the values, those in use first and each address once: two
// names may have one address.
func (e endpoints) list(current []given, in input) []endpoint {
	for _, o := range slices.SortedFunc(maps.Keys(e), compareOrigins) {
		if !slices.ContainsFunc(current, func(g given) bool { return g.origin == o }) {
			current = append(current, given{origin: o})
		}
	}
	var list []endpoint
	listed := map[netip.Addr]bool{}
	add := func(draining bool) {
		for _, g := range current {
			for _, ip := range slices.SortedFunc(maps.Keys(e[g.origin]), netip.Addr.Compare) {
				if draining != e[g.origin][ip].draining.IsZero() && !listed[ip] {
					listed[ip] = true
					list = append(list, g.endpoint(ip, draining))
				}
			}
		}
	}
	add(false)
	checkHealth(list, in.healthy)
	add(true)
	return withoutLastDraining(list, in.others)
}

func compareOrigins(a, b origin) int {
	return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.family, b.family))
}

func (g given) endpoint(ip netip.Addr, draining bool) endpoint {
	return endpoint{
		origin: g.origin, ip: ip, hostname: g.address.Hostname, zone: g.address.Zone,
		ready: !draining && g.isReady(), draining: draining || ptr.Deref(g.address.Draining, false),
	}
}

// isReady says whether the values let the addresses of an origin be used.
func (g given) isReady() bool {
	return ptr.Deref(g.address.Ready, true) && !ptr.Deref(g.address.Draining, false)
}

// checkHealth takes addresses that do not answer out of use, but never more than half of them: then the
// checks are more likely to be wrong than the addresses.
func checkHealth(list []endpoint, healthy func(netip.Addr) bool) {
	var ready, failed []int
	for i, e := range list {
		if e.ready {
			ready = append(ready, i)
			if !healthy(e.ip) {
				failed = append(failed, i)
			}
		}
	}
	if 2*len(failed) > len(ready) {
		return
	}
	for _, i := range failed {
		list[i].ready = false
	}
}

// withoutLastDraining leaves out draining endpoints of a family that has no ready one: kube-proxy would
// send new connections to them (KEP-1669).
func withoutLastDraining(list []endpoint, others map[corev1.IPFamily]bool) []endpoint {
	ready := maps.Clone(others)
	if ready == nil {
		ready = map[corev1.IPFamily]bool{}
	}
	for _, e := range list {
		if e.ready {
			ready[e.origin.family] = true
		}
	}
	return slices.DeleteFunc(list, func(e endpoint) bool { return e.draining && !ready[e.origin.family] })
}

// resolve is how the names of the entry are followed.
func (in input) resolve() values.Resolve { return ptr.Deref(in.entry.Resolve, values.Resolve{}) }

// drain is how long an address drains. With UDP a serving endpoint keeps its flows, which never end, and
// an address that is used whether ready or not cannot drain.
func (in input) drain() time.Duration {
	isUDP := func(p values.Port) bool { return p.Protocol == values.UDP }
	if ptr.Deref(in.entry.PublishNotReadyAddresses, false) || slices.ContainsFunc(in.entry.Ports, isUDP) {
		return 0
	}
	if seconds := in.resolve().DrainSeconds; seconds != nil {
		return time.Duration(*seconds) * time.Second
	}
	return defaultDrain
}
