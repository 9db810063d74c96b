package importer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"external-services/tools/values"
)

// entry is an entry to write.
type entry struct {
	values.Entry

	// Losses say what of the objects the entry does not carry, and why. Remarks say what
	// surprises, without anything being lost.
	Losses  []string
	Remarks []string

	// Held are the reasons why the entry is written as a comment: the chart refuses it, or
	// it would mean something else than the objects.
	Held []string
}

func (e *entry) lose(what, format string, args ...any) {
	e.Losses = append(e.Losses, what+": "+fmt.Sprintf(format, args...))
}

func (e *entry) remark(what, format string, args ...any) {
	e.Remarks = append(e.Remarks, what+": "+fmt.Sprintf(format, args...))
}

func (e *entry) hold(format string, args ...any) {
	e.Held = append(e.Held, fmt.Sprintf(format, args...))
}

// convert makes the entry of a Service.
func (s *source) convert() *entry {
	e := &entry{Entry: values.Entry{Name: s.service.Name}}
	e.Namespace = s.service.Namespace
	for _, field := range s.unknown {
		e.lose(field, "is not a field that this program knows")
	}
	e.metadata(s.service)
	spec := s.service.Spec
	switch {
	case spec.Type == corev1.ServiceTypeExternalName:
		e.alias(s)
	case len(spec.Selector) > 0:
		e.pods(s)
	default:
		e.outside(s)
	}
	e.rest(s.service)
	return e
}

// The labels that the chart sets itself. Those of the first kind say only by which means
// an object was made.
var (
	silentLabels = map[string]bool{
		"helm.sh/chart": true, "app.kubernetes.io/managed-by": true, "external-services/backend": true,
		discoveryv1.LabelServiceName: true, discoveryv1.LabelManagedBy: true,
	}
	chartLabels = map[string]bool{"app.kubernetes.io/name": true, "app.kubernetes.io/instance": true}
)

// metadata carries the labels and annotations of the Service. Those that the chart refuses
// go when the chart is asked.
func (e *entry) metadata(service *corev1.Service) {
	e.Labels = pairs(service.Labels, func(key, value string) (string, bool) {
		if chartLabels[key] {
			e.remark("label "+key+"="+value, "the chart sets this one itself")
		}
		return value, !silentLabels[key] && !chartLabels[key]
	})
	e.Annotations = pairs(service.Annotations, func(key, value string) (string, bool) {
		// The chart expands an annotation as a template, and this one is none.
		return strings.ReplaceAll(value, "{{", `{{"{{"}}`), !strings.HasPrefix(key, "meta.helm.sh/")
	})
	if len(service.OwnerReferences) > 0 {
		owner := service.OwnerReferences[0]
		e.lose("ownerReferences", "%s %s made the Service, and it may undo what the chart changes: have it stop first", owner.Kind, owner.Name)
	}
	if len(service.Finalizers) > 0 {
		e.lose("finalizers", "%s: the chart sets none", strings.Join(service.Finalizers, ", "))
	}
}

func pairs(from map[string]string, keep func(key, value string) (string, bool)) values.Pairs {
	var kept values.Pairs
	for _, key := range slices.Sorted(maps.Keys(from)) {
		if value, ok := keep(key, from[key]); ok {
			if kept == nil {
				kept = values.Pairs{}
			}
			kept[key] = &value
		}
	}
	return kept
}

// alias makes an entry with an externalName.
func (e *entry) alias(s *source) {
	spec := s.service.Spec
	e.ExternalName = spec.ExternalName
	for _, port := range spec.Ports {
		p := newPort(port)
		switch target := port.TargetPort; {
		case target.Type == intstr.String, target.IntVal != 0 && target.IntVal != port.Port:
			e.lose(fmt.Sprintf("targetPort %s of port %d", target.String(), port.Port), "an alias cannot change the port, and it never had an effect")
		}
		e.Ports = append(e.Ports, p)
	}
	if len(spec.Selector) > 0 {
		e.lose("selector "+text(spec.Selector), "an alias reaches no pods")
	}
	if spec.ClusterIP == corev1.ClusterIPNone {
		e.lose("clusterIP: None", "an alias has no ClusterIP anyway")
	}
	if spec.SessionAffinity == corev1.ServiceAffinityClientIP {
		e.lose("sessionAffinity: ClientIP", "it has no effect on an alias")
	}
	if spec.TrafficDistribution != nil {
		e.lose("trafficDistribution: "+*spec.TrafficDistribution, "it has no effect on an alias")
	}
	if spec.PublishNotReadyAddresses {
		e.lose("publishNotReadyAddresses: true", "it has no effect on an alias")
	}
	e.families(spec, "an alias has no addresses")
	e.unused(s, "the Service is an alias, and clients never get there")
}

