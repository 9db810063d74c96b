package importertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"
)

// Groups makes random Services with their endpoints in a namespace, as people write them
// and the API server takes them. With everything they also have what the chart has no
// place for.
func Groups(namespace string, everything bool) *rapid.Generator[*Group] {
	return rapid.Custom(func(t *rapid.T) *Group {
		d := &draw{T: t, everything: everything}
		return d.group(namespace)
	})
}

// draw makes one group.
type draw struct {
	*rapid.T
	everything bool
}

func (d *draw) number(from, to int, what string) int { return rapid.IntRange(from, to).Draw(d.T, what) }

// one says yes once in n times.
func (d *draw) one(n int, what string) bool { return d.number(1, n, what) == 1 }

// odd says yes once in n times where everything is wanted.
func (d *draw) odd(n int, what string) bool { return d.everything && d.one(n, what) }

func pick[T any](d *draw, what string, from ...T) T { return rapid.SampledFrom(from).Draw(d.T, what) }

func (d *draw) pairs(what string, pairs map[string]string, odd map[string]string) map[string]string {
	found := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		if d.one(4, what+key) {
			found[key] = pairs[key]
		}
	}
	for _, key := range slices.Sorted(maps.Keys(odd)) {
		if d.odd(6, what+key) {
			found[key] = odd[key]
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found
}

func (d *draw) labels() map[string]string {
	return d.pairs("label", map[string]string{"team": "a", "number": "010", "on": "on", "empty": "", "example.com/Key_1": "1e3", "null": "null"},
		map[string]string{"service.kubernetes.io/headless": "", "app.kubernetes.io/name": "mysql"})
}

func (d *draw) annotations() map[string]string {
	return d.pairs("annotation", map[string]string{
		"text": "a: b # c", "template": "{{ fail }} {{- \"x\" }}", "lines": "one\n\ttwo\n\n", "json": `{"a": ["\u00e9\\", "'"]}`, "number": "1_000", "space": " a ",
		"unicode": "\u2028 \u00a0 \U0001F600", "Example.com/Upper": "~",
	}, map[string]string{"helm.sh/hook": "test", "delete": "a\x7fb", "service.kubernetes.io/topology-aware-hints": "auto"})
}

func (d *draw) group(namespace string) *Group {
	service := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: namespace, Labels: d.labels(), Annotations: d.annotations()},
	}
	g := &Group{Service: service}
	spec := &service.Spec
	kind := pick(d, "kind", "ExternalName", "ClusterIP", "ClusterIP", "headless")
	d.ports(spec)
	if kind == "ExternalName" {
		spec.Type, spec.ExternalName = corev1.ServiceTypeExternalName, pick(d, "externalName", "db.corp.example", "a", "db.corp.example.", "1a.example", "xn--bcher-kva.example")
		if d.one(2, "no ports") {
			spec.Ports = nil
		}
		for i := range spec.Ports {
			if !d.everything {
				spec.Ports[i].TargetPort = intstr.IntOrString{}
			}
		}
		return g
	}
	if kind == "headless" {
		spec.ClusterIP = corev1.ClusterIPNone
	}
	d.behaviour(spec)
	families := pick(d, "families", "IPv4", "IPv4", "IPv6", "both")
	d.families(spec, families)
	if d.one(2, "Endpoints") {
		d.legacy(g, families)
	} else {
		d.slices(g, families)
	}
	return g
}

func (d *draw) ports(spec *corev1.ServiceSpec) {
	count := d.number(1, 3, "ports")
	for i := range count {
		port := corev1.ServicePort{Name: []string{"http", "admin", "1-metrics"}[i], Port: int32(80 + i)}
		if count == 1 && d.one(2, "unnamed") {
			port.Name = ""
		}
		if d.one(3, "UDP") {
			port.Protocol = corev1.ProtocolUDP
		} else if d.one(3, "TCP") {
			port.Protocol = corev1.ProtocolTCP
		}
		if d.one(4, "appProtocol") {
			protocol := pick(d, "appProtocol", "http", "kubernetes.io/h2c", "example.com/Custom")
			port.AppProtocol = &protocol
		}
		switch d.number(0, 3, "targetPort") {
		case 1:
			port.TargetPort = intstr.FromInt32(int32(8080 + i))
		case 2:
			port.TargetPort = intstr.FromString("web")
		}
		spec.Ports = append(spec.Ports, port)
	}
}

