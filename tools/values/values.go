// Package values is the values API of the chart external-services as Go types.
//
// It is the one source of that API: values.schema.json, the chart's values.yaml
// and the tables of its README are generated from these types, their tags and
// their comments. A field's comment is the description its users read, so it is
// whole sentences: what the field is, what leaving it out means, what its limits
// are. The tag jsonschema holds what a schema can say about one value; whatever
// needs two values, or a sentence to explain it, stands in the chart's
// templates/_validate.tpl.
package values

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/util/intstr"
)

// Values are the values of the chart external-services.
type Values struct {
	// Enabled set to false renders nothing. It is what the condition of a parent
	// chart's dependency points to.
	Enabled bool `json:"enabled"`

	// Global is where Helm puts the globals of a parent chart. Its content is
	// left open and renders nothing.
	Global map[string]any `json:"global"`

	// Services is the list of mapping entries. Each entry makes one Service name
	// reach something outside the cluster.
	Services []Entry `json:"services"`

	// Overrides has a partial entry by the name of an entry. Maps merge across
	// values files, so that the file of an environment changes one entry without
	// repeating the list, and null takes away what a file before has for an entry.
	Overrides map[string]Patch `json:"overrides"`

	// NamespaceOverrides has, by namespace and by the name of an entry, a partial
	// entry for the Service that lands in that namespace. It wins over overrides.
	// Namespaces that the release does not touch are skipped.
	NamespaceOverrides map[string]map[string]Mapping `json:"namespaceOverrides"`

	// Endpoints says how addresses are written to the cluster.
	Endpoints Endpoints `json:"endpoints"`

	// CommonLabels are added to every object. A label of an entry wins over a
	// common one of the same key, and null takes one away.
	CommonLabels Pairs `json:"commonLabels"`

	// CommonAnnotations are added to every object. An annotation of an entry wins
	// over a common one of the same key, and null takes one away. A value is expanded as a template where it
	// holds {{.
	CommonAnnotations Pairs `json:"commonAnnotations"`

	// Tests is the Pod that helm test starts. It resolves every mapping and connects
	// to each of its TCP ports from inside the cluster.
	Tests Tests `json:"tests"`
}

// Tests is the Pod that helm test starts. It meets the Pod Security Standard
// restricted and has no token of a service account.
type Tests struct {
	// Enabled set to false leaves the Pod out.
	Enabled bool `json:"enabled"`

	// Image is the image of the Pod. It needs a shell, awk, sed, and the nslookup
	// and nc of BusyBox.
	Image Image `json:"image"`

	// ImagePullSecrets are the Secrets of the release namespace to pull the image
	// with.
	ImagePullSecrets []LocalReference `json:"imagePullSecrets"`

	// TimeoutSeconds is how long one connection may take, from 1 to 60 seconds.
	TimeoutSeconds int `json:"timeoutSeconds" jsonschema:"minimum=1,maximum=60"`

	// Resources are what the Pod's container requests and is limited to.
	Resources Resources `json:"resources"`
}

// Image is a container image.
type Image struct {
	// Repository is the name of the image, with its registry where that is not the
	// default of the cluster.
	Repository string `json:"repository"`

	// Tag is the tag of the image.
	Tag string `json:"tag"`

	// Digest is the digest of the image, such as sha256:... It wins over the tag.
	Digest string `json:"digest"`

	// PullPolicy is when the image is pulled.
	PullPolicy PullPolicy `json:"pullPolicy"`
}

// LocalReference is an object of the same namespace.
type LocalReference struct {
	// Name is the name of the object.
	Name string `json:"name" jsonschema:"required"`
}

// Resources are the resources of a container.
type Resources struct {
	// Requests are what the container is sure to get of cpu, memory and
	// ephemeral-storage.
	Requests map[string]string `json:"requests"`

	// Limits are what the container gets at most of cpu, memory and
	// ephemeral-storage.
	Limits map[string]string `json:"limits"`
}

