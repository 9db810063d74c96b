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

// targetPort is the targetPort of a port, or a number if it is unset.
func targetPort(port corev1.ServicePort, unset int32) intstr.IntOrString {
	if target := port.TargetPort; target.Type == intstr.String || target.IntVal != 0 {
		return target
	}
	return intstr.FromInt32(unset)
}

func describeTarget(port corev1.ServicePort) string {
	return fmt.Sprintf("targetPort %s of port %d", port.TargetPort.String(), port.Port)
}

// compareAppProtocol reports an application protocol of the addresses that the Service does not have. A headless
// Service without ports gets the port.
func (e *entry) compareAppProtocol(object string, key portKey, port discoveryv1.EndpointPort) {
	i := slices.IndexFunc(e.servicePorts, func(p corev1.ServicePort) bool { return keyOf(p) == key })
	switch {
	case i < 0 && len(e.service.Spec.Ports) == 0 && e.Headless != nil:
		own := corev1.ServicePort{Name: key.name, Protocol: key.protocol, Port: *port.Port, AppProtocol: port.AppProtocol}
		e.servicePorts = append(e.servicePorts, own)
		e.note("ports", "the Service has none, so the entry has those of its addresses")
	case i >= 0 && port.AppProtocol != nil && *port.AppProtocol != ptr.Deref(e.servicePorts[i].AppProtocol, ""):
		e.notCarriedOver(fmt.Sprintf("appProtocol %s of the port %s of the %s", *port.AppProtocol, key, object),
			"an entry has one for the Service and its addresses, and the Service has %s",
			cmp.Or(ptr.Deref(e.servicePorts[i].AppProtocol, ""), "none"))
	}
}

// addPorts carries over the ports of the Service, with their numbers at the addresses.
func (e *entry) addPorts() {
	if !e.strict && e.Headless == nil {
		e.mendPortNames()
	}
	onlyAddresses := map[portKey]int32{} // ports that the Service does not have
	for _, a := range e.list {
		maps.Copy(onlyAddresses, a.ports)
	}
	var onlyService []corev1.ServicePort // ports that no address has
	for _, port := range e.servicePorts {
		key := keyOf(port)
		delete(onlyAddresses, key)
		number, isThere := e.numberOf(key)
		switch {
		case isThere:
		case len(e.list) == 0:
			number = cmp.Or(port.TargetPort.IntVal, port.Port)
		case e.Headless != nil:
			e.note(fmt.Sprintf("port %d", port.Port), "the addresses do not have it, and will: DNS answers it in SRV records")
			number = port.Port
		default:
			onlyService = append(onlyService, port)
			continue
		}
		e.addPort(port, number)
	}
	if len(e.Ports) == 0 && len(onlyService) > 0 {
		e.refuseMismatch(onlyService, onlyAddresses)
		return
	}
	for _, port := range onlyService {
		e.notCarriedOver(fmt.Sprintf("port %s %d", keyOf(port), port.Port), "no address has it, so no connection succeeds")
	}
	for _, key := range sortedPorts(onlyAddresses) {
		what := fmt.Sprintf("port %s %d of the addresses", key, onlyAddresses[key])
		e.notCarriedOver(what, "the Service has no port of this name and protocol")
	}
}

// refuseMismatch refuses an entry of which no port works. The comment has what was probably meant.
func (e *entry) refuseMismatch(ports []corev1.ServicePort, atAddresses map[portKey]int32) {
	var there []string
	for _, key := range sortedPorts(atAddresses) {
		there = append(there, fmt.Sprintf("%s %d", key, atAddresses[key]))
	}
	for _, port := range ports {
		number := cmp.Or(port.TargetPort.IntVal, port.Port)
		if len(atAddresses) == 1 && len(ports) == 1 {
			number = slices.Collect(maps.Values(atAddresses))[0]
		}
		e.addPort(port, number)
	}
	e.refuse("the entry gives both the same names and protocols: check it, and remove the #",
		"no connection succeeds today: the Service has the port %s, and its addresses have %s",
		keyOf(ports[0]), cmp.Or(findings.Some(there, ", "), "no port"))
}

// addPort adds a port with its number at the addresses. The target port of the Service is that of the pods.
func (e *entry) addPort(port corev1.ServicePort, number int32) {
	hasPods := len(e.Selector) > 0
	if !hasPods && targetPort(port, number) != intstr.FromInt32(number) {
		e.note(describeTarget(port), "it has no effect without a selector: connections go to %d, the port of the addresses", number)
	}
	p := newPort(port)
	switch {
	case number == port.Port || len(e.list) == 0 && (hasPods || e.Headless != nil):
	case e.Headless == nil:
		p.TargetPort = int(number)
	default:
		e.changePort(&p, number, "addresses")
	}
	target := targetPort(port, port.Port)
	switch {
	case !hasPods || target == intstr.FromInt(cmp.Or(p.TargetPort, p.Port)):
	case e.Headless != nil && target.Type == intstr.Int && len(e.list) == 0:
		e.changePort(&p, target.IntVal, "pods")
	default:
		p.PodPort = &target
	}
	e.Ports = append(e.Ports, p)
}

// changePort changes the port of a headless Service, where clients connect to the port of the addresses or pods.
func (e *entry) changePort(p *values.Port, number int32, of string) {
	e.notCarriedOver(fmt.Sprintf("port %d", p.Port),
		"a headless Service cannot change the port: clients call %d, that of the %s, and so the entry has that", number, of)
	p.Port = int(number)
}

// numberOf is the number of a port at the addresses. If they differ, the entry is refused, with the number that
// most of them have.
func (e *entry) numberOf(key portKey) (number int32, isThere bool) {
	counts := map[int32]int{}
	var each []string
	for _, a := range e.list {
		if n, ok := a.ports[key]; ok {
			counts[n]++
			each = append(each, textOf(a.Address)+" "+strconv.Itoa(int(n)))
		} else {
			each = append(each, textOf(a.Address)+" none")
		}
	}
	if len(counts) == 0 {
		return 0, false
	}
	number = slices.MaxFunc(slices.Sorted(maps.Keys(counts)), func(a, b int32) int { return counts[a] - counts[b] })
	if counts[number] != len(e.list) {
		e.refuse("write an entry for each", "the port %s differs between the addresses (%s), "+
			"and a port of an entry has one number", key, strings.Join(each, ", "))
	}
	return number, true
}