// unused notes the addresses of a Service that does not reach them.
func (e *entry) unused(s *source, why string) {
	if s.endpoints != nil && len(s.endpoints.Subsets) > 0 {
		e.lose("Endpoints "+s.endpoints.Name, "%s", why)
	}
	for _, slice := range s.slices {
		if len(slice.Endpoints) > 0 {
			e.lose("EndpointSlice "+slice.Name, "%s", why)
		}
	}
}

// pods makes an entry with a selector, and with addresses too where somebody wrote
// EndpointSlices for the Service.
func (e *entry) pods(s *source) {
	spec := s.service.Spec
	e.Backend = values.Cluster
	e.Selector = pairs(spec.Selector, func(_, value string) (string, bool) { return value, true })
	e.behaviour(spec)
	if s.endpoints != nil && len(s.endpoints.Subsets) > 0 {
		e.lose("Endpoints "+s.endpoints.Name, "Kubernetes overwrites those of every Service with a selector")
	}
	s.endpoints = nil
	e.addresses(s)
	if len(e.Addresses) > 0 {
		e.Backend = values.Both
	} else {
		e.Ports = nil
		for _, port := range spec.Ports {
			e.Ports = append(e.Ports, newPort(port))
		}
		policy := spec.IPFamilyPolicy
		if len(spec.IPFamilies) > 0 && spec.IPFamilies[0] == corev1.IPv6Protocol || policy != nil && *policy != corev1.IPFamilyPolicySingleStack {
			e.families(spec, "with the backend cluster the chart leaves the families to the cluster")
		}
	}
	for i := range e.Ports {
		p := &e.Ports[i]
		for _, port := range spec.Ports {
			if port.Name == p.Name && protocolOr(port.Protocol) == protocolOf(p.Protocol) {
				e.podPort(p, port)
			}
		}
	}
}

// podPort carries the port of the pods of a port.
func (e *entry) podPort(p *values.Port, port corev1.ServicePort) {
	target := port.TargetPort
	if target.Type == intstr.Int && target.IntVal == 0 {
		target = intstr.FromInt32(port.Port)
	}
	switch {
	case target == intstr.FromInt(cmp.Or(p.TargetPort, p.Port)):
	case e.Headless != nil && target.Type == intstr.Int && e.Backend == values.Cluster:
		e.lose(fmt.Sprintf("port %d", p.Port), "a headless Service cannot change the port, and clients have to call %d, that of the pods: the entry has that", target.IntVal)
		p.Port = int(target.IntVal)
	default:
		p.PodPort = &target
	}
}

// outside makes an entry with addresses.
func (e *entry) outside(s *source) {
	e.behaviour(s.service.Spec)
	e.addresses(s)
	if len(e.Addresses) == 0 && len(e.Held) == 0 {
		e.hold("no address outside was read: the Service has no selector, and there is no Endpoints or EndpointSlice with an address for it")
	}
}

// behaviour carries how connections are handled.
func (e *entry) behaviour(spec corev1.ServiceSpec) {
	yes := true
	if spec.ClusterIP == corev1.ClusterIPNone {
		e.Headless = &yes
	}
	if spec.SessionAffinity == corev1.ServiceAffinityClientIP {
		e.SessionAffinity = values.AffinityClientIP
		if config := spec.SessionAffinityConfig; config != nil && config.ClientIP != nil && config.ClientIP.TimeoutSeconds != nil &&
			*config.ClientIP.TimeoutSeconds != corev1.DefaultClientIPServiceAffinitySeconds {
			e.SessionAffinityTimeoutSeconds = int(*config.ClientIP.TimeoutSeconds)
		}
	}
	if spec.TrafficDistribution != nil {
		e.TrafficDistribution = values.TrafficDistribution(*spec.TrafficDistribution)
	}
	if spec.PublishNotReadyAddresses {
		e.PublishNotReadyAddresses = &yes
	}
}

