package plan

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"external-services/tools/helm"
	"external-services/tools/values"
)

// Key is the place of an entry in the cluster.
type Key struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func (k Key) String() string { return k.Namespace + "/" + k.Name }

func compareKeys(a, b Key) int {
	if a.Namespace != b.Namespace {
		return strings.Compare(a.Namespace, b.Namespace)
	}
	return strings.Compare(a.Name, b.Name)
}

// State is what an entry is in a release, as its objects say.
type State struct {
	// Backend is external, both or cluster.
	Backend values.Backend `json:"backend"`

	// Kind is what leads outside: ExternalName, EndpointSlice or Endpoints. It is empty
	// when the backend is cluster.
	Kind string `json:"kind,omitempty"`

	// Headless says that the Service has no ClusterIP and DNS answers the addresses.
	Headless bool `json:"headless,omitempty"`

	ExternalName string    `json:"externalName,omitempty"`
	Addresses    []Address `json:"addresses,omitempty"`
	Ports        []Port    `json:"ports,omitempty"`

	// Selector has the labels of the pods. Parked says that there is one in the values
	// while the backend is external: the Service has a selector that matches no pod.
	Selector map[string]string `json:"selector,omitempty"`
	Parked   bool              `json:"parked,omitempty"`

	// Families are those of the addresses, IPv4 and IPv6 in this order.
	Families []string `json:"families,omitempty"`

	SessionAffinity          string `json:"sessionAffinity,omitempty"`
	SessionAffinityTimeout   int32  `json:"sessionAffinityTimeoutSeconds,omitempty"`
	TrafficDistribution      string `json:"trafficDistribution,omitempty"`
	PublishNotReadyAddresses bool   `json:"publishNotReadyAddresses,omitempty"`

	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`

	objects map[string]any // by kind and name, to see a change that the fields do not show
}

// Address is an address outside.
type Address struct {
	IP       string `json:"ip"`
	Ready    bool   `json:"ready"`
	Draining bool   `json:"draining,omitempty"` // not ready, and its open connections live
	Hostname string `json:"hostname,omitempty"`
	Zone     string `json:"zone,omitempty"`
}

// Port is a port of an entry.
type Port struct {
	Name        string `json:"name,omitempty"`
	Port        int32  `json:"port"`
	TargetPort  int32  `json:"targetPort,omitempty"` // outside; 0 when the backend is cluster
	PodPort     string `json:"podPort,omitempty"`    // of the pods; empty when the backend is external
	Protocol    string `json:"protocol"`
	AppProtocol string `json:"appProtocol,omitempty"`
}

// String is how the port is called: "http 80->8080", "53/UDP".
func (p Port) String() string {
	text := strconv.Itoa(int(p.Port))
	if p.Protocol != string(corev1.ProtocolTCP) {
		text += "/" + p.Protocol
	}
	if p.Name != "" {
		text = p.Name + " " + text
	}
	return text
}

// The labels of the chart that are read here.
const (
	backendLabel = "external-services/backend"
	parkedLabel  = "external-services/parked"
)

// States reads the entries of the objects of a release.
func States(objects *helm.Result) map[Key]*State {
	found := map[Key]*State{}
	for _, service := range objects.Services {
		found[Key{service.Namespace, service.Name}] = stateOf(service)
	}
	for _, slice := range objects.EndpointSlices {
		state := found[Key{slice.Namespace, slice.Labels[discoveryv1.LabelServiceName]}]
		if state == nil {
			continue // the Service is another release's: not of this chart
		}
		state.Kind = string(values.EndpointSlice)
		state.objects["EndpointSlice "+slice.Name] = slice
		for _, endpoint := range slice.Endpoints {
			state.add(address(endpoint))
		}
		for _, port := range slice.Ports {
			state.target(deref(port.Name), deref(port.Protocol), deref(port.Port))
		}
	}
	for _, endpoints := range objects.Endpoints {
		state := found[Key{endpoints.Namespace, endpoints.Name}]
		if state == nil {
			continue
		}
		state.Kind = string(values.EndpointsLegacy)
		state.objects["Endpoints "+endpoints.Name] = endpoints
		for _, subset := range endpoints.Subsets {
			for _, a := range subset.Addresses {
				state.add(Address{IP: a.IP, Hostname: a.Hostname, Ready: true})
			}
			for _, a := range subset.NotReadyAddresses {
				state.add(Address{IP: a.IP, Hostname: a.Hostname})
			}
			for _, port := range subset.Ports {
				state.target(port.Name, port.Protocol, port.Port)
			}
		}
	}
	return found
}

func stateOf(service *corev1.Service) *State {
	spec := service.Spec
	state := &State{
		Backend:                  values.Backend(service.Labels[backendLabel]),
		Headless:                 spec.ClusterIP == corev1.ClusterIPNone,
		ExternalName:             spec.ExternalName,
		SessionAffinity:          string(spec.SessionAffinity),
		TrafficDistribution:      deref(spec.TrafficDistribution),
		PublishNotReadyAddresses: spec.PublishNotReadyAddresses,
		Labels:                   maps.Clone(service.Labels),
		Annotations:              maps.Clone(service.Annotations),
		objects:                  map[string]any{"Service " + service.Name: service},
	}
	delete(state.Labels, backendLabel) // it is Backend
	if state.Backend == "" {
		state.Backend = values.External // of a version of the chart before backend
	}
	if spec.Type == corev1.ServiceTypeExternalName {
		state.Kind = string(corev1.ServiceTypeExternalName)
	}
	if _, state.Parked = spec.Selector[parkedLabel]; !state.Parked {
		state.Selector = spec.Selector
	}
	if affinity := spec.SessionAffinityConfig; affinity != nil && affinity.ClientIP != nil {
		state.SessionAffinityTimeout = deref(affinity.ClientIP.TimeoutSeconds)
	}
	for _, p := range spec.Ports {
		port := Port{Name: p.Name, Port: p.Port, Protocol: string(protocol(p.Protocol)), AppProtocol: deref(p.AppProtocol)}
		if state.Backend != values.External {
			port.PodPort = p.TargetPort.String()
			if p.TargetPort.String() == "0" {
				port.PodPort = strconv.Itoa(int(p.Port))
			}
		}
		state.Ports = append(state.Ports, port)
	}
	return state
}

func (s *State) add(a Address) {
	s.Addresses = append(s.Addresses, a)
	family := "IPv4"
	if strings.Contains(a.IP, ":") {
		family = "IPv6"
	}
	if !slices.Contains(s.Families, family) {
		s.Families = append(s.Families, family)
		slices.Sort(s.Families)
	}
}

// target sets the port outside of the port that has a name and a protocol.
func (s *State) target(name string, proto corev1.Protocol, target int32) {
	for i := range s.Ports {
		if s.Ports[i].Name == name && s.Ports[i].Protocol == string(protocol(proto)) {
			s.Ports[i].TargetPort = target
		}
	}
}

func address(endpoint discoveryv1.Endpoint) Address {
	a := Address{IP: endpoint.Addresses[0], Hostname: deref(endpoint.Hostname), Zone: deref(endpoint.Zone)}
	a.Ready = endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
	a.Draining = !a.Ready && deref(endpoint.Conditions.Terminating)
	return a
}

func protocol(p corev1.Protocol) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return p
}

func deref[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// isAlias says that the Service is of the type ExternalName.
func (s *State) isAlias() bool { return s.Kind == string(corev1.ServiceTypeExternalName) }

// hasClusterIP says that the Service has an address of its own.
func (s *State) hasClusterIP() bool { return !s.isAlias() && !s.Headless }

// hasPods says that the Service reaches pods.
func (s *State) hasPods() bool { return len(s.Selector) > 0 }

// ready counts the addresses outside that connections go to.
func (s *State) ready() int {
	n := 0
	for _, a := range s.Addresses {
		if a.Ready || s.PublishNotReadyAddresses {
			n++
		}
	}
	return n
}

// String is the state in a few words, for the table.
func (s *State) String() string {
	if s == nil {
		return "-"
	}
	var reaches []string
	if s.isAlias() {
		reaches = append(reaches, "alias of "+s.ExternalName)
	}
	if s.hasPods() {
		reaches = append(reaches, "pods "+pairs(s.Selector))
	}
	switch len(s.Addresses) {
	case 0:
	case 1:
		reaches = append(reaches, s.Addresses[0].IP)
	default:
		reaches = append(reaches, fmt.Sprintf("%d addresses", len(s.Addresses)))
	}
	text := string(s.Backend) + ": " + strings.Join(reaches, " and ")
	if s.Headless {
		text += ", headless"
	}
	if s.Kind == string(values.EndpointsLegacy) {
		text += ", in Endpoints"
	}
	return text
}

// pairs prints labels.
func pairs(labels map[string]string) string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		list = append(list, key+"="+labels[key])
	}
	return strings.Join(list, ",")
}
