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

// endpoint is one address outside.
type endpoint struct {
	values.Address
	ready, draining bool
	hints           *discoveryv1.EndpointHints
	ports           map[portKey]int32
}

// addressReader reads the addresses of a Service, with their ports.
type addressReader struct {
	*entry
	service *corev1.Service
	list    []*endpoint
	byIP    map[string]*endpoint

	// ports are those of the Service. A headless one without any gets those of its addresses.
	ports        []corev1.ServicePort
	missingPorts bool
}

// addAddresses carries over the addresses and the ports of a Service.
func (e *entry) addAddresses(g *group) {
	r := &addressReader{entry: e, service: g.service, byIP: map[string]*endpoint{}, ports: g.service.Spec.Ports}
	r.missingPorts = len(r.ports) == 0 && e.Headless != nil
	if g.endpoints != nil {
		isUsed := func(slice *discoveryv1.EndpointSlice) bool { return len(slice.Endpoints) > 0 }
		r.readEndpoints(g.endpoints, slices.ContainsFunc(g.slices, isUsed))
	}
	for _, slice := range g.slices {
		r.readSlice(slice)
	}
	if e.Headless == nil {
		r.dropOtherFamily()
		r.reportFamilies()
	}
	if len(r.list) == 0 {
		e.EndpointsKind = ""
	}
	r.setReadiness()
	for _, endpoint := range r.list {
		e.Addresses = append(e.Addresses, endpoint.Address)
	}
	r.reportHints()
	r.addPorts()
}