func newPort(port corev1.ServicePort) values.Port {
	p := values.Port{Name: port.Name, Port: int(port.Port)}
	if protocolOr(port.Protocol) != corev1.ProtocolTCP {
		p.Protocol = values.Protocol(port.Protocol)
	}
	if port.AppProtocol != nil {
		p.AppProtocol = *port.AppProtocol
	}
	return p
}

func protocolOr(p corev1.Protocol) corev1.Protocol { return cmp.Or(p, corev1.ProtocolTCP) }

func protocolOf(p values.Protocol) corev1.Protocol { return protocolOr(corev1.Protocol(p)) }

// portKey is what kube-proxy finds the endpoints of a port of a Service by.
type portKey struct {
	name     string
	protocol corev1.Protocol
}

// endpoint is one address outside.
type endpoint struct {
	values.Address
	ready, draining bool
	hints           []string
	ports           map[portKey]int32
}

// reading collects the endpoints of a Service.
type reading struct {
	*entry
	service *corev1.Service
	list    []*endpoint
	byIP    map[string]*endpoint
	ports   map[portKey]map[string]string // the appProtocols of a port, by the object that has them
}

// addresses carries the endpoints of a Service, and its ports with the numbers that the
// endpoints have for them.
func (e *entry) addresses(s *source) {
	r := &reading{entry: e, service: s.service, byIP: map[string]*endpoint{}, ports: map[portKey]map[string]string{}}
	used := slices.ContainsFunc(s.slices, func(slice *discoveryv1.EndpointSlice) bool { return len(slice.Endpoints) > 0 })
	if s.endpoints != nil {
		switch {
		case !used:
			e.EndpointsKind = values.EndpointsLegacy
			r.legacy(s.endpoints)
			if s.endpoints.Labels[skipMirror] == "true" && len(r.list) > 0 {
				e.hold("the Endpoints have the label %s, so that no connection gets to their addresses today; the chart does not set it", skipMirror)
			}
		case s.endpoints.Labels[skipMirror] == "true":
			e.lose("Endpoints "+s.endpoints.Name, "they have the label %s, and an entry has either Endpoints or EndpointSlices", skipMirror)
		default:
			r.legacy(s.endpoints)
			e.lose("Endpoints "+s.endpoints.Name, "an entry has either Endpoints or EndpointSlices; the addresses of both are in the entry")
		}
	}
	for _, slice := range s.slices {
		r.slice(slice)
	}
	r.inFamilies()
	if len(r.list) == 0 {
		e.EndpointsKind = ""
	}
	r.readiness()
	for _, endpoint := range r.list {
		e.Addresses = append(e.Addresses, endpoint.Address)
	}
	r.hints()
	r.resolvePorts()
}

// metadataOf notes labels and annotations that only the endpoints have: those of an entry
// are on all of its objects.
func (r *reading) metadataOf(kind string, object metav1.Object) {
	for _, pair := range []struct {
		what string
		own  map[string]string
		all  map[string]string
	}{
		{"label", object.GetLabels(), r.service.Labels},
		{"annotation", object.GetAnnotations(), r.service.Annotations},
	} {
		for _, key := range slices.Sorted(maps.Keys(pair.own)) {
			value, ok := pair.all[key]
			if ok && value == pair.own[key] || silentLabels[key] || key == skipMirror || chartLabels[key] && ok || strings.HasPrefix(key, "meta.helm.sh/") ||
				key == corev1.IsHeadlessService || key == "endpoints.kubernetes.io/managed-by" {
				continue
			}
			r.lose(fmt.Sprintf("%s %s=%s of the %s %s", pair.what, key, pair.own[key], kind, object.GetName()), "those of an entry are on its Service too, which does not have it")
		}
	}
	if owners := object.GetOwnerReferences(); len(owners) > 0 && owners[0].Kind != "Service" {
		r.lose(fmt.Sprintf("ownerReferences of the %s %s", kind, object.GetName()), "%s %s made it, and it may undo what the chart changes", owners[0].Kind, owners[0].Name)
	}
}