// Pairs are labels or annotations. A null takes a pair away that a values file
// before, the entry or the common ones have.
type Pairs map[string]*string

// Endpoints says how addresses are written to the cluster.
type Endpoints struct {
	// Kind is the kind of object that holds the addresses of an entry which
	// chooses none itself. Endpoints is deprecated since Kubernetes 1.33 and for
	// consumers that read nothing else.
	Kind EndpointsKind `json:"kind"`

	// MaxPerSlice is how many addresses one EndpointSlice holds at most, from 1
	// to 1000. More addresses make more slices.
	MaxPerSlice int `json:"maxPerSlice" jsonschema:"minimum=1,maximum=1000"`
}

// Entry is one mapping: the Service name that clients in the cluster call, and
// what it reaches. It has either externalName or addresses, unless its backend is
// cluster.
type Entry struct {
	// Name is the name of the Service, a DNS label of at most 63 characters that
	// starts with a letter. It is used as it stands and never prefixed with the
	// release name.
	Name string `json:"name" jsonschema:"required,example=mysql-test"`

	Patch
}

// Patch is a partial entry. What it sets wins over the entry: labels and
// annotations merge, everything else is replaced. One that sets addresses drops the
// externalName of the entry and the other way round, and so with namespace and
// namespaces.
type Patch struct {
	// Namespace is where the Service is made, and has to exist. Defaults to the
	// release namespace.
	Namespace string `json:"namespace,omitempty" jsonschema:"example=test-env"`

	// Namespaces are several namespaces that each get the same mapping. They stand
	// in place of namespace.
	Namespaces []string `json:"namespaces,omitempty"`

	Mapping
}

// Mapping is a partial entry that stays in its namespace.
type Mapping struct {
	// Enabled set to false leaves the entry out. Defaults to true.
	Enabled *bool `json:"enabled,omitempty"`

	// ExternalName is the DNS name outside that the Service is an alias of. The
	// cluster DNS answers it as a CNAME, so the port stays what the client calls.
	// It is expanded as a template where it holds {{.
	ExternalName string `json:"externalName,omitempty" jsonschema:"example=test.k8s.com"`

	// Addresses are the IP addresses outside that the Service forwards to, IPv4
	// and IPv6, each once. An address is a string, or a map where it carries more
	// than itself. It is expanded as a template where it holds {{.
	Addresses []Address `json:"addresses,omitempty"`

	// Ports are the ports of the Service. They are required with addresses and with the
	// backend cluster, and optional with externalName, where they only document what is
	// served. With
	// several ports each one has a name. EndpointSlices hold at most 100 of them.
	Ports []Port `json:"ports,omitempty" jsonschema:"maxItems=100"`

	// Backend is what the Service reaches: external, what is outside; cluster, the
	// pods that selector matches; both, the two together, divided by the number of
	// ready addresses. On the way from external to cluster and back, both comes in
	// between, so that no connection fails. It cannot be had with externalName, as an
	// alias has no addresses. Defaults to external.
	Backend Backend `json:"backend,omitempty"`

	// Selector has the labels of the pods that take over. It is required with the
	// backends both and cluster. Written while the backend is external it prepares the
	// way there and back: the Service gets a selector that matches no pod, so that
	// Kubernetes clears away the endpoints of pods. Null takes away a label of the entry.
	// It cannot be had with addresses in an Endpoints object.
	Selector Pairs `json:"selector,omitempty"`

	// Headless set to true gives the Service no ClusterIP: DNS answers the ready
	// addresses themselves, and those with a hostname under HOSTNAME.NAME. The port
	// stays what the client calls. It has no effect with externalName. Defaults to
	// false.
	Headless *bool `json:"headless,omitempty"`

	// EndpointsKind is the kind of object that holds the addresses of this entry.
	// Defaults to endpoints.kind.
	EndpointsKind EndpointsKind `json:"endpointsKind,omitempty"`

	// SessionAffinity set to ClientIP sends the connections of one client to one
	// address. It has no effect with externalName. Defaults to None.
	SessionAffinity SessionAffinity `json:"sessionAffinity,omitempty"`

	// SessionAffinityTimeoutSeconds is how long a client that makes no connection
	// keeps its address, from 1 to 86400 seconds, with the session affinity
	// ClientIP. The cluster's default is 10800.
	SessionAffinityTimeoutSeconds int `json:"sessionAffinityTimeoutSeconds,omitempty" jsonschema:"minimum=1,maximum=86400"`

	// TrafficDistribution is which addresses a client prefers, as the Service API
	// has it. PreferSameZone, and its older name PreferClose, prefer those of the
	// client's zone, and need a zone at every address. It has no effect with
	// externalName. Left out or empty, traffic is divided evenly.
	TrafficDistribution TrafficDistribution `json:"trafficDistribution,omitempty"`

	// PublishNotReadyAddresses set to true uses the addresses whether they are ready
	// or not, in DNS and for connections, as Kubernetes does for pods. Defaults to
	// false.
	PublishNotReadyAddresses *bool `json:"publishNotReadyAddresses,omitempty"`

	// Labels are added to the objects of this entry. Null takes a common one away.
	Labels Pairs `json:"labels,omitempty"`

	// Annotations are added to the objects of this entry. Null takes a common one
	// away. A value is expanded as a template where it holds {{.
	Annotations Pairs `json:"annotations,omitempty"`
}

