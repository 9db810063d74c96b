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
	isStored := g.Service.UID != "" // and its endpoints may be those that Kubernetes made for the selector
	if !isStored && (len(g.Slices) > 0 || g.Endpoints != nil) {
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

// giveNames renames ports of the endpoints. kube-proxy joins ports by name and protocol, so a connection needs the
// same name in the Service and in its endpoints. What is meant is the one renaming by which every port of the Service
// that has no endpoint gets one, at the number that it asks for. With one port left there is no other renaming, and its
// number may be any.
func giveNames(ofService []corev1.ServicePort, ofEndpoints []meantPort) {
	isJoined := func(s corev1.ServicePort, p meantPort) bool {
		return s.Name == *p.name && orTCP(s.Protocol) == p.protocol
	}
	idle := slices.DeleteFunc(slices.Clone(ofService), func(s corev1.ServicePort) bool {
		return slices.ContainsFunc(ofEndpoints, func(p meantPort) bool { return isJoined(s, p) })
	})
	var unused []meantPort // one for each name and protocol
	for _, p := range ofEndpoints {
		isUsed := slices.ContainsFunc(ofService, func(s corev1.ServicePort) bool { return isJoined(s, p) })
		if !isUsed && !slices.ContainsFunc(unused, func(other meantPort) bool { return p.key() == other.key() }) {
			unused = append(unused, p)
		}
	}
	var meant []map[string]string
	for _, way := range renamings(unused, idle) {
		isAsked := func(p meantPort) bool {
			i := slices.IndexFunc(idle, func(s corev1.ServicePort) bool { return s.Name == way[p.key()] && orTCP(s.Protocol) == p.protocol })
			asked := idle[i].TargetPort
			return asked.IntVal == p.number || asked.String() == "0" && idle[i].Port == p.number
		}
		if len(idle) == 1 || !slices.ContainsFunc(unused, func(p meantPort) bool { return !isAsked(p) }) {
			meant = append(meant, way)
		}
	}
	if len(meant) != 1 {
		return
	}
	for _, p := range ofEndpoints {
		if name, isRenamed := meant[0][p.key()]; isRenamed {
			*p.name = name
		}
	}
}

func (p meantPort) key() string { return *p.name + "/" + string(p.protocol) }

// renamings are all ways to give each port the name of another one of the Service, of its protocol.
func renamings(ports []meantPort, names []corev1.ServicePort) (all []map[string]string) {
	if len(ports) != len(names) {
		return nil
	}
	if len(ports) == 0 {
		return []map[string]string{{}}
	}
	for i, s := range names {
		if orTCP(s.Protocol) != ports[0].protocol {
			continue
		}
		for _, way := range renamings(ports[1:], slices.Delete(slices.Clone(names), i, i+1)) {
			way[ports[0].key()] = s.Name
			all = append(all, way)
		}
	}
	return all
}