// legacy reads an Endpoints object.
func (r *reading) legacy(endpoints *legacyEndpoints) {
	r.metadataOf("Endpoints", endpoints)
	for _, subset := range endpoints.Subsets {
		ports := map[portKey]int32{}
		for _, port := range subset.Ports {
			key := portKey{port.Name, protocolOr(port.Protocol)}
			ports[key] = port.Port
			r.appProtocol(key, "Endpoints", port.AppProtocol)
		}
		for i, addresses := range [][]corev1.EndpointAddress{subset.Addresses, subset.NotReadyAddresses} { //nolint:staticcheck // see legacyEndpoints
			for _, address := range addresses {
				if address.NodeName != nil {
					r.lose("nodeName "+*address.NodeName+" of "+address.IP, "addresses outside are on no node")
				}
				if ref := address.TargetRef; ref != nil {
					r.lose(fmt.Sprintf("targetRef %s %s of %s", ref.Kind, ref.Name, address.IP), "addresses outside are no object of the cluster")
				}
				r.add(&endpoint{Address: values.Address{IP: address.IP, Hostname: address.Hostname}, ready: i == 0, ports: maps.Clone(ports)})
			}
		}
	}
}

// chartSlice is what the chart has after the name of the Service in that of a slice.
var chartSlice = regexp.MustCompile(`^-ipv[46]-[0-9]+$`)

// slice reads an EndpointSlice.
func (r *reading) slice(slice *discoveryv1.EndpointSlice) {
	switch {
	case slice.AddressType == discoveryv1.AddressTypeFQDN:
		var names []string
		for _, endpoint := range slice.Endpoints {
			names = append(names, endpoint.Addresses...)
		}
		r.lose("EndpointSlice "+slice.Name, "it has DNS names (%s), to which Kubernetes sends no connection: an entry with externalName is an alias of one", some(names))
		return
	case slice.Labels[discoveryv1.LabelManagedBy] == endpointsController:
		if len(slice.Endpoints) > 0 {
			r.lose("EndpointSlice "+slice.Name, "it has the addresses of pods, left from when the Service had a selector")
		}
		return
	case slice.Labels[discoveryv1.LabelManagedBy] == mirroringController:
		r.remark("EndpointSlice "+slice.Name, "Kubernetes mirrored it from Endpoints that were not read")
	}
	r.metadataOf("EndpointSlice", slice)
	if slice.Labels[discoveryv1.LabelManagedBy] != mirroringController && !chartSlice.MatchString(strings.TrimPrefix(slice.Name, r.service.Name)) {
		r.remark("EndpointSlice "+slice.Name, "Helm does not take it over, as the chart names its own %s-ipv4-0 and so on; delete it when the release is installed", r.service.Name)
	}
	ports := map[portKey]int32{}
	for _, port := range slice.Ports {
		key := portKey{protocol: corev1.ProtocolTCP}
		if port.Name != nil {
			key.name = *port.Name
		}
		if port.Protocol != nil {
			key.protocol = protocolOr(*port.Protocol)
		}
		if port.Port == nil {
			r.lose(fmt.Sprintf("port %q of the EndpointSlice %s", key.name, slice.Name), "it has no number")
			continue
		}
		ports[key] = *port.Port
		r.appProtocol(key, "EndpointSlice "+slice.Name, port.AppProtocol)
	}
	for _, one := range slice.Endpoints {
		if len(one.Addresses) == 0 {
			continue
		}
		if rest := one.Addresses[1:]; len(rest) > 0 && r.Headless == nil {
			r.lose(fmt.Sprintf("addresses %s of the EndpointSlice %s", some(rest), slice.Name), "connections only go to the first address of an endpoint, %s", one.Addresses[0])
			one.Addresses = one.Addresses[:1]
		}
		for _, ip := range one.Addresses {
			r.sliceEndpoint(slice, one, ip, maps.Clone(ports))
		}
	}
}

