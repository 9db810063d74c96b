package importer

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"

	"external-services/tools/service"
	"external-services/tools/values"
)

// endpoint is one address outside, or a DNS name with what its addresses have in common.
type endpoint struct {
	values.Address
	ready, draining bool
	hints           *discoveryv1.EndpointHints
	ports           map[portKey]int32
	list            *discoveryv1.EndpointSlice // that has it
}

// addAddresses carries over the addresses and the ports.
func (e *entry) addAddresses() {
	if e.endpoints != nil {
		hasEndpoints := func(slice *discoveryv1.EndpointSlice) bool { return len(slice.Endpoints) > 0 }
		e.readEndpoints(e.endpoints, slices.ContainsFunc(e.slices, hasEndpoints))
	}
	for _, slice := range e.slices {
		e.readSlice(slice)
	}
	if e.Headless == nil {
		e.compareFamilies()
	}
	if len(e.list) == 0 {
		e.EndpointsKind = ""
	}
	e.compareReadiness()
	isUsed := func(a *endpoint) bool { return a.ready || a.draining }
	if len(e.list) > 0 && len(e.Selector) == 0 && !slices.ContainsFunc(e.list, isUsed) {
		e.note("addresses", "no connection succeeds today: none of them is ready")
	}
	for _, a := range e.list {
		if !a.ready {
			e.setReadiness(a)
		}
		e.compareHints(a)
		e.Addresses = append(e.Addresses, a.Address)
	}
	if len(e.Selector) > 0 {
		e.Backend = values.Cluster
		if len(e.list) > 0 {
			e.Backend = values.Both
		}
	}
	e.addPorts()
}

// newEndpoint is an address of a slice.
func (e *entry) newEndpoint(ip string, from discoveryv1.Endpoint, ports map[portKey]int32) *endpoint {
	const states = "an address of an entry is ready, not ready or draining"
	a := &endpoint{ready: service.IsReady(from), hints: from.Hints, ports: ports}
	a.IP, a.Hostname, a.Zone = ip, ptr.Deref(from.Hostname, ""), ptr.Deref(from.Zone, "")
	if address, err := netip.ParseAddr(ip); err == nil {
		a.IP = address.String() // the only form of an IPv6 address that the chart accepts
	}
	if !e.strict {
		e.mendIP(&a.Address, ip)
	}
	e.reportFields(from, " of "+ip, "", "addresses", "hostname", "zone", "conditions", "hints")
	serving, isTerminating := ptr.Deref(from.Conditions.Serving, a.ready), ptr.Deref(from.Conditions.Terminating, false)
	a.draining = isTerminating && !a.ready && ptr.Deref(from.Conditions.Serving, true)
	if isTerminating && !a.draining {
		e.notCarriedOver("terminating of "+ip, states)
	}
	switch {
	case serving == a.ready, a.draining:
	case a.ready && e.PublishNotReadyAddresses != nil:
		a.Ready = ptr.To(false) // as the chart writes it with publishNotReadyAddresses
	default:
		e.notCarriedOver(fmt.Sprintf("serving: %t of %s", serving, ip), states)
	}
	return a
}

// addAddress adds an address. One that is there already gets the other ports too: the API server itself groups
// addresses by their ports.
func (e *entry) addAddress(a *endpoint) {
	old, isKnown := e.byText[textOf(a.Address)]
	if !isKnown {
		e.byText[textOf(a.Address)] = a
		e.list = append(e.list, a)
		return
	}
	switch {
	case old.ready != a.ready:
		e.refuseAt(a.IP, "keep one of them", "the address %s is listed as ready and as not ready", a.IP)
	case e.strict || !maps.Equal(old.ports, a.ports):
	case old.list == a.list:
		e.mended("address "+textOf(a.Address), "it is listed twice, and the entry has it once")
	default:
		e.note("address "+textOf(a.Address), "two lists have it, and the entry has it once")
	}
	if old.Hostname != a.Hostname && e.Headless != nil {
		e.refuse("", "the address %s has the host names %q and %q, and DNS answers both; an address of an entry has one",
			a.IP, old.Hostname, a.Hostname)
	}
	for _, f := range []struct{ name, first, second string }{
		{"hostname", old.Hostname, a.Hostname}, {"zone", old.Zone, a.Zone},
	} {
		if f.first != f.second {
			what := fmt.Sprintf("%s %q of %s", f.name, f.second, a.IP)
			e.notCarriedOver(what, "the address is listed twice, first with the %s %q", f.name, f.first)
		}
	}
	for _, key := range sortedPorts(a.ports) {
		if number, ok := old.ports[key]; ok && number != a.ports[key] {
			e.refuseAt(a.IP, "", "the address %s has two numbers for the port %s, %d and %d, and a port of an entry has one",
				a.IP, key, number, a.ports[key])
			continue
		}
		old.ports[key] = a.ports[key]
	}
}

// compareReadiness removes publishNotReadyAddresses if an address is not ready: the chart then makes every address
// ready, while Kubernetes applies it only to pods.
func (e *entry) compareReadiness() {
	i := slices.IndexFunc(e.list, func(a *endpoint) bool { return !a.ready })
	if i < 0 || e.PublishNotReadyAddresses == nil {
		return
	}
	e.PublishNotReadyAddresses = nil
	for _, a := range e.list {
		a.Ready = nil
	}
	e.notCarriedOver("publishNotReadyAddresses: true", "the chart would send connections to %s, which is not ready, "+
		"while Kubernetes applies it only to pods", textOf(e.list[i].Address))
}

// setReadiness takes an address out of use. One can be draining only while another of its family is ready.
func (e *entry) setReadiness(a *endpoint) {
	isSpare := func(other *endpoint) bool {
		return other.ready && (a.Host != "" || other.Host != "" || service.FamilyOf(other.IP) == service.FamilyOf(a.IP))
	}
	if a.draining && slices.ContainsFunc(e.list, isSpare) {
		a.Draining = ptr.To(true)
		return
	}
	a.Ready = ptr.To(false)
	if a.draining {
		e.notCarriedOver("terminating of "+textOf(a.Address), "no other address is ready, and connections go to a draining address then")
	}
}

// compareHints reports hints other than those that the chart writes.
func (e *entry) compareHints(a *endpoint) {
	var written *discoveryv1.EndpointHints
	if a.Zone != "" && (e.TrafficDistribution == values.PreferClose || e.TrafficDistribution == values.PreferSameZone) {
		written = &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: a.Zone}}}
	}
	if !equality.Semantic.DeepEqual(written, a.hints) {
		e.notCarriedOver(fmt.Sprintf("hints: %s of %s", marshal(a.hints), textOf(a.Address)),
			"the chart writes hints with trafficDistribution: PreferSameZone, for the zone of the address")
	}
}
