package importer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"external-services/tools/findings"
	"external-services/tools/service"
	"external-services/tools/values"
)

// portKey is how kube-proxy finds the endpoints of a port.
type portKey struct {
	name     string
	protocol corev1.Protocol
}

func keyOf(port corev1.ServicePort) portKey {
	return portKey{port.Name, service.Protocol(port.Protocol)}
}

func (k portKey) String() string {
	name := cmp.Or(k.name, "unnamed")
	if k.protocol == corev1.ProtocolTCP {
		return name
	}
	return name + "/" + string(k.protocol)
}

func sortedPorts(ports map[portKey]int32) []portKey {
	return slices.SortedFunc(maps.Keys(ports), func(a, b portKey) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.protocol, b.protocol))
	})
}

func newPort(port corev1.ServicePort) values.Port {
	p := values.Port{Name: port.Name, Port: int(port.Port), AppProtocol: ptr.Deref(port.AppProtocol, "")}
	if service.Protocol(port.Protocol) != corev1.ProtocolTCP {
		p.Protocol = values.Protocol(port.Protocol)
	}
	return p
}

func targetPort(port corev1.ServicePort) string {
	return fmt.Sprintf("targetPort %s of port %d", port.TargetPort.String(), port.Port)
}

// compareAppProtocol reports an application protocol of the addresses that the Service does not have. Missing
// ports of the Service are added.
func (r *addressReader) compareAppProtocol(object string, key portKey, port discoveryv1.EndpointPort) {
	i := slices.IndexFunc(r.ports, func(p corev1.ServicePort) bool { return keyOf(p) == key })
	switch {
	case i < 0 && r.missingPorts:
		own := corev1.ServicePort{Name: key.name, Protocol: key.protocol, Port: *port.Port, AppProtocol: port.AppProtocol}
		r.ports = append(r.ports, own)
		r.note("ports", "the Service has none, so the entry has those of its addresses")
	case i >= 0 && port.AppProtocol != nil && *port.AppProtocol != ptr.Deref(r.ports[i].AppProtocol, ""):
		r.notCarriedOver(fmt.Sprintf("appProtocol %s of the port %s of the %s", *port.AppProtocol, key, object),
			"an entry has one for the Service and its addresses, and the Service has %s",
			cmp.Or(ptr.Deref(r.ports[i].AppProtocol, ""), "none"))
	}
}

// addPorts carries over the ports of the Service, with their numbers at the addresses.
func (r *addressReader) addPorts() {
	onlyAddresses := map[portKey]int32{} // ports that the Service does not have
	for _, e := range r.list {
		maps.Copy(onlyAddresses, e.ports)
	}
	var onlyService []corev1.ServicePort // ports that no address has
	for _, port := range r.ports {
		key := keyOf(port)
		delete(onlyAddresses, key)
		number, isThere := r.numberOf(key)
		switch {
		case isThere:
		case len(r.list) == 0:
			number = port.Port
			if port.TargetPort.Type == intstr.Int && port.TargetPort.IntVal != 0 {
				number = port.TargetPort.IntVal
			}
		case r.Headless != nil:
			r.note(fmt.Sprintf("port %d", port.Port), "the addresses do not have it, and will: DNS answers it in SRV records")
			number = port.Port
		default:
			onlyService = append(onlyService, port)
			continue
		}
		r.addPort(port, number)
	}
	if len(r.Ports) == 0 && len(onlyService) > 0 {
		r.refuseMismatch(onlyService, onlyAddresses)
		return
	}
	for _, port := range onlyService {
		r.notCarriedOver(fmt.Sprintf("port %s %d", keyOf(port), port.Port), "no address has it, so no connection succeeds")
	}
	for _, key := range sortedPorts(onlyAddresses) {
		what := fmt.Sprintf("port %s %d of the addresses", key, onlyAddresses[key])
		r.notCarriedOver(what, "the Service has no port of this name and protocol")
	}
}

// refuseMismatch refuses an entry of which no port works. The comment has what was probably meant.
func (r *addressReader) refuseMismatch(ports []corev1.ServicePort, atAddresses map[portKey]int32) {
	var there []string
	for _, key := range sortedPorts(atAddresses) {
		there = append(there, fmt.Sprintf("%s %d", key, atAddresses[key]))
	}
	for _, port := range ports {
		if len(atAddresses) == 1 && len(ports) == 1 {
			r.addPort(port, slices.Collect(maps.Values(atAddresses))[0])
		} else {
			r.Ports = append(r.Ports, newPort(port))
		}
	}
	r.refuse("the entry gives both the same names and protocols: check it, and remove the #",
		"no connection succeeds today: the Service has the port %s, and its addresses have %s",
		keyOf(ports[0]), cmp.Or(findings.Some(there, ", "), "no port"))
}

// addPort adds a port with its number at the addresses.
func (r *addressReader) addPort(port corev1.ServicePort, number int32) {
	target := port.TargetPort
	if len(r.Selector) == 0 && (target.Type == intstr.String || target.IntVal != 0 && target.IntVal != number) {
		r.note(targetPort(port), "it has no effect without a selector: connections go to %d, the port of the addresses", number)
	}
	p := newPort(port)
	switch {
	case number == port.Port:
	case r.Headless == nil:
		p.TargetPort = int(number)
	case len(r.list) > 0:
		r.changePort(&p, number, "addresses")
	}
	r.Ports = append(r.Ports, p)
}

// numberOf is the number of a port at the addresses. If they differ, the entry is refused, with the number that
// most of them have.
func (r *addressReader) numberOf(key portKey) (number int32, isThere bool) {
	counts := map[int32]int{}
	var each []string
	for _, e := range r.list {
		if n, ok := e.ports[key]; ok {
			counts[n]++
			each = append(each, e.IP+" "+strconv.Itoa(int(n)))
		} else {
			each = append(each, e.IP+" none")
		}
	}
	if len(counts) == 0 {
		return 0, false
	}
	number = slices.MaxFunc(slices.Sorted(maps.Keys(counts)), func(a, b int32) int { return counts[a] - counts[b] })
	if counts[number] != len(r.list) {
		r.refuse("write an entry for each", "the port %s differs between the addresses (%s), "+
			"and a port of an entry has one number", key, strings.Join(each, ", "))
	}
	return number, true
}