// Address is one IP address outside. In a values file it is a string, or a map
// with the keys of this type.
type Address struct {
	// IP is the address: IPv4 in decimal without leading zeros, or IPv6 in its
	// canonical form (lower case, zeros shortened). Loopback, link-local,
	// multicast and reserved addresses are refused.
	IP string `json:"ip" jsonschema:"required,example=192.168.50.206"`

	// Hostname is the name of this address below the Service's own, a DNS label of
	// at most 63 characters: with headless, DNS answers HOSTNAME.NAME with it.
	Hostname string `json:"hostname,omitempty" jsonschema:"example=kafka-0"`

	// Zone is the zone that the address is in, for trafficDistribution. An
	// Endpoints object cannot hold it.
	Zone string `json:"zone,omitempty" jsonschema:"example=eu-1a"`

	// Ready set to false takes the address out of use and keeps it in the file, unless
	// publishNotReadyAddresses is true. Defaults to true.
	Ready *bool `json:"ready,omitempty"`
}

// UnmarshalJSON reads the short form, a string, and the long form, a map.
func (a *Address) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*a = Address{}
		return json.Unmarshal(data, &a.IP)
	}
	type long Address // without this method
	if err := json.Unmarshal(data, (*long)(a)); err != nil {
		return fmt.Errorf("an address is a string or a map with the key ip: %w", err)
	}
	return nil
}

// MarshalJSON writes the short form where it says everything.
func (a Address) MarshalJSON() ([]byte, error) {
	if a == (Address{IP: a.IP}) {
		return json.Marshal(a.IP)
	}
	type long Address // without this method
	return json.Marshal(long(a))
}

// Port is one port of a mapping.
type Port struct {
	// Name is the name of the port, a DNS label of at most 63 characters. It may
	// be left out where the entry has one port only.
	Name string `json:"name,omitempty" jsonschema:"example=mysql"`

	// Port is the port that clients call, from 1 to 65535.
	Port int `json:"port" jsonschema:"required,minimum=1,maximum=65535,example=3306"`

	// TargetPort is the port on the outside addresses, from 1 to 65535. Left out,
	// it is port. It cannot differ from port with externalName, where the client
	// connects to the outside itself.
	TargetPort int `json:"targetPort,omitempty" jsonschema:"minimum=1,maximum=65535,example=3306"`

	// PodPort is the port of the pods that take over: a number from 1 to 65535, or the
	// name of a port of their containers. Left out, it is targetPort. With headless it
	// cannot be another number than port.
	PodPort *PodPort `json:"podPort,omitempty" jsonschema:"example=http"`

	// Protocol is the protocol of the port. Defaults to TCP.
	Protocol Protocol `json:"protocol,omitempty"`

	// AppProtocol is a hint at the application protocol for meshes and gateways:
	// a standard name such as http, or a name with a domain such as
	// kubernetes.io/h2c.
	AppProtocol string `json:"appProtocol,omitempty" jsonschema:"example=mysql"`
}