func (r *reading) sliceEndpoint(slice *discoveryv1.EndpointSlice, one discoveryv1.Endpoint, ip string, ports map[portKey]int32) {
	found := &endpoint{Address: values.Address{IP: ip}, ready: one.Conditions.Ready == nil || *one.Conditions.Ready, ports: ports}
	if one.Hostname != nil {
		found.Hostname = *one.Hostname
	}
	if one.Zone != nil {
		found.Zone = *one.Zone
	}
	if one.NodeName != nil {
		r.lose("nodeName "+*one.NodeName+" of "+ip, "addresses outside are on no node")
	}
	if ref := one.TargetRef; ref != nil {
		r.lose(fmt.Sprintf("targetRef %s %s of %s", ref.Kind, ref.Name, ip), "addresses outside are no object of the cluster")
	}
	serves := one.Conditions.Serving == nil || *one.Conditions.Serving
	if one.Conditions.Terminating != nil && *one.Conditions.Terminating {
		if found.draining = serves && !found.ready; !found.draining {
			r.lose("terminating of "+ip, "an address outside is ready, not ready or draining")
		}
	}
	if serving := one.Conditions.Serving; serving != nil && *serving != found.ready && !found.draining {
		if found.ready && r.PublishNotReadyAddresses != nil {
			no := false
			found.Ready = &no // as the chart writes it with publishNotReadyAddresses
		} else {
			r.lose(fmt.Sprintf("serving: %t of %s", *serving, ip), "an address outside is ready or not")
		}
	}
	for key := range one.DeprecatedTopology {
		r.lose("deprecatedTopology "+key+" of "+ip, "Kubernetes does not read it")
	}
	if one.Hints != nil {
		for _, zone := range one.Hints.ForZones {
			found.hints = append(found.hints, zone.Name)
		}
		for _, node := range one.Hints.ForNodes {
			r.lose("hint for the node "+node.Name+" of "+ip, "addresses outside are on no node")
		}
	}
	r.add(found)
}

func (r *reading) appProtocol(key portKey, object string, protocol *string) {
	if protocol == nil {
		return
	}
	if r.ports[key] == nil {
		r.ports[key] = map[string]string{}
	}
	r.ports[key][object] = *protocol
}

// add adds an address. One that stands in several places has the ports of all of them, as
// the API server itself divides addresses by their ports.
func (r *reading) add(e *endpoint) {
	if ip, err := netip.ParseAddr(e.IP); err == nil && ip.Is6() && ip.Zone() == "" && !ip.Is4In6() && ip.String() != e.IP {
		e.IP = ip.String() // the chart takes the canonical form alone
	}
	old, ok := r.byIP[e.IP]
	if !ok {
		r.byIP[e.IP] = e
		r.list = append(r.list, e)
		return
	}
	if old.ready != e.ready {
		r.hold("the address %s stands twice, once ready and once not", e.IP)
	}
	if old.Hostname != e.Hostname && r.Headless != nil {
		r.hold("the address %s stands twice, with the host names %q and %q, which DNS both answers; an address of an entry has one", e.IP, old.Hostname, e.Hostname)
	}
	for _, field := range []struct{ what, old, new string }{{"hostname", old.Hostname, e.Hostname}, {"zone", old.Zone, e.Zone}} {
		if field.old != field.new {
			r.lose(fmt.Sprintf("%s %q of %s", field.what, field.new, e.IP), "the address stands twice, and first with the %s %q", field.what, field.old)
		}
	}
	for _, key := range sortedPorts(e.ports) {
		if number, ok := old.ports[key]; ok && number != e.ports[key] {
			r.hold("the address %s has two numbers for the port %s, %d and %d, and a port of an entry has one", e.IP, key, number, e.ports[key])
			continue
		}
		old.ports[key] = e.ports[key]
	}
}

func (k portKey) String() string {
	name := cmp.Or(k.name, "unnamed")
	if k.protocol == corev1.ProtocolTCP {
		return name
	}
	return name + "/" + string(k.protocol)
}

func sortedPorts[T any](ports map[portKey]T) []portKey {
	return slices.SortedFunc(maps.Keys(ports), func(a, b portKey) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.protocol, b.protocol))
	})
}

// families notes the families of a Service, for a reason that the chart has others.
func (e *entry) families(spec corev1.ServiceSpec, why string) {
	if spec.IPFamilyPolicy != nil && (*spec.IPFamilyPolicy != corev1.IPFamilyPolicySingleStack || len(spec.IPFamilies) > 0 && spec.IPFamilies[0] == corev1.IPv6Protocol) {
		e.lose(strings.TrimSpace(fmt.Sprintf("ipFamilyPolicy: %s %v", *spec.IPFamilyPolicy, spec.IPFamilies)), "%s", why)
	} else if len(spec.IPFamilies) > 0 {
		e.lose(fmt.Sprintf("ipFamilies: %v", spec.IPFamilies), "%s", why)
	}
}