// readEndpoints reads an Endpoints object. An entry writes either Endpoints or EndpointSlices.
func (r *addressReader) readEndpoints(endpoints *service.Endpoints, inSlices bool) {
	const why = "an entry has either Endpoints or EndpointSlices"
	what, skipped := "Endpoints "+endpoints.Name, endpoints.Labels[service.SkipMirror] == "true"
	if skipped && inSlices {
		r.notCarriedOver(what, why+", and these have the label "+service.SkipMirror)
		return
	}
	r.reportMetadata("Endpoints", endpoints)
	for _, slice := range slicesOf(endpoints) {
		r.read("Endpoints", slice)
	}
	if inSlices {
		r.notCarriedOver(what, why+"; this one has the addresses of both")
		return
	}
	r.EndpointsKind = values.EndpointsLegacy
	if skipped && len(r.list) > 0 {
		r.refuse("", "no connection reaches the addresses today, since the Endpoints have the label %s, "+
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
func (r *addressReader) readSlice(slice *discoveryv1.EndpointSlice) {
	what := "EndpointSlice " + slice.Name
	switch {
	case slice.AddressType == discoveryv1.AddressTypeFQDN:
		var names []string
		for _, endpoint := range slice.Endpoints {
			names = append(names, endpoint.Addresses...)
		}
		r.notCarriedOver(what, "Kubernetes sends no connection to its DNS names (%s): for an alias of one, set externalName",
			findings.Some(names, ", "))
		return
	case service.OfPods(slice):
		if len(slice.Endpoints) > 0 {
			r.notCarriedOver(what, "it has addresses of pods, left from a selector that the Service no longer has")
		}
		return
	case service.IsMirrored(slice):
		r.note(what, "Kubernetes mirrored it from Endpoints that were not read")
	case !chartSliceName.MatchString(strings.TrimPrefix(slice.Name, r.service.Name)):
		r.note(what, "the chart names its slices %s-ipv4-0 and so on, and Helm does not take over this one: "+
			"delete it after the installation", r.service.Name)
	}
	r.reportMetadata("EndpointSlice", slice)
	r.read(what, slice)
}

// reportMetadata reports labels and annotations that only the endpoints have: those of an entry are on all of
// its objects.
func (r *addressReader) reportMetadata(kind string, object metav1.Object) {
	ignored := func(key string) bool {
		return ignoredLabels[key] || strings.HasPrefix(key, helmAnnotations) || chartLabels[key] && r.service.Labels[key] != "" ||
			key == service.SkipMirror || key == service.ManagedBy || key == corev1.IsHeadlessService
	}
	report := func(what string, own, ofService map[string]string) {
		for _, key := range slices.Sorted(maps.Keys(own)) {
			if value, ok := ofService[key]; !ignored(key) && (!ok || value != own[key]) {
				r.notCarriedOver(fmt.Sprintf("%s %s=%s of the %s %s", what, key, own[key], kind, object.GetName()),
					"an entry sets it on the Service too, which does not have it")
			}
		}
	}
	report("label", object.GetLabels(), r.service.Labels)
	report("annotation", object.GetAnnotations(), r.service.Annotations)
	if owners := object.GetOwnerReferences(); len(owners) > 0 && owners[0].Kind != "Service" {
		r.notCarriedOver(fmt.Sprintf("ownerReferences of the %s %s", kind, object.GetName()),
			"%s %s created it and may revert what the chart changes: stop it first", owners[0].Kind, owners[0].Name)
	}
}

// read reads the ports and the endpoints of a slice, or of a subset of Endpoints.
func (r *addressReader) read(object string, slice *discoveryv1.EndpointSlice) {
	ports := map[portKey]int32{}
	for _, port := range slice.Ports {
		key := portKey{ptr.Deref(port.Name, ""), service.Protocol(ptr.Deref(port.Protocol, ""))}
		if port.Port == nil {
			r.notCarriedOver(fmt.Sprintf("port %q of the %s", key.name, object), "it has no number")
			continue
		}
		ports[key] = *port.Port
		if len(slice.Endpoints) > 0 {
			r.compareAppProtocol(object, key, port)
		}
	}
	for _, e := range slice.Endpoints {
		addresses := e.Addresses
		if len(addresses) > 1 && r.Headless == nil {
			r.notCarriedOver(fmt.Sprintf("addresses %s of the %s", findings.Some(addresses[1:], ", "), object),
				"connections only go to the first address of an endpoint, %s", addresses[0])
			addresses = addresses[:1]
		}
		for _, ip := range addresses {
			r.addAddress(r.newEndpoint(ip, e, maps.Clone(ports)))
		}
	}
}

// newEndpoint is an address of a slice.
func (r *addressReader) newEndpoint(ip string, from discoveryv1.Endpoint, ports map[portKey]int32) *endpoint {
	const states = "an address of an entry is ready, not ready or draining"
	e := &endpoint{Address: values.Address{IP: canonical(ip)}, ready: service.IsReady(from), hints: from.Hints, ports: ports}
	e.Hostname, e.Zone = ptr.Deref(from.Hostname, ""), ptr.Deref(from.Zone, "")
	r.reportFields(from, " of "+ip, "", "addresses", "hostname", "zone", "conditions", "hints")
	serving := ptr.Deref(from.Conditions.Serving, e.ready)
	if ptr.Deref(from.Conditions.Terminating, false) {
		if e.draining = !e.ready && ptr.Deref(from.Conditions.Serving, true); !e.draining {
			r.notCarriedOver("terminating of "+ip, states)
		}
	}
	switch {
	case serving == e.ready, e.draining:
	case e.ready && r.PublishNotReadyAddresses != nil:
		e.Ready = ptr.To(false) // as the chart writes it with publishNotReadyAddresses
	default:
		r.notCarriedOver(fmt.Sprintf("serving: %t of %s", serving, ip), states)
	}
	return e
}

// canonical is the form of an IPv6 address that the chart accepts.
func canonical(ip string) string {
	if address, err := netip.ParseAddr(ip); err == nil && address.Is6() && address.Zone() == "" && !address.Is4In6() {
		return address.String()
	}
	return ip
}

// addAddress adds an address. One that is there already gets the other ports too: the API server itself groups
// addresses by their ports.
func (r *addressReader) addAddress(e *endpoint) {
	old, isKnown := r.byIP[e.IP]
	if !isKnown {
		r.byIP[e.IP] = e
		r.list = append(r.list, e)
		return
	}
	if old.ready != e.ready {
		r.refuse("", "the address %s is listed as ready and as not ready", e.IP)
	}
	if old.Hostname != e.Hostname && r.Headless != nil {
		r.refuse("", "the address %s has the host names %q and %q, and DNS answers both; an address of an entry has one",
			e.IP, old.Hostname, e.Hostname)
	}
	reportOther := func(name, first, second string) {
		if first != second {
			what := fmt.Sprintf("%s %q of %s", name, second, e.IP)
			r.notCarriedOver(what, "the address is listed twice, first with the %s %q", name, first)
		}
	}
	reportOther("hostname", old.Hostname, e.Hostname)
	reportOther("zone", old.Zone, e.Zone)
	for _, key := range sortedPorts(e.ports) {
		if number, ok := old.ports[key]; ok && number != e.ports[key] {
			r.refuse("", "the address %s has two numbers for the port %s, %d and %d, and a port of an entry has one",
				e.IP, key, number, e.ports[key])
			continue
		}
		old.ports[key] = e.ports[key]
	}
}

// setReadiness sets which addresses are out of use. With publishNotReadyAddresses the chart makes every address
// ready, while Kubernetes applies it only to pods.
func (r *addressReader) setReadiness() {
	for _, e := range r.list {
		if e.ready {
			continue
		}
		if r.PublishNotReadyAddresses != nil {
			r.PublishNotReadyAddresses = nil
			for _, other := range r.list {
				other.Ready = nil
			}
			r.notCarriedOver("publishNotReadyAddresses: true",
				"the chart would send connections to %s, which is not ready, while Kubernetes applies it only to pods", e.IP)
		}
		isSpare := func(other *endpoint) bool { return other.ready && service.FamilyOf(other.IP) == service.FamilyOf(e.IP) }
		switch {
		case !e.draining:
			e.Ready = ptr.To(false)
		case slices.ContainsFunc(r.list, isSpare):
			e.Draining = ptr.To(true)
		default:
			e.Ready = ptr.To(false)
			r.notCarriedOver("terminating of "+e.IP, "no other address is ready, and connections go to a draining address then")
		}
	}
}

// reportHints reports hints other than those that the chart writes.
func (r *addressReader) reportHints() {
	byZone := r.TrafficDistribution == values.PreferClose || r.TrafficDistribution == values.PreferSameZone
	for _, e := range r.list {
		var written *discoveryv1.EndpointHints
		if byZone && e.Zone != "" {
			written = &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: e.Zone}}}
		}
		if !equality.Semantic.DeepEqual(written, e.hints) {
			r.notCarriedOver(fmt.Sprintf("hints: %s of %s", marshal(e.hints), e.IP),
				"the chart writes hints with trafficDistribution: PreferSameZone, for the zone of the address")
		}
	}
}
