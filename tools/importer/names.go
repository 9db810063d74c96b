package importer

import (
	"cmp"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"

	"external-services/tools/service"
	"external-services/tools/values"
)

// textOf is the IP address or the DNS name.
func textOf(a values.Address) string { return cmp.Or(a.IP, a.Host) }

// withResolver are the values without which the chart refuses DNS names.
const withResolver = "resolver:\n  enabled: true\n"

// hasHosts says whether an address of some entries is a DNS name.
func hasHosts(entries []*entry) bool {
	isHost := func(a values.Address) bool { return a.Host != "" }
	return slices.ContainsFunc(entries, func(e *entry) bool { return slices.ContainsFunc(e.Addresses, isHost) })
}

// readFollowed reads a slice of a resolver. One with a DNS name becomes that name, and not the addresses that it has
// today. One without has the IP addresses of an entry with a health check.
func (e *entry) readFollowed(slice *discoveryv1.EndpointSlice) {
	host := service.HostOf(slice)
	if host == "" {
		e.notCarriedOver("healthCheck", "the objects do not say how the resolver checks the addresses: write it again")
		e.read("EndpointSlice "+slice.Name, slice)
		return
	}
	e.note(host, "the resolver follows it, which needs resolver.enabled; resolve and healthCheck, if the entry had them, are not in the objects")
	ports := e.portsOf("EndpointSlice "+slice.Name, slice)
	for _, from := range slice.Endpoints {
		serving := ptr.Deref(from.Conditions.Serving, true)
		name := &endpoint{
			ready: service.IsReady(from) && serving, draining: ptr.Deref(from.Conditions.Terminating, false) && serving,
			hints: from.Hints, ports: ports,
		}
		name.Host, name.Hostname, name.Zone = host, ptr.Deref(from.Hostname, ""), ptr.Deref(from.Zone, "")
		if known := e.byText[host]; known != nil { // of its addresses, those that are out of use drain
			known.ready, known.draining = known.ready || name.ready, known.draining || name.draining
			continue
		}
		e.addAddress(name)
	}
}
