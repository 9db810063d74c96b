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
	var ports []meantPort
	for _, slice := range g.Slices {
		for i, p := range slice.Ports {
			if p.Name == nil {
				slice.Ports[i].Name = new(string)
			}
			if p.Port != nil {
				protocol := corev1.ProtocolTCP
				if p.Protocol != nil {
					protocol = orTCP(*p.Protocol)
				}
				ports = append(ports, meantPort{slice.Ports[i].Name, protocol, *p.Port})
			}
		}
	}
	if g.Endpoints != nil {
		for _, subset := range g.Endpoints.Subsets {
			for i, p := range subset.Ports {
				ports = append(ports, meantPort{&subset.Ports[i].Name, orTCP(p.Protocol), p.Port})
			}
		}
	}
	giveNames(spec.Ports, ports)
	return nil
}

// meantPort is a port of endpoints, with the name that is to change.
type meantPort struct {
	name     *string
	protocol corev1.Protocol
	number   int32
}

// giveNames gives ports of the endpoints that no port of the Service has the names that they mean: that of the only
// port that is left, or of the only one that leads to its number. If one stays without, none changes.
func giveNames(ofService []corev1.ServicePort, ofEndpoints []meantPort) {
	var left []corev1.ServicePort
	for _, s := range ofService {
		if !slices.ContainsFunc(ofEndpoints, func(p meantPort) bool { return *p.name == s.Name && p.protocol == orTCP(s.Protocol) }) {
			left = append(left, s)
		}
	}
	names, taken := map[string]string{}, map[string]bool{}
	for _, p := range ofEndpoints {
		if slices.ContainsFunc(ofService, func(s corev1.ServicePort) bool { return *p.name == s.Name && p.protocol == orTCP(s.Protocol) }) {
			continue
		}
		var fits []string
		for _, s := range left {
			leads := s.TargetPort.IntVal == p.number || s.TargetPort.String() == "0" && s.Port == p.number
			if orTCP(s.Protocol) == p.protocol && (leads || len(left) == 1) {
				fits = append(fits, s.Name)
			}
		}
		key := *p.name + "/" + string(p.protocol)
		if _, isKnown := names[key]; isKnown {
			continue
		}
		if len(fits) != 1 || taken[fits[0]+"/"+string(p.protocol)] {
			return
		}
		names[key], taken[fits[0]+"/"+string(p.protocol)] = fits[0], true
	}
	if len(names) != len(left) {
		return
	}
	for _, p := range ofEndpoints {
		if name, isMeant := names[*p.name+"/"+string(p.protocol)]; isMeant {
			*p.name = name
		}
	}
}