func (d *draw) behaviour(spec *corev1.ServiceSpec) {
	if d.one(4, "affinity") {
		spec.SessionAffinity = corev1.ServiceAffinityClientIP
		if d.one(2, "timeout") {
			seconds := int32(d.number(1, 86400, "seconds"))
			spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: &seconds}}
		}
	}
	if d.one(4, "distribution") {
		distribution := pick(d, "distribution", "PreferClose", "PreferSameZone")
		spec.TrafficDistribution = &distribution
	}
	spec.PublishNotReadyAddresses = d.one(5, "publish")
	headless := spec.ClusterIP == corev1.ClusterIPNone
	if d.odd(6, "NodePort") && !headless {
		spec.Type = corev1.ServiceTypeNodePort
	}
	if d.odd(6, "externalIPs") && !headless {
		spec.ExternalIPs = []string{"203.0.113.8"}
	}
	if d.odd(6, "Local") {
		local := corev1.ServiceInternalTrafficPolicyLocal
		spec.InternalTrafficPolicy = &local
	}
}

func (d *draw) families(spec *corev1.ServiceSpec, families string) {
	policy := corev1.IPFamilyPolicySingleStack
	switch {
	case d.odd(6, "other policy"):
		policy = pick(d, "policy", corev1.IPFamilyPolicySingleStack, corev1.IPFamilyPolicyPreferDualStack, corev1.IPFamilyPolicyRequireDualStack)
		if policy == corev1.IPFamilyPolicySingleStack {
			spec.IPFamilies = []corev1.IPFamily{pick(d, "family", corev1.IPv4Protocol, corev1.IPv6Protocol)}
		}
	case families == "both":
		policy = corev1.IPFamilyPolicyPreferDualStack
	default:
		spec.IPFamilies = []corev1.IPFamily{corev1.IPFamily(families)}
	}
	spec.IPFamilyPolicy = &policy
}

// address is a random address outside.
type address struct {
	ip, hostname, zone string
	ready              bool
}

func (d *draw) addresses(g *Group, families string) []address {
	var found []address
	for i := range d.number(1, 5, "addresses") {
		a := address{ip: fmt.Sprintf("10.0.4.%d", i+1), ready: !d.one(4, "not ready")}
		if families == "IPv6" || families == "both" && (i == 1 || i > 1 && d.one(2, "IPv6")) {
			a.ip = fmt.Sprintf("2001:db8::%x:%d", i+1, i)
		}
		if !d.everything && g.Service.Spec.PublishNotReadyAddresses {
			a.ready = true
		}
		if d.one(3, "hostname") {
			a.hostname = fmt.Sprintf("host-%d", i)
		}
		if d.one(3, "zone") {
			a.zone = pick(d, "zone", "eu-1a", "EU.1b")
		}
		found = append(found, a)
	}
	if families == "both" && len(found) == 1 {
		found = append(found, address{ip: "2001:db8::9", ready: true})
	}
	if d.odd(8, "twice") {
		found = append(found, found[0])
	}
	return found
}

// numbers are the ports of the addresses.
func (d *draw) numbers(g *Group) map[string]int32 {
	numbers := map[string]int32{}
	for _, p := range g.Service.Spec.Ports {
		number := p.Port
		if (g.Service.Spec.ClusterIP != corev1.ClusterIPNone || d.everything) && d.one(2, "remapped") {
			number = 9000 + p.Port
		}
		if !d.odd(8, "unserved") {
			numbers[p.Name] = number
		}
	}
	return numbers
}

func (d *draw) legacy(g *Group, families string) {
	g.Endpoints = &Endpoints{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Endpoints"},
		ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: g.Service.Namespace},
	}
	if d.odd(6, "labels") {
		g.Endpoints.Labels = d.pairs("endpoints", map[string]string{"team": "b"}, map[string]string{"endpointslice.kubernetes.io/skip-mirror": "true"})
	}
	addresses, numbers := d.addresses(g, families), d.numbers(g)
	var ports []corev1.EndpointPort
	for _, p := range g.Service.Spec.Ports {
		if number, ok := numbers[p.Name]; ok {
			name := p.Name
			if d.odd(10, "mismatch") {
				name = "other-" + name
			}
			ports = append(ports, corev1.EndpointPort{Name: name, Port: number, Protocol: p.Protocol})
		}
	}
	subset := func(addresses []address, ports []corev1.EndpointPort) {
		//lint:ignore SA1019 as Endpoints
		s := corev1.EndpointSubset{Ports: ports}
		for _, a := range addresses {
			one := corev1.EndpointAddress{IP: a.ip, Hostname: a.hostname}
			if d.odd(10, "node") {
				node := "node-1"
				one.NodeName = &node
			}
			if a.ready {
				s.Addresses = append(s.Addresses, one)
			} else {
				s.NotReadyAddresses = append(s.NotReadyAddresses, one)
			}
		}
		g.Endpoints.Subsets = append(g.Endpoints.Subsets, s)
	}
	switch {
	case len(ports) > 1 && d.one(3, "by port"):
		for _, port := range ports {
			subset(addresses, []corev1.EndpointPort{port})
		}
	case len(addresses) > 1 && d.odd(3, "by address"):
		subset(addresses[:1], ports)
		subset(addresses[1:], ports[:len(ports)/2])
	default:
		subset(addresses, ports)
	}
}

