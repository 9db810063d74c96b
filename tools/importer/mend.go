package importer

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"external-services/tools/findings"
	"external-services/tools/service"
	"external-services/tools/values"
)

// What people write and does not do what it plainly means: the entry has the meaning, with a finding.

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

// mendIP writes an IP address as Kubernetes writes it.
func (e *entry) mendIP(a *values.Address, text string) {
	ip := strings.TrimSpace(text)
	if address, err := netip.ParseAddr(ip); err == nil {
		ip = address.Unmap().String()
	}
	if a.IP = ip; ip != text {
		e.mended("address "+text, "Kubernetes writes it as %s", ip)
	}
}

// mendPortNames gives ports of the addresses the names of the Service's ports, where only one reading is possible:
// kube-proxy joins them by name and protocol, and proxies that look at the number work whatever the names are.
func (e *entry) mendPortNames() {
	atAddresses := map[portKey]int32{}
	for _, a := range e.list {
		maps.Copy(atAddresses, a.ports)
	}
	var alone []corev1.ServicePort
	for _, port := range e.servicePorts {
		if _, isThere := atAddresses[keyOf(port)]; !isThere {
			alone = append(alone, port)
		}
		delete(atAddresses, keyOf(port))
	}
	for from, port := range pairPorts(alone, atAddresses) {
		to := keyOf(port)
		for _, a := range e.list {
			if number, isThere := a.ports[from]; isThere {
				delete(a.ports, from)
				a.ports[to] = number
			}
		}
		e.mended("port "+to.String(), "the addresses have it as %s, so no connection through the Service succeeded; the entry gives both one name", from)
	}
}

// pairPorts pairs each port of a Service with one of the addresses, by the number, or if there is one of each. It
// returns nothing if one is left over.
func pairPorts(ports []corev1.ServicePort, atAddresses map[portKey]int32) map[portKey]corev1.ServicePort {
	if len(ports) != len(atAddresses) {
		return nil
	}
	pairs := map[portKey]corev1.ServicePort{}
	for _, port := range ports {
		var fitting []portKey
		for _, key := range sortedPorts(atAddresses) {
			isSame := targetPort(port, port.Port) == intstr.FromInt32(atAddresses[key])
			if key.protocol == service.Protocol(port.Protocol) && (isSame || len(ports) == 1) {
				fitting = append(fitting, key)
			}
		}
		if len(fitting) != 1 {
			return nil
		}
		pairs[fitting[0]] = port
	}
	if len(pairs) != len(ports) {
		return nil
	}
	return pairs
}

// isMeantWithoutSelector says whether a Service of a manifest has a selector and endpoints that were written by
// hand. A cluster shows what its controllers made of them.
func (o *Objects) isMeantWithoutSelector(svc *corev1.Service) bool {
	if o.Strict || o.Selectors || !service.HasSelector(svc) || isStored(svc) {
		return false
	}
	key := service.KeyOf(svc)
	endpoints, _ := o.byKind[kindEndpoints][key].Object.(*service.Endpoints)
	if endpoints != nil && !isStored(endpoints) && len(endpoints.Subsets) > 0 {
		return true
	}
	for _, m := range o.byKind[kindSlice] {
		slice := m.Object.(*discoveryv1.EndpointSlice)
		if service.ServiceOf(slice) == key && !service.OfPods(slice) && !isStored(slice) && len(slice.Endpoints) > 0 {
			return true
		}
	}
	return false
}

// dropSelector leaves out the selector.
func (e *entry) dropSelector() {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(e.service.Spec.Selector)) {
		pairs = append(pairs, key+"="+e.service.Spec.Selector[key])
	}
	e.service = e.service.DeepCopy()
	e.service.Spec.Selector = nil
	e.mended("selector "+findings.Some(pairs, ", "), "with a selector, Kubernetes writes the endpoints itself, from pods, and those "+
		"written by hand are replaced or share the connections; the entry has only these. If pods have these labels, add selector and backend: both")
}
