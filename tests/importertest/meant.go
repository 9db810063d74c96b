package importertest

import (
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// Meant is what Of says after the objects were changed to what they plainly mean: an alias of an IP address sends
// its ports there, a selector gives way to endpoints that were written by hand, and a port has one name. Like Of,
// it shares no code with the import.
func Meant(services []*corev1.Service, endpoints []*Endpoints, slices []*discoveryv1.EndpointSlice) map[string]Meaning {
	for _, service := range services {
		g := Group{Service: service}
		for _, e := range endpoints {
			if keyOf(e.Namespace, e.Name) == keyOf(service.Namespace, service.Name) {
				g.Endpoints = e
			}
		}
		for _, s := range slices {
			if keyOf(s.Namespace, s.Labels[discoveryv1.LabelServiceName]) == keyOf(service.Namespace, service.Name) {
				g.Slices = append(g.Slices, s)
			}
		}
		if slice := g.mean(); slice != nil {
			slices = append(slices, slice)
		}
	}
	return Of(services, endpoints, slices)
}

// mean changes the objects of a group to what they mean, and returns the slice that an alias of an IP address means.
func (g Group) mean() *discoveryv1.EndpointSlice {
	spec := &g.Service.Spec
	if spec.Type == corev1.ServiceTypeExternalName {
		ip, err := netip.ParseAddr(strings.TrimRight(strings.TrimSpace(spec.ExternalName), "."))
		if err != nil || len(spec.Ports) == 0 {
			return nil
		}
		slice := &discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{{Addresses: []string{ip.Unmap().String()}}}}
		slice.Namespace, slice.Labels = g.Service.Namespace, map[string]string{discoveryv1.LabelServiceName: g.Service.Name}
		for _, p := range spec.Ports {
			slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &p.Name, Protocol: &p.Protocol, Port: &p.Port})
		}
		*spec = corev1.ServiceSpec{Ports: spec.Ports}
		return slice
	}
	if len(g.Slices) > 0 || g.Endpoints != nil {
		spec.Selector = nil
	}
	for _, slice := range g.Slices {
		for i, p := range slice.Ports {
			if p.Name == nil {
				slice.Ports[i].Name = new(string)
			}
			if p.Port != nil {
				*slice.Ports[i].Name = meantName(spec.Ports, *slice.Ports[i].Name, *p.Port, len(slice.Ports))
			}
		}
	}
	if g.Endpoints != nil {
		for _, subset := range g.Endpoints.Subsets {
			for i, p := range subset.Ports {
				subset.Ports[i].Name = meantName(spec.Ports, p.Name, p.Port, len(subset.Ports))
			}
		}
	}
	return nil
}

// meantName is the name that a port of the endpoints means: its own if the Service has it, that of the only port, or
// that of the port which leads to its number.
func meantName(ports []corev1.ServicePort, name string, number int32, count int) string {
	if slices.ContainsFunc(ports, func(p corev1.ServicePort) bool { return p.Name == name }) {
		return name
	}
	if len(ports) == 1 && count == 1 {
		return ports[0].Name
	}
	for _, p := range ports {
		if p.TargetPort.IntVal == number || p.TargetPort.String() == "0" && p.Port == number {
			return p.Name
		}
	}
	return name
}
