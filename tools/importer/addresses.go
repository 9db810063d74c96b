package importer

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"external-services/tools/findings"
	"external-services/tools/service"
	"external-services/tools/values"
)

// endpoint is one address outside, or a DNS name with what its addresses have in common.
type endpoint struct {
	values.Address
	ready, draining bool
	hints           *discoveryv1.EndpointHints
	ports           map[portKey]int32
}

// addAddresses carries over the addresses and the ports.
func (e *entry) addAddresses() {
	if e.endpoints != nil {
		isUsed := func(slice *discoveryv1.EndpointSlice) bool { return len(slice.Endpoints) > 0 }
		e.readEndpoints(e.endpoints, slices.ContainsFunc(e.slices, isUsed))
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

// readEndpoints reads an Endpoints object. An entry writes either Endpoints or EndpointSlices.
func (e *entry) readEndpoints(endpoints *service.Endpoints, inSlices bool) {
	const why = "an entry has either Endpoints or EndpointSlices"
	what, skipped := "Endpoints "+endpoints.Name, endpoints.Labels[service.SkipMirror] == "true"
	if skipped && inSlices {
		e.notCarriedOver(what, why+", and these have the label "+service.SkipMirror)
		return
	}
	e.reportMetadata("Endpoints", endpoints)
	for _, slice := range slicesOf(endpoints) {
		e.read("Endpoints", slice)
	}
	if inSlices {
		e.notCarriedOver(what, why+"; this one has the addresses of both")
		return
	}
	e.EndpointsKind = values.EndpointsLegacy
	if skipped && len(e.list) > 0 {
		e.refuse("", "no connection reaches the addresses today, since the Endpoints have the label %s, "+
			"which the chart does not set", service.SkipMirror)
	}
}

// slicesOf makes a slice of each subset of an Endpoints object.
func slicesOf(endpoints *service.Endpoints) []*discoveryv1.EndpointSlice {
	var list []*discoveryv1.EndpointSlice
	for _, subset := range endpoints.Subsets {
		slice := &discoveryv1.EndpointSlice{}
		for _, p := range subset.Ports {
			port := discoveryv1.EndpointPort{Name: &p.Name, Protocol: &p.Protocol, Port: &p.Port, AppProtocol: p.AppProtocol}
			slice.Ports = append(slice.Ports, port)
		}
		for i, a := range slices.Concat(subset.Addresses, subset.NotReadyAddresses) {
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
				Addresses: []string{a.IP}, Hostname: &a.Hostname, NodeName: a.NodeName, TargetRef: a.TargetRef,
				Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(i < len(subset.Addresses))},
			})
		}
		list = append(list, slice)
	}
	return list
}

// chartSliceName is what follows the name of the Service in the names of the chart's slices.
var chartSliceName = regexp.MustCompile(`^-ipv[46]-[0-9]+$`)

// readSlice reads an EndpointSlice.
func (e *entry) readSlice(slice *discoveryv1.EndpointSlice) {
	what := "EndpointSlice " + slice.Name
	switch {
	case service.OfResolver(slice):
		e.readFollowed(slice)
		return
	case slice.AddressType == discoveryv1.AddressTypeFQDN:
		var names []string
		for _, endpoint := range slice.Endpoints {
			names = append(names, endpoint.Addresses...)
		}
		e.notCarriedOver(what, "Kubernetes sends no connection to its DNS names (%s): for an alias of one, set externalName",
			findings.Some(names, ", "))
		return
	case service.OfPods(slice):
		if len(slice.Endpoints) > 0 {
			e.notCarriedOver(what, "it has addresses of pods, left from a selector that the Service no longer has")
		}
		return
	case service.IsMirrored(slice):
		e.note(what, "Kubernetes mirrored it from Endpoints that were not read")
	case !chartSliceName.MatchString(strings.TrimPrefix(slice.Name, e.service.Name)):
		e.note(what, "the chart names its slices %s-ipv4-0 and so on, and Helm does not take over this one: "+
			"delete it after the installation", e.service.Name)
	}
	e.reportMetadata("EndpointSlice", slice)
	e.read(what, slice)
}

// reportMetadata reports labels and annotations that only the endpoints have: those of an entry are on all of
// its objects.
func (e *entry) reportMetadata(kind string, object metav1.Object) {
	ignored := func(key string) bool {
		return ignoredLabels[key] || strings.HasPrefix(key, helmAnnotations) || chartLabels[key] && e.service.Labels[key] != "" ||
			key == service.SkipMirror || key == service.ManagedBy || key == corev1.IsHeadlessService
	}
	report := func(what string, own, ofService map[string]string) {
		for _, key := range slices.Sorted(maps.Keys(own)) {
			if value, ok := ofService[key]; !ignored(key) && (!ok || value != own[key]) {
				e.notCarriedOver(fmt.Sprintf("%s %s=%s of the %s %s", what, key, own[key], kind, object.GetName()),
					"an entry sets it on the Service too, which does not have it")
			}
		}
	}
	report("label", object.GetLabels(), e.service.Labels)
	report("annotation", object.GetAnnotations(), e.service.Annotations)
	if owners := object.GetOwnerReferences(); len(owners) > 0 && owners[0].Kind != "Service" {
		e.notCarriedOver(fmt.Sprintf("ownerReferences of the %s %s", kind, object.GetName()),
			"%s %s created it and may revert what the chart changes: stop it first", owners[0].Kind, owners[0].Name)
	}
}

// portsOf reads the ports of a slice, or of a subset of Endpoints.
func (e *entry) portsOf(object string, slice *discoveryv1.EndpointSlice) map[portKey]int32 {
	ports := map[portKey]int32{}
	for _, port := range slice.Ports {
		key := portKey{ptr.Deref(port.Name, ""), service.Protocol(ptr.Deref(port.Protocol, ""))}
		if port.Port == nil {
			e.notCarriedOver(fmt.Sprintf("port %q of the %s", key.name, object), "it has no number")
			continue
		}
		ports[key] = *port.Port
		if len(slice.Endpoints) > 0 {
			e.compareAppProtocol(object, key, port)
		}
	}
	return ports
}

// read reads the ports and the endpoints of a slice, or of a subset of Endpoints.
func (e *entry) read(object string, slice *discoveryv1.EndpointSlice) {
	ports := e.portsOf(object, slice)
	for _, endpoint := range slice.Endpoints {
		addresses := endpoint.Addresses
		if len(addresses) > 1 && e.Headless == nil {
			e.notCarriedOver(fmt.Sprintf("addresses %s of the %s", findings.Some(addresses[1:], ", "), object),
				"connections only go to the first address of an endpoint, %s", addresses[0])
			addresses = addresses[:1]
		}
		for _, ip := range addresses {
			e.addAddress(e.newEndpoint(ip, endpoint, maps.Clone(ports)))
		}
	}
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
	if !e.strict && maps.Equal(old.ports, a.ports) {
		e.note("address "+textOf(a.Address), "it is listed twice, and the entry has it once")
	}
	if old.ready != a.ready {
		e.refuse("", "the address %s is listed as ready and as not ready", a.IP)
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
			e.refuse("", "the address %s has two numbers for the port %s, %d and %d, and a port of an entry has one",
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
