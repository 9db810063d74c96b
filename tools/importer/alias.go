package importer

import (
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"external-services/tools/findings"
	"external-services/tools/values"
)

// addAlias carries over a Service of the type ExternalName.
func (e *entry) addAlias() {
	e.ExternalName = e.service.Spec.ExternalName
	for _, port := range e.service.Spec.Ports {
		if targetPort(port, port.Port) != intstr.FromInt32(port.Port) {
			e.reportAliasTarget(port)
		}
		e.Ports = append(e.Ports, newPort(port))
	}
	e.reportOfAlias()
}

// reportOfAlias reports what has no effect on an alias.
func (e *entry) reportOfAlias() {
	e.reportFields(e.service.Spec, "", noEffect, "type", "externalName", "ports")
	if e.endpoints != nil {
		e.reportEndpointsOfAlias(kindEndpoints, e.endpoints.Name, slicesOf(e.endpoints)...)
	}
	for _, slice := range e.slices {
		e.reportEndpointsOfAlias(kindSlice, slice.Name, slice)
	}
}

// reportEndpointsOfAlias reports endpoints next to an alias. Those of a mended one may be the same as its address.
func (e *entry) reportEndpointsOfAlias(kind, name string, list ...*discoveryv1.EndpointSlice) {
	var addresses []string
	isSame := len(e.Addresses) == 1
	for _, slice := range list {
		for _, endpoint := range slice.Endpoints {
			addresses = append(addresses, endpoint.Addresses...)
		}
		for _, port := range slice.Ports {
			isSame = isSame && slices.ContainsFunc(e.service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == ptr.Deref(port.Port, 0) })
		}
	}
	if len(addresses) == 0 {
		return
	}
	what := kind + " " + name + e.placeOfObject(kind, name)
	switch {
	case isSame && !slices.ContainsFunc(addresses, func(a string) bool { return a != e.Addresses[0].IP }):
		e.note(what, "it has no address other than the entry")
	case e.strict || len(e.Addresses) > 0:
		e.notCarriedOver(what, noEffect)
	default:
		e.notCarriedOver(what, "%s: to use its addresses (%s), write them in place of externalName", noEffect, findings.Some(addresses, ", "))
	}
}

// mendAlias makes an entry with an address of an alias of an IP address. DNS answers such an alias with a name that
// does not exist, so that only proxies reach it which connect to the text themselves, such as ingress controllers:
// they connect to the port of the Service, and no targetPort matters to them.
func (e *entry) mendAlias() bool {
	text := strings.TrimSuffix(strings.TrimSpace(e.service.Spec.ExternalName), ".")
	address, err := netip.ParseAddr(withDefault(text))
	if err != nil {
		return false
	}
	ip := text
	if !hasVariable(text) {
		ip = address.Unmap().String()
	}
	e.Addresses = []values.Address{{IP: ip}}
	for _, port := range e.service.Spec.Ports {
		if targetPort(port, port.Port) != intstr.FromInt32(port.Port) {
			e.note(describeTarget(port), "%s; connections go to port %d of the address: if that is wrong, add a targetPort to the port",
				noEffect, port.Port)
		}
		e.Ports = append(e.Ports, newPort(port))
	}
	e.reportOfAlias()
	if len(e.Ports) == 0 {
		e.refuse("add the ports of the address, and remove the #", "externalName %s is an IP address, not a DNS name, "+
			"and an entry with an address needs ports: the Service does not have any", text)
		return true
	}
	e.mended("externalName: "+text, "an IP address is not a DNS name, and only proxies that connect to it themselves reached it; "+
		"the entry has it as an address, with the ports of the Service")
	return true
}

// reportAliasTarget reports a targetPort of an alias.
func (e *entry) reportAliasTarget(port corev1.ServicePort) {
	switch {
	case e.strict:
		e.notCarriedOver(describeTarget(port), noEffect)
	case port.TargetPort.Type == intstr.String:
		e.note(describeTarget(port), noEffect)
	default:
		e.note(describeTarget(port), "%s, and clients connect to port %d. To let them reach %s, write addresses: [{host: %s}] "+
			"in place of externalName, the port with targetPort: %s, and resolver.enabled: true",
			noEffect, port.Port, port.TargetPort.String(), strings.TrimSuffix(e.ExternalName, "."), port.TargetPort.String())
	}
}