// PodPort is a port of a pod: its number or its name.
type PodPort = intstr.IntOrString

// Backend is what a Service reaches.
type Backend string

// The backends.
const (
	External Backend = "external"
	Both     Backend = "both"
	Cluster  Backend = "cluster"
)

// Enum returns the values a string of this type may take.
func (Backend) Enum() []any { return []any{External, Both, Cluster} }

// EndpointsKind is the kind of object that holds addresses.
type EndpointsKind string

// The kinds of object that hold addresses.
const (
	EndpointSlice   EndpointsKind = "EndpointSlice"
	EndpointsLegacy EndpointsKind = "Endpoints"
)

// SessionAffinity is which connections go to the same address.
type SessionAffinity string

// The session affinities.
const (
	AffinityNone     SessionAffinity = "None"
	AffinityClientIP SessionAffinity = "ClientIP"
)

// TrafficDistribution is which addresses a client prefers.
type TrafficDistribution string

// The traffic distributions. PreferClose is the older name of PreferSameZone, which
// Kubernetes has since 1.34, as it has PreferSameNode.
const (
	DistributeEvenly TrafficDistribution = ""
	PreferClose      TrafficDistribution = "PreferClose"
	PreferSameZone   TrafficDistribution = "PreferSameZone"
	PreferSameNode   TrafficDistribution = "PreferSameNode"
)

// PullPolicy is when an image is pulled.
type PullPolicy string

// The pull policies.
const (
	PullAlways       PullPolicy = "Always"
	PullIfNotPresent PullPolicy = "IfNotPresent"
	PullNever        PullPolicy = "Never"
)

// Enum returns the values a string of this type may take.
func (PullPolicy) Enum() []any { return []any{PullAlways, PullIfNotPresent, PullNever} }

// Protocol is the protocol of a port.
type Protocol string

// The protocols of a port.
const (
	TCP  Protocol = "TCP"
	UDP  Protocol = "UDP"
	SCTP Protocol = "SCTP"
)

// Enum returns the values a string of this type may take.
func (EndpointsKind) Enum() []any { return []any{EndpointSlice, EndpointsLegacy} }

// Enum returns the values a string of this type may take.
func (SessionAffinity) Enum() []any { return []any{AffinityNone, AffinityClientIP} }

// Enum returns the values a string of this type may take.
func (TrafficDistribution) Enum() []any {
	return []any{DistributeEvenly, PreferClose, PreferSameZone, PreferSameNode}
}

// Enum returns the values a string of this type may take.
func (Protocol) Enum() []any { return []any{TCP, UDP, SCTP} }

// Default returns the values of the chart when its user gives none.
func Default() Values {
	return Values{
		Enabled:            true,
		Global:             map[string]any{},
		Services:           []Entry{},
		Overrides:          map[string]Patch{},
		NamespaceOverrides: map[string]map[string]Mapping{},
		Endpoints:          Endpoints{Kind: EndpointSlice, MaxPerSlice: 100},
		CommonLabels:       Pairs{},
		CommonAnnotations:  Pairs{},
		Tests: Tests{
			Enabled:          true,
			Image:            Image{Repository: "busybox", Tag: "1.37.0", PullPolicy: PullIfNotPresent},
			ImagePullSecrets: []LocalReference{},
			TimeoutSeconds:   5,
			Resources: Resources{
				Requests: map[string]string{"cpu": "10m", "memory": "16Mi"},
				Limits:   map[string]string{"memory": "32Mi"},
			},
		},
	}
}
