package plan

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"external-services/tools/findings"
	"external-services/tools/service"
)

// changedPorts lists the ports that keep their number and protocol and get another name, and those that are gone.
func changedPorts(before, after *service.Mapping) (renamed, removed []string) {
	for _, from := range before.Ports {
		i := slices.IndexFunc(after.Ports, func(to service.Port) bool {
			return from.Port == to.Port && from.Protocol == to.Protocol
		})
		if i < 0 {
			removed = append(removed, from.String())
		} else if to := after.Ports[i]; from.Name != to.Name {
			renamed = append(renamed, fmt.Sprintf("%s -> %s", cmp.Or(from.Name, "none"), cmp.Or(to.Name, "none")))
		}
	}
	return renamed, removed
}

// patchedPorts says what is wrong with the ports of a Service that is patched on the client's side, as Helm 3
// does: its strategic merge identifies a port by its number (kubernetes/kubernetes#39188). It is empty if they
// come out right.
func patchedPorts(before, after *corev1.Service) findings.Code {
	live := before.DeepCopy()
	for i := range live.Spec.Ports {
		live.Spec.Ports[i].Protocol = service.Protocol(live.Spec.Ports[i].Protocol) // as the API server stores it
	}
	patched := service.Merge(before, after, live)
	switch {
	case slices.Equal(sortedPorts(patched), sortedPorts(after)):
		return ""
	case len(patched.Spec.Ports) == 0:
		return findings.PortsByNumberRefused
	}
	return findings.PortsByNumber
}

// sortedPorts are the names, numbers and protocols of a Service's ports.
func sortedPorts(o *corev1.Service) []string {
	var ports []string
	for _, p := range o.Spec.Ports {
		ports = append(ports, fmt.Sprintf("%s %d/%s", p.Name, p.Port, service.Protocol(p.Protocol)))
	}
	slices.Sort(ports)
	return ports
}
