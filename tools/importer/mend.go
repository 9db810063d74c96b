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
