// Package service is the one model of what a Service reaches: read from what the chart renders, from
// a cluster, or from manifests, and compared in one place. It changes nothing.
package service

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"

	"external-services/tools/helm"
	"external-services/tools/values"
)

// Labels of the chart, with what it does to the Service.
const (
	backendLabel = "external-services/backend"
	parkedLabel  = "external-services/parked"
)

// Mapping is what a Service reaches.
type Mapping struct {
	Key

	// Backend is external, both or cluster.
	Backend values.Backend `json:"backend"`

	// Kind is what holds the outside: ExternalName, EndpointSlice or Endpoints. It is empty with the
	// backend cluster.
	Kind string `json:"kind,omitempty"`

	// Headless is a Service without a ClusterIP: DNS answers with the addresses.
	Headless bool `json:"headless,omitempty"`

	ExternalName string    `json:"externalName,omitempty"`
	Addresses    []Address `json:"addresses,omitempty"`
	Ports        []Port    `json:"ports,omitempty"`

	// Selector has the labels of the pods. Parked is a selector that matches no pod: the values set
	// one, and the backend is external.
	Selector map[string]string `json:"selector,omitempty"`
	Parked   bool              `json:"parked,omitempty"`

	// Families are those of the IP addresses, IPv4 before IPv6. Those of DNS names are not known.
	Families []string `json:"families,omitempty"`

	// Resolver is the one that follows the entry, nil if none does. Resolve and HealthCheck are how, as the values
	// have it.
	Resolver    *helm.Resolver      `json:"-"`
	Resolve     *values.Resolve     `json:"resolve,omitempty"`
	HealthCheck *values.HealthCheck `json:"healthCheck,omitempty"`

	// Routes are what is in front of the Service.
	Routes []Route `json:"routes,omitempty"`

	// Settings are the fields of the Service that differ from the default of the API server, by the
	// names of Settings.
	Settings map[string]any `json:"settings,omitempty"`

	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`

	// The objects that it was read from. Service is nil if only the endpoints are there.
	Service   *corev1.Service              `json:"-"`
	Slices    []*discoveryv1.EndpointSlice `json:"-"`
	Endpoints *Endpoints                   `json:"-"`
}

// Address is an address outside: an IP address, or a DNS name that the resolver follows.
type Address struct {
	IP       string `json:"ip,omitempty"`
	Host     string `json:"host,omitempty"`
	Ready    bool   `json:"ready"`
	Draining bool   `json:"draining,omitempty"` // not ready, and open connections stay
	Hostname string `json:"hostname,omitempty"`
	Zone     string `json:"zone,omitempty"`
	Unused   bool   `json:"-"` // out of use, though ready because of publishNotReadyAddresses
}

// Port is a port of a mapping.
type Port struct {
	Name        string `json:"name,omitempty"`
	Port        int32  `json:"port"`
	TargetPort  int32  `json:"targetPort,omitempty"` // of the addresses; 0 with the backend cluster
	PodPort     string `json:"podPort,omitempty"`    // of the pods; empty with the backend external
	Protocol    string `json:"protocol"`
	AppProtocol string `json:"appProtocol,omitempty"`
}

// id is by what a Service may have a port only once.
func (p Port) id() string { return fmt.Sprintf("%d/%s", p.Port, p.Protocol) }

// String prints a port: "http 80", "53/UDP".
func (p Port) String() string {
	text := strconv.Itoa(int(p.Port))
	if p.Protocol != string(corev1.ProtocolTCP) {
		text += "/" + p.Protocol
	}
	return strings.TrimSpace(p.Name + " " + text)
}

// NewMapping reads a mapping from a Service, the EndpointSlices that belong to the entry, and its
// Endpoints object, if any. The objects are kept, not copied.
func NewMapping(service *corev1.Service, endpointSlices []*discoveryv1.EndpointSlice, endpoints *Endpoints) *Mapping {
	m := &Mapping{Key: KeyOf(service), Service: service, Slices: endpointSlices, Endpoints: endpoints}
	m.readService(service)
	for _, slice := range endpointSlices {
		m.Kind = string(values.EndpointSlice)
		for _, endpoint := range slice.Endpoints {
			m.addAddress(addressOf(endpoint))
		}
		for _, port := range slice.Ports {
			m.setTarget(ptr.Deref(port.Name, ""), ptr.Deref(port.Protocol, ""), ptr.Deref(port.Port, 0))
		}
	}
	if endpoints == nil {
		return m
	}
	m.Kind = string(values.EndpointsLegacy)
	for _, subset := range endpoints.Subsets {
		for _, a := range subset.Addresses {
			m.addAddress(Address{IP: a.IP, Hostname: a.Hostname, Ready: true})
		}
		for _, a := range subset.NotReadyAddresses {
			m.addAddress(Address{IP: a.IP, Hostname: a.Hostname})
		}
		for _, port := range subset.Ports {
			m.setTarget(port.Name, port.Protocol, port.Port)
		}
	}
	return m
}

func (m *Mapping) readService(service *corev1.Service) {
	spec := service.Spec
	m.Backend = cmp.Or(values.Backend(service.Labels[backendLabel]), values.External) // early versions set no label
	m.Headless = spec.ClusterIP == corev1.ClusterIPNone
	m.ExternalName = spec.ExternalName
	m.Settings = settingsOf(&spec)
	m.Labels, m.Annotations = maps.Clone(service.Labels), maps.Clone(service.Annotations)
	delete(m.Labels, backendLabel)
	if spec.Type == corev1.ServiceTypeExternalName {
		m.Kind = string(corev1.ServiceTypeExternalName)
	}
	if _, m.Parked = spec.Selector[parkedLabel]; !m.Parked {
		m.Selector = spec.Selector
	}
	for _, p := range spec.Ports {
		port := Port{Name: p.Name, Port: p.Port, Protocol: string(Protocol(p.Protocol)), AppProtocol: ptr.Deref(p.AppProtocol, "")}
		if m.Backend != values.External {
			port.PodPort = p.TargetPort.String()
			if port.PodPort == "0" {
				port.PodPort = strconv.Itoa(int(p.Port))
			}
		}
		m.Ports = append(m.Ports, port)
	}
}

func addressOf(endpoint discoveryv1.Endpoint) Address {
	ready, conditions := IsReady(endpoint), endpoint.Conditions
	return Address{
		IP: endpoint.Addresses[0], Hostname: ptr.Deref(endpoint.Hostname, ""), Zone: ptr.Deref(endpoint.Zone, ""), Ready: ready,
		Draining: !ready && ptr.Deref(conditions.Terminating, false), Unused: !ptr.Deref(conditions.Serving, true),
	}
}

// IsReady says whether connections go to an endpoint: unset means ready.
func IsReady(endpoint discoveryv1.Endpoint) bool { return ptr.Deref(endpoint.Conditions.Ready, true) }

// Protocol is the protocol of a port: unset means TCP.
func Protocol(p corev1.Protocol) corev1.Protocol { return cmp.Or(p, corev1.ProtocolTCP) }

func (m *Mapping) addAddress(a Address) {
	m.Addresses = append(m.Addresses, a)
	if family := string(FamilyOf(a.IP)); a.IP != "" && !slices.Contains(m.Families, family) {
		m.Families = append(m.Families, family)
		slices.Sort(m.Families)
	}
}

// FamilyOf is the IP family of an address.
func FamilyOf(ip string) corev1.IPFamily {
	if strings.Contains(ip, ":") {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}

// Text is the IP address or the DNS name.
func (a Address) Text() string { return cmp.Or(a.IP, a.Host) }

// follow adds what a resolver does for the entry.
func (m *Mapping) follow(resolver *helm.Resolver, entry *values.Entry) {
	m.Resolver, m.Resolve, m.HealthCheck = resolver, entry.Resolve, entry.HealthCheck
	if entry.Backend == values.Cluster {
		return // it takes its endpoints away when a pod is ready
	}
	m.Kind = string(values.EndpointSlice)
	for _, a := range entry.Addresses {
		draining := ptr.Deref(a.Draining, false)
		m.addAddress(Address{
			IP: a.IP, Host: a.Host, Hostname: a.Hostname, Zone: a.Zone, Ready: ptr.Deref(a.Ready, true) && !draining, Draining: draining,
		})
	}
	for _, p := range entry.Ports {
		m.setTarget(p.Name, corev1.Protocol(p.Protocol), int32(cmp.Or(p.TargetPort, p.Port)))
	}
}

// setTarget sets the port of the addresses, of the port with a name and a protocol.
func (m *Mapping) setTarget(name string, protocol corev1.Protocol, target int32) {
	for i := range m.Ports {
		if m.Ports[i].Name == name && m.Ports[i].Protocol == string(Protocol(protocol)) {
			m.Ports[i].TargetPort = target
		}
	}
}

// IsAlias says whether the Service is of the type ExternalName.
func (m *Mapping) IsAlias() bool { return m.Kind == string(corev1.ServiceTypeExternalName) }

// HasClusterIP says whether the Service has an address of its own.
func (m *Mapping) HasClusterIP() bool { return !m.IsAlias() && !m.Headless }

// HasPods says whether the Service selects pods.
func (m *Mapping) HasPods() bool { return len(m.Selector) > 0 }

// HasReadyAddress says whether connections go to an address outside.
func (m *Mapping) HasReadyAddress() bool {
	used := m.Settings["publishNotReadyAddresses"] == true
	return slices.ContainsFunc(m.Addresses, func(a Address) bool { return a.Ready || used })
}

// Objects are the objects of the mapping by kind and name, such as "Service orders". A nil mapping has none.
func (m *Mapping) Objects() map[string]any {
	objects := map[string]any{}
	if m == nil {
		return objects
	}
	if m.Service != nil {
		objects["Service "+m.Service.Name] = m.Service
	}
	for _, slice := range m.Slices {
		objects["EndpointSlice "+slice.Name] = slice
	}
	if m.Endpoints != nil {
		objects["Endpoints "+m.Endpoints.Name] = m.Endpoints
	}
	for _, route := range m.Routes {
		objects[route.Kind+" "+m.Name] = route.object
	}
	return objects
}

// String describes the mapping in a few words, for tables.
func (m *Mapping) String() string {
	if m == nil {
		return "-"
	}
	var targets []string
	if m.IsAlias() {
		targets = append(targets, "alias of "+m.ExternalName)
	}
	if m.HasPods() {
		targets = append(targets, "pods "+Pairs(m.Selector))
	}
	switch len(m.Addresses) {
	case 0:
	case 1:
		targets = append(targets, m.Addresses[0].Text())
	default:
		targets = append(targets, fmt.Sprintf("%d addresses", len(m.Addresses)))
	}
	text := string(m.Backend) + ": " + strings.Join(targets, " and ")
	if m.Headless {
		text += ", headless"
	}
	if m.Kind == string(values.EndpointsLegacy) {
		text += ", in Endpoints"
	}
	return text
}

// SelectorText prints the selector, or "parked".
func (m *Mapping) SelectorText() string {
	if m.Parked {
		return "parked"
	}
	return Pairs(m.Selector)
}

// Pairs prints labels as key=value,key=value.
func Pairs(labels map[string]string) string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		list = append(list, key+"="+labels[key])
	}
	return strings.Join(list, ",")
}