// inFamilies drops the addresses of a family that the Service does not have, to which no
// connection goes, and notes families that the chart would choose differently. DNS answers
// all addresses of a headless Service, whatever its families.
func (r *reading) inFamilies() {
	spec := r.service.Spec
	if r.Headless != nil {
		return
	}
	policy := corev1.IPFamilyPolicySingleStack
	if spec.IPFamilyPolicy != nil {
		policy = *spec.IPFamilyPolicy
	}
	families := map[corev1.IPFamily]bool{}
	if len(spec.IPFamilies) == 1 && policy == corev1.IPFamilyPolicySingleStack {
		var outside []string
		r.list = slices.DeleteFunc(r.list, func(e *endpoint) bool {
			other := familyOf(e.IP) != spec.IPFamilies[0]
			if other {
				outside = append(outside, e.IP)
			}
			return other
		})
		if len(outside) > 0 {
			r.lose("addresses "+some(outside), "the Service is %s alone, and no connection went there", spec.IPFamilies[0])
		}
	}
	for _, e := range r.list {
		families[familyOf(e.IP)] = true
	}
	switch {
	case len(r.list) == 0:
	case len(families) == 1 && policy != corev1.IPFamilyPolicySingleStack:
		family := slices.Collect(maps.Keys(families))[0]
		r.lose(fmt.Sprintf("ipFamilyPolicy: %s", policy), "all addresses are %s, and so the chart makes the Service", family)
	case len(families) == 2 && policy == corev1.IPFamilyPolicyRequireDualStack:
		r.lose("ipFamilyPolicy: RequireDualStack", "the chart writes PreferDualStack, which is the same where the cluster has both families")
	case len(families) == 2 && spec.IPFamilyPolicy == nil:
		r.remark("ipFamilyPolicy", "the addresses are of both families, and so the chart makes the Service, where it had one of them")
	}
	if len(families) == 2 && len(spec.IPFamilies) == 2 && spec.IPFamilies[0] == corev1.IPv6Protocol {
		r.lose("ipFamilies: [IPv6 IPv4]", "the chart leaves to the cluster which family comes first")
	}
}

