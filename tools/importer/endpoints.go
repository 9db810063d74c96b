package importer

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"external-services/tools/findings"
	"external-services/tools/service"
	"external-services/tools/values"
)

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
			if family := service.FamilyOf(ip); isIP(ip) && slice.AddressType != "" && string(family) != string(slice.AddressType) {
				e.refuseAt(ip, "write addressType: "+string(family), "the %s has the addressType %s, and %s is an %s address",
					object, slice.AddressType, ip, family)
			}
			a := e.newEndpoint(ip, endpoint, maps.Clone(ports))
			a.list = slice
			e.addAddress(a)
		}
	}
}