func (d *draw) slices(g *Group, families string) {
	addresses, numbers := d.addresses(g, families), d.numbers(g)
	cut := d.number(1, len(addresses), "cut")
	for i, part := range [][]address{addresses[:cut], addresses[cut:]} {
		for _, family := range []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6} {
			slice := &discoveryv1.EndpointSlice{
				TypeMeta:    metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
				ObjectMeta:  metav1.ObjectMeta{Name: fmt.Sprintf("db-%s-%d", map[discoveryv1.AddressType]string{"IPv4": "ipv4", "IPv6": "ipv6"}[family], i), Namespace: g.Service.Namespace, Labels: map[string]string{discoveryv1.LabelServiceName: "db"}},
				AddressType: family,
			}
			for _, p := range g.Service.Spec.Ports {
				number, ok := numbers[p.Name]
				if !ok {
					continue
				}
				if d.odd(12, "other number") {
					number++
				}
				port := discoveryv1.EndpointPort{Port: &number, AppProtocol: p.AppProtocol}
				if p.Name != "" || d.one(2, "empty name") {
					port.Name = &p.Name
				}
				if p.Protocol != "" {
					port.Protocol = &p.Protocol
				}
				if d.odd(8, "appProtocol") {
					other := "other"
					port.AppProtocol = &other
				}
				slice.Ports = append(slice.Ports, port)
			}
			for _, a := range part {
				if (family == discoveryv1.AddressTypeIPv6) == (corev1.IPFamily(familyOf(a.ip)) == corev1.IPv6Protocol) {
					slice.Endpoints = append(slice.Endpoints, d.endpoint(g, a))
				}
			}
			if len(slice.Endpoints) > 0 {
				g.Slices = append(g.Slices, slice)
			}
		}
	}
}

func familyOf(ip string) string {
	if slices.Contains([]byte(ip), ':') {
		return "IPv6"
	}
	return "IPv4"
}

func (d *draw) endpoint(g *Group, a address) discoveryv1.Endpoint {
	e := discoveryv1.Endpoint{Addresses: []string{a.ip}}
	if !a.ready || d.one(2, "ready") {
		e.Conditions.Ready = &a.ready
	}
	if a.ready && g.Service.Spec.PublishNotReadyAddresses && d.one(3, "serving") {
		no := false
		e.Conditions.Serving = &no
	}
	if a.hostname != "" {
		e.Hostname = &a.hostname
	}
	if a.zone != "" {
		e.Zone = &a.zone
		distribution := g.Service.Spec.TrafficDistribution
		if distribution != nil && !d.odd(4, "no hints") || distribution == nil && d.odd(6, "hints") {
			e.Hints = &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: a.zone}}}
		}
	}
	if d.odd(10, "terminating") {
		yes := true
		e.Conditions.Terminating = &yes
	}
	if d.odd(10, "two addresses") && familyOf(a.ip) == "IPv4" {
		e.Addresses = append(e.Addresses, "10.0.5.1")
	}
	return e
}

// Rename gives the objects of the group a name with a number.
func (g *Group) Rename(number int) {
	name := fmt.Sprintf("db-%d", number)
	g.Service.Name = name
	if g.Endpoints != nil {
		g.Endpoints.Name = name
	}
	for _, slice := range g.Slices {
		slice.Name = name + slice.Name[len("db"):]
		slice.Labels[discoveryv1.LabelServiceName] = name
	}
}

// Manifests are the objects of the group as JSON.
func (g *Group) Manifests() []string {
	objects := []any{g.Service}
	if g.Endpoints != nil {
		objects = append(objects, g.Endpoints)
	}
	for _, slice := range g.Slices {
		objects = append(objects, slice)
	}
	var texts []string
	for _, object := range objects {
		text, err := json.Marshal(object)
		if err != nil {
			panic(err) // a type of the Kubernetes API
		}
		texts = append(texts, string(text))
	}
	return texts
}