func familyOf(ip string) corev1.IPFamily {
	if strings.Contains(ip, ":") {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}

// readiness writes which addresses are out of use. With publishNotReadyAddresses the chart
// makes every address ready, which Kubernetes does for pods alone.
func (r *reading) readiness() {
	no := false
	for _, e := range r.list {
		if e.ready {
			continue
		}
		if r.PublishNotReadyAddresses != nil {
			r.PublishNotReadyAddresses = nil
			for _, other := range r.list {
				other.Ready = nil
			}
			r.lose("publishNotReadyAddresses: true", "the chart would have connections go to %s, which is not ready, and they did not: Kubernetes heeds it for pods alone", e.IP)
		}
		if e.draining && slices.ContainsFunc(r.list, func(other *endpoint) bool {
			return other.ready && strings.Contains(other.IP, ":") == strings.Contains(e.IP, ":")
		}) {
			yes := true
			e.Draining = &yes
			continue
		}
		if e.draining {
			r.lose("terminating of "+e.IP, "no other address is ready, so the chart would not keep connections from it")
		}
		e.Ready = &no
	}
}

// hints notes hints for zones other than those that the chart writes.
func (r *reading) hints() {
	byZone := r.TrafficDistribution == values.PreferClose || r.TrafficDistribution == values.PreferSameZone
	for _, e := range r.list {
		var want []string
		if byZone && e.Zone != "" {
			want = []string{e.Zone}
		}
		switch {
		case slices.Equal(want, e.hints):
		case len(e.hints) == 0:
			r.lose(fmt.Sprintf("%s without a hint for its zone", e.IP), "with trafficDistribution the chart writes hints, and clients of the zone begin to prefer the address")
		case byZone:
			r.lose(fmt.Sprintf("hints for the zones %s of %s", some(e.hints), e.IP), "the chart writes the zone of the address")
		default:
			r.lose(fmt.Sprintf("hints for the zones %s of %s", some(e.hints), e.IP), "the chart writes them with trafficDistribution: PreferSameZone alone")
		}
	}
}

// resolvePorts writes the ports of the Service with the numbers that they have at the
// addresses.
func (r *reading) resolvePorts() {
	spec := r.service.Spec
	headless := r.Headless != nil
	known := map[portKey]bool{}
	ports := spec.Ports
	if len(ports) == 0 && headless {
		for _, e := range r.list {
			for _, key := range sortedPorts(e.ports) {
				if !known[key] {
					known[key] = true
					ports = append(ports, corev1.ServicePort{Name: key.name, Protocol: key.protocol, Port: e.ports[key]})
				}
			}
		}
		if len(ports) > 0 {
			r.remark("ports", "the Service had none, and the entry has those of its addresses")
		}
	}
	for _, port := range ports {
		known[portKey{port.Name, protocolOr(port.Protocol)}] = true
	}
	extra := map[portKey]int32{}
	for _, e := range r.list {
		for key, number := range e.ports {
			if !known[key] {
				extra[key] = number
			}
		}
	}

	matched := 0
	var unmatched []corev1.ServicePort
	for _, port := range ports {
		key := portKey{port.Name, protocolOr(port.Protocol)}
		p := newPort(port)
		number, found := r.number(key)
		switch {
		case !found && len(r.list) > 0 && headless:
			r.remark(fmt.Sprintf("port %d", port.Port), "the addresses did not have it, and do now: DNS answers it in SRV records")
			number = port.Port
		case !found && len(r.list) > 0:
			unmatched = append(unmatched, port)
			continue
		case !found:
			number = port.Port
			if port.TargetPort.Type == intstr.Int && port.TargetPort.IntVal != 0 {
				number = port.TargetPort.IntVal
			}
		}
		matched++
		r.target(&p, port, number)
		r.protocols(key, p)
		r.Ports = append(r.Ports, p)
	}

	if matched == 0 && len(unmatched) > 0 {
		// Nothing works: what was meant is written as a comment.
		var names []string
		for _, key := range sortedPorts(extra) {
			names = append(names, fmt.Sprintf("%s %d", key, extra[key]))
		}
		for _, port := range unmatched {
			p := newPort(port)
			if len(extra) == 1 && len(unmatched) == 1 {
				for _, number := range extra {
					r.target(&p, port, number)
				}
			}
			r.Ports = append(r.Ports, p)
		}
		r.hold("no connection gets through today: the Service has the port %s, and its addresses have %s; the names and protocols of the two have to be the same, as they are in an entry",
			portKey{unmatched[0].Name, protocolOr(unmatched[0].Protocol)}, cmp.Or(some(names), "no port"))
		return
	}
	for _, port := range unmatched {
		r.lose(fmt.Sprintf("port %s %d", portKey{port.Name, protocolOr(port.Protocol)}, port.Port), "no address has it, and no connection got through")
	}
	for _, key := range sortedPorts(extra) {
		r.lose(fmt.Sprintf("port %s %d of the addresses", key, extra[key]), "the Service has no port of that name and protocol")
	}
}

// target writes the number that a port has at the addresses.
func (r *reading) target(p *values.Port, port corev1.ServicePort, number int32) {
	what := fmt.Sprintf("targetPort %s of port %d", port.TargetPort.String(), port.Port)
	selector := len(r.Selector) > 0
	switch target := port.TargetPort; {
	case selector:
	case target.Type == intstr.String:
		r.remark(what, "without a selector it has no effect; connections go to %d, the port of the addresses", number)
	case target.IntVal != 0 && target.IntVal != number:
		r.remark(what, "without a selector it has no effect; connections go to %d, the port of the addresses", number)
	}
	switch {
	case int(number) == p.Port:
	case r.Headless != nil && len(r.list) == 0: // there is nothing to call
	case r.Headless != nil:
		r.lose(fmt.Sprintf("port %d", p.Port), "a headless Service cannot change the port, and clients have to call %d, that of the addresses: the entry has that", number)
		p.Port = int(number)
	default:
		p.TargetPort = int(number)
	}
}

// protocols notes application protocols of the addresses that the Service has not.
func (r *reading) protocols(key portKey, p values.Port) {
	for _, object := range slices.Sorted(maps.Keys(r.ports[key])) {
		if own := r.ports[key][object]; own != p.AppProtocol {
			r.lose(fmt.Sprintf("appProtocol %s of the port %s of the %s", own, key, object), "an entry has one for the Service and its addresses, and the Service has %s", cmp.Or(p.AppProtocol, "none"))
		}
	}
}

// number is the number that a port has at the addresses. Where they differ, an entry
// cannot have them all: it is held, with the one that most of them have.
func (r *reading) number(key portKey) (number int32, found bool) {
	counts := map[int32]int{}
	var each []string
	for _, e := range r.list {
		n, ok := e.ports[key]
		if !ok {
			each = append(each, e.IP+" none")
			continue
		}
		counts[n]++
		each = append(each, e.IP+" "+strconv.Itoa(int(n)))
	}
	if len(counts) == 0 {
		return 0, false
	}
	number = slices.MaxFunc(slices.Sorted(maps.Keys(counts)), func(a, b int32) int { return counts[a] - counts[b] })
	if counts[number] != len(r.list) {
		r.hold("the port %s differs between the addresses (%s), and a port of an entry has one number: write an entry of its own for each", key, strings.Join(each, ", "))
	}
	return number, true
}

// rest notes what the Service has beyond what was carried. What is left when the known
// fields are taken away is noted too, so that nothing is silent that is new.
func (e *entry) rest(service *corev1.Service) {
	spec := service.Spec.DeepCopy()
	alias := spec.Type == corev1.ServiceTypeExternalName
	switch spec.Type {
	case corev1.ServiceTypeNodePort:
		e.lose("type: NodePort", "the chart makes a Service with a ClusterIP, which only the cluster reaches")
	case corev1.ServiceTypeLoadBalancer:
		what := "type: LoadBalancer"
		for _, ingress := range service.Status.LoadBalancer.Ingress {
			what += " " + cmp.Or(ingress.IP, ingress.Hostname)
		}
		e.lose(what, "the chart makes a Service with a ClusterIP, which only the cluster reaches")
	}
	for _, port := range spec.Ports {
		if port.NodePort != 0 {
			e.lose(fmt.Sprintf("nodePort %d of port %d", port.NodePort, port.Port), "the chart makes no NodePorts")
		}
	}
	if fixed := spec.ClusterIP; fixed != "" && fixed != corev1.ClusterIPNone && !stored(service) {
		e.lose("clusterIP: "+fixed, "the chart leaves it to the cluster; a Service that is there keeps its own")
	}
	spec.Type, spec.Ports, spec.Selector, spec.ClusterIP, spec.ClusterIPs = "", nil, nil, "", nil
	spec.ExternalName, spec.SessionAffinity, spec.SessionAffinityConfig = "", "", nil
	spec.IPFamilies, spec.IPFamilyPolicy, spec.TrafficDistribution, spec.PublishNotReadyAddresses = nil, nil, nil, false
	if spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyCluster {
		spec.ExternalTrafficPolicy = ""
	}
	if p := spec.InternalTrafficPolicy; p != nil && (*p == corev1.ServiceInternalTrafficPolicyCluster || alias) {
		spec.InternalTrafficPolicy = nil
	}
	if allocate := spec.AllocateLoadBalancerNodePorts; allocate != nil && *allocate {
		spec.AllocateLoadBalancerNodePorts = nil
	}
	text, err := json.Marshal(spec)
	if err != nil {
		panic(err) // a type of the Kubernetes API
	}
	var left map[string]json.RawMessage
	if err := json.Unmarshal(text, &left); err != nil {
		panic(err) // it was marshalled
	}
	for _, key := range slices.Sorted(maps.Keys(left)) {
		why := "the chart has no field for it"
		switch key {
		case "externalIPs", "loadBalancerIP", "loadBalancerSourceRanges", "loadBalancerClass", "externalTrafficPolicy", "healthCheckNodePort", "allocateLoadBalancerNodePorts":
			why = "it is for clients outside of the cluster, and the chart's Services are for those inside"
		case "internalTrafficPolicy":
			why = "addresses outside are on no node, and Local reaches none of them"
		}
		e.lose(key+": "+string(left[key]), "%s", why)
	}
}

func text(m map[string]string) string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		list = append(list, key+"="+m[key])
	}
	return strings.Join(list, ",")
}

// most is how many items of a list a comment has.
const most = 8

// some joins a list and cuts a long one off, saying so.
func some(list []string) string {
	if len(list) > most {
		return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
	}
	return strings.Join(list, ", ")
}
