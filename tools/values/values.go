// Package values defines the values of the chart external-services as Go types.
//
// The chart's values.schema.json, values.yaml and the tables of its README are generated from these
// types, their tags and their comments. The comment of a field is the description that users read,
// so it is an instruction: what to write, what unset means, the limits. The tag jsonschema limits the
// range of one value; format and keys name its format (formats.go). Rules that need two values are
// in the chart, in templates/_rules.tpl.
package values

import (
	"embed"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/util/intstr"
)

// Sources are the files with the types, for their comments.
//
//go:embed values.go routes.go
var Sources embed.FS

// Values are the values of the chart external-services.
type Values struct {
	// Set to false to render nothing. The condition of a parent chart's dependency points here.
	Enabled bool `json:"enabled"`

	// Globals of a parent chart, which Helm puts here. The chart reads none.
	Global map[string]any `json:"global"`

	// Mapping entries. Each one makes a Service name reach something outside the cluster.
	Services []Entry `json:"services"`

	// Changes to single entries, by entry name. Maps merge across values files, so the file of an
	// environment changes one entry without repeating the list. Set a change to null to drop that
	// of an earlier file.
	Overrides map[string]Patch `json:"overrides"`

	// Changes to single entries in one namespace, by namespace and entry name. They win over
	// overrides. Namespaces that the release does not use are skipped.
	NamespaceOverrides map[string]map[string]Mapping `json:"namespaceOverrides" keys:"namespace"`

	// How addresses are written to the cluster.
	Endpoints Endpoints `json:"endpoints"`

	// Labels to add to every object. Labels of an entry win; null removes one.
	CommonLabels Pairs `json:"commonLabels" keys:"labelKey" format:"labelValue"`

	// Annotations to add to every object. Annotations of an entry win; null removes one. Values
	// that contain {{ are expanded as templates.
	CommonAnnotations Pairs `json:"commonAnnotations" keys:"annotationKey"`

	// The controller that follows the DNS names under addresses and writes their IP addresses to
	// EndpointSlices. It is installed only if an entry needs it: one with a DNS name among its
	// addresses, or with healthCheck.
	Resolver Resolver `json:"resolver"`

	// The Pod that helm test starts. It resolves every mapping and connects to each of its TCP
	// ports from inside the cluster.
	Tests Tests `json:"tests"`
}

// Tests is the Pod that helm test starts. It meets the Pod Security Standard
// restricted and has no token of a service account.
type Tests struct {
	// Set to false to leave the Pod out.
	Enabled bool `json:"enabled"`

	// Image of the Pod. It needs a shell, awk, sed, and the nslookup and nc of BusyBox.
	Image Image `json:"image"`

	// Secrets in the release namespace to pull the image with.
	ImagePullSecrets []LocalReference `json:"imagePullSecrets"`

	// Seconds that one connection may take, from 1 to 60.
	TimeoutSeconds int `json:"timeoutSeconds" jsonschema:"minimum=1,maximum=60"`

	// Resource requests and limits of the container.
	Resources Resources `json:"resources"`
}

// Resolver is the controller that follows DNS names. It meets the Pod Security Standard restricted.
type Resolver struct {
	// Set to true to allow DNS names under addresses, and healthCheck.
	Enabled bool `json:"enabled"`

	// Copies of the controller. One works, the others take over when it ends.
	Replicas int `json:"replicas" jsonschema:"minimum=1,maximum=10"`

	// Image of the controller.
	Image Image `json:"image"`

	// Secrets in the release namespace to pull the image with.
	ImagePullSecrets []LocalReference `json:"imagePullSecrets"`

	Following

	// Objects to install for the Prometheus operator.
	Metrics Metrics `json:"metrics"`

	// Set to true to install a ValidatingAdmissionPolicy: the controller's account may then write
	// only its own EndpointSlices, and no address of the cluster. Needs Kubernetes 1.31 and
	// permission to create the policy in the whole cluster.
	AdmissionPolicy bool `json:"admissionPolicy"`

	// Resource requests and limits of the container.
	Resources Resources `json:"resources"`

	// Labels of the nodes that the Pods may run on.
	NodeSelector map[string]string `json:"nodeSelector" keys:"labelKey" format:"labelValue"`

	// Taints of nodes that the Pods tolerate, as in a Pod.
	Tolerations []map[string]any `json:"tolerations"`

	// Affinity of the Pods, as in a Pod. If empty, the copies avoid running on one node.
	Affinity map[string]any `json:"affinity"`

	// PriorityClass of the Pods.
	PriorityClassName string `json:"priorityClassName" format:"objectName"`

	// Labels to add to the Pods.
	PodLabels map[string]string `json:"podLabels" keys:"labelKey" format:"labelValue"`

	// Annotations to add to the Pods.
	PodAnnotations map[string]string `json:"podAnnotations" keys:"annotationKey"`
}

// Following is how the resolver follows DNS names, and which answers it takes.
type Following struct {
	// IP addresses of the name servers to ask, with ":port" if it is not 53. If empty, those of the
	// Pod. Names are always asked as absolute, without a search list.
	Nameservers []string `json:"nameservers" format:"nameserver"`

	// Seconds between two questions for a name at least, whatever the TTL of its answer, from 1 to
	// 3600.
	MinSeconds int `json:"minSeconds" jsonschema:"minimum=1,maximum=3600"`

	// Seconds between two questions for a name at most, from 1 to 3600.
	MaxSeconds int `json:"maxSeconds" jsonschema:"minimum=1,maximum=3600"`

	// DNS names that entries may use, such as db.corp.example, or *.corp.example for all names
	// below. If empty, all names outside the cluster.
	AllowedNames []string `json:"allowedNames" format:"namePattern"`

	// Networks that addresses in answers must be in, such as 10.0.0.0/8. If empty, all that are not
	// denied.
	AllowedCIDRs []string `json:"allowedCIDRs" format:"cidr"`

	// Networks whose addresses are never used, besides the built-in ones: loopback, link-local,
	// multicast and reserved networks, and the Services of the cluster that the controller sees.
	// Write the pod and Service networks here.
	DeniedCIDRs []string `json:"deniedCIDRs" format:"cidr"`
}

// Metrics is what to install for the Prometheus operator (monitoring.coreos.com/v1).
type Metrics struct {
	// Set to true to install a PodMonitor, by which Prometheus finds the controller.
	PodMonitor bool `json:"podMonitor"`

	// Set to true to install a PrometheusRule with alerts. They read what the PodMonitor collects.
	PrometheusRule bool `json:"prometheusRule"`
}

// Image is a container image.
type Image struct {
	// Name of the image. Include the registry unless it is the default of the cluster.
	Repository string `json:"repository" format:"image"`

	// Tag of the image. That of the resolver defaults to the version of the chart.
	Tag string `json:"tag" format:"tag"`

	// Digest of the image, such as sha256:... It wins over the tag.
	Digest string `json:"digest" format:"digest"`

	// When to pull the image.
	PullPolicy PullPolicy `json:"pullPolicy"`
}

// LocalReference is an object of the same namespace.
type LocalReference struct {
	// Name of the object.
	Name string `json:"name" jsonschema:"required" format:"objectName"`
}

// Resources are the resources of a container.
type Resources struct {
	// Resources to reserve for the container: cpu, memory, ephemeral-storage.
	Requests map[string]string `json:"requests" keys:"resource" format:"quantity"`

	// Resources that the container may use at most: cpu, memory, ephemeral-storage.
	Limits map[string]string `json:"limits" keys:"resource" format:"quantity"`
}

// Pairs are labels or annotations. A null removes the pair that an earlier values file, the
// entry or the common ones set.
type Pairs map[string]*string

// Endpoints is how addresses are written to the cluster.
type Endpoints struct {
	// Kind of object that holds the addresses of entries without endpointsKind. Endpoints is
	// deprecated since Kubernetes 1.33: use it only for consumers that read nothing else.
	Kind EndpointsKind `json:"kind"`

	// Addresses in one EndpointSlice, from 1 to 1000. More addresses make more slices.
	MaxPerSlice int `json:"maxPerSlice" jsonschema:"minimum=1,maximum=1000"`
}

// Entry is one mapping: the Service name that clients in the cluster call, and what it reaches.
// It has either externalName or addresses, unless its backend is cluster.
type Entry struct {
	// Name of the Service: a DNS label of at most 63 characters that starts with a letter. It is
	// used as written, without the release name as a prefix.
	Name string `json:"name" jsonschema:"required,example=mysql-test" format:"serviceName"`

	Patch
}

// Patch is a partial entry. Its keys win over the entry: labels and annotations merge,
// everything else is replaced. Addresses replace an externalName and the other way round; so do
// namespace and namespaces.
type Patch struct {
	// Namespace of the Service. It must exist. Defaults to the release namespace.
	Namespace string `json:"namespace,omitempty" jsonschema:"example=test-env" format:"namespace"`

	// Namespaces that each get the same mapping. Use it instead of namespace.
	Namespaces []string `json:"namespaces,omitempty" jsonschema:"minItems=1,uniqueItems=true" format:"namespace"`

	Mapping
}

// Mapping is a partial entry that stays in its namespace.
type Mapping struct {
	// Set to false to leave the entry out. Defaults to true.
	Enabled *bool `json:"enabled,omitempty"`

	// DNS name outside that the Service is an alias of. The cluster DNS answers with a CNAME, so
	// clients choose the port. A name that contains {{ is expanded as a template.
	ExternalName string `json:"externalName,omitempty" jsonschema:"example=test.k8s.com" format:"hostName"`

	// IP addresses outside that the Service forwards to, IPv4 and IPv6, each once, or DNS names that
	// the resolver follows. Write a string, or a map to set more. An address that contains {{ is
	// expanded as a template.
	Addresses []Address `json:"addresses,omitempty"`

	// Ports of the Service. Required with addresses and with the backend cluster; with
	// externalName they only document what is served. If there are several, name each one.
	// EndpointSlices hold at most 100.
	Ports []Port `json:"ports,omitempty" jsonschema:"maxItems=100"`

	// Backend of the Service: external, the addresses or the DNS name outside; cluster, the pods
	// that selector matches; both, the two together, with connections divided by the number of
	// ready addresses. To move an entry without a failed connection, go through both. An alias of
	// a DNS name cannot be both. Defaults to external.
	Backend Backend `json:"backend,omitempty"`

	// Labels of the pods that take over. Required with the backends both and cluster. Set it while
	// the backend is still external to prepare the move: the Service then selects no pod, and
	// Kubernetes removes the endpoints of pods when you go back. Null removes a label of the
	// entry. Not possible with addresses in an Endpoints object.
	Selector Pairs `json:"selector,omitempty" keys:"labelKey" format:"labelValue"`

	// Set to true for a Service without a ClusterIP: DNS answers with the ready addresses
	// themselves, and with those that have a hostname under HOSTNAME.NAME. The port cannot change.
	// No effect with externalName. Defaults to false.
	Headless *bool `json:"headless,omitempty"`

	// Kind of object that holds the addresses of this entry. Defaults to endpoints.kind.
	EndpointsKind EndpointsKind `json:"endpointsKind,omitempty"`

	// Set to ClientIP to send all connections of one client to one address. No effect with
	// externalName. Defaults to None.
	SessionAffinity SessionAffinity `json:"sessionAffinity,omitempty"`

	// Seconds after its last connection that a client keeps its address, from 1 to 86400. Needs
	// sessionAffinity: ClientIP. The cluster's default is 10800.
	SessionAffinityTimeoutSeconds int `json:"sessionAffinityTimeoutSeconds,omitempty" jsonschema:"minimum=1,maximum=86400"`

	// Addresses that clients prefer. PreferSameZone, or PreferClose as it was called before
	// Kubernetes 1.34, prefers addresses in the client's zone; set the zone of every address. No
	// effect with externalName. If unset or empty, traffic is divided evenly.
	TrafficDistribution TrafficDistribution `json:"trafficDistribution,omitempty"`

	// Set to true to use all addresses, ready or not, in DNS and for connections. Defaults to
	// false.
	PublishNotReadyAddresses *bool `json:"publishNotReadyAddresses,omitempty"`

	// How the resolver follows the DNS names among the addresses. Null removes that of the entry. No
	// effect with externalName.
	Resolve *Resolve `json:"resolve,omitempty"`

	// Set it, also to {}, to let the resolver connect to each address over TCP and take those that do
	// not answer out of use, at most half of them. Null removes that of the entry. Needs
	// resolver.enabled and EndpointSlices. No effect with externalName.
	HealthCheck *HealthCheck `json:"healthCheck,omitempty"`

	// Ingress that routes a host name to the Service. Null removes that of the
	// entry.
	Ingress *Ingress `json:"ingress,omitempty"`

	// Route of the Gateway API from a Gateway to the Service. Null removes that of the entry.
	Route *Route `json:"route,omitempty"`

	// How Gateways speak TLS to what the Service reaches: the outside, and the pods too after the
	// move. Null removes that of the entry.
	BackendTLS *BackendTLS `json:"backendTLS,omitempty"`

	// Labels to add to the objects of this entry. Null removes a common one.
	Labels Pairs `json:"labels,omitempty" keys:"labelKey" format:"labelValue"`

	// Annotations to add to the Service and the endpoints of this entry. Null removes a common one.
	// Values that contain {{ are expanded as templates.
	Annotations Pairs `json:"annotations,omitempty" keys:"annotationKey"`
}

// Resolve is how the resolver follows the DNS names of an entry.
type Resolve struct {
	// Seconds that an address stays in use after the last answer that has it, from 0 to 86400. Set
	// it for names that answer with other addresses each time. Defaults to 0: an answer replaces the
	// one before at once.
	KeepSeconds int `json:"keepSeconds,omitempty" jsonschema:"minimum=0,maximum=86400,example=60"`

	// Seconds that open connections to an address may take to finish once it is out of use, from 0
	// to 86400. Always 0 for an entry with a UDP port. Defaults to 300.
	DrainSeconds *int `json:"drainSeconds,omitempty" jsonschema:"minimum=0,maximum=86400,example=300"`

	// Addresses of one name and IP family at most, from 1 to 1000: those that were seen last.
	// Defaults to 100.
	MaxAddresses int `json:"maxAddresses,omitempty" jsonschema:"minimum=1,maximum=1000,example=100"`
}

// HealthCheck is a TCP connection that the resolver opens and closes.
type HealthCheck struct {
	// Name of the port to connect to, one of TCP. Optional if the entry has only one port.
	Port string `json:"port,omitempty" jsonschema:"example=mysql" format:"portName"`

	// Seconds between two checks of an address, from 1 to 3600. Defaults to 10.
	IntervalSeconds int `json:"intervalSeconds,omitempty" jsonschema:"minimum=1,maximum=3600,example=10"`

	// Seconds that a connection may take, from 1 to 60. Defaults to 2.
	TimeoutSeconds int `json:"timeoutSeconds,omitempty" jsonschema:"minimum=1,maximum=60,example=2"`

	// Checks in a row that must succeed before an address is used again, from 1 to 100. Defaults
	// to 2. A new address is used before its first check.
	Rise int `json:"rise,omitempty" jsonschema:"minimum=1,maximum=100,example=2"`

	// Checks in a row that must fail before an address is taken out of use, from 1 to 100. Defaults
	// to 3.
	Fall int `json:"fall,omitempty" jsonschema:"minimum=1,maximum=100,example=3"`
}

// Address is one address outside: an IP address, or a DNS name that the resolver follows. In a values
// file it is a string, or a map with the keys of this type.
type Address struct {
	// IPv4 address in decimal without leading zeros, or IPv6 address in its canonical form (lower
	// case, shortened zeros). Loopback, link-local, multicast and reserved addresses are refused.
	// Write either ip or host.
	IP string `json:"ip,omitempty" jsonschema:"example=192.168.50.206"`

	// DNS name outside that the resolver follows, in full. The other keys hold for every address that
	// it resolves to. A name that contains {{ is expanded as a template. Needs resolver.enabled and
	// EndpointSlices.
	Host string `json:"host,omitempty" jsonschema:"example=db.corp.example" format:"hostName"`

	// Name of this address below the name of the Service, a DNS label of at most 63 characters:
	// with headless, DNS answers HOSTNAME.NAME with this address.
	Hostname string `json:"hostname,omitempty" jsonschema:"example=kafka-0" format:"hostLabel"`

	// Zone of the address, for trafficDistribution. An Endpoints object cannot hold it.
	Zone string `json:"zone,omitempty" jsonschema:"example=eu-1a" format:"zone"`

	// Set to false to take the address out of use at once: no new connections go there, kube-proxy
	// drops its UDP flows, and network plugins such as Cilium also cut open TCP connections. To
	// let open connections finish, set draining instead. Defaults to true.
	Ready *bool `json:"ready,omitempty"`

	// Set to true to let open connections finish: no new connections go to the address, but it
	// still counts as serving, so network plugins do not cut the open ones; UDP flows keep going
	// there. Another address of the same IP family must be ready. Not possible with an Endpoints
	// object or publishNotReadyAddresses. Defaults to false.
	Draining *bool `json:"draining,omitempty"`
}

// IsHost says whether an address in the short form is a DNS name: it has a letter and is not an IPv6
// address or a URL. Text that is expanded as a template is neither, until it is.
func IsHost(address string) bool {
	return strings.ContainsFunc(address, unicode.IsLetter) && !strings.ContainsAny(address, ":/{")
}

// UnmarshalJSON reads the short form, a string, and the long form, a map.
func (a *Address) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var text string
		err := json.Unmarshal(data, &text)
		if IsHost(text) {
			*a = Address{Host: text}
		} else {
			*a = Address{IP: text}
		}
		return err
	}
	if err := json.Unmarshal(data, (*longAddress)(a)); err != nil {
		return fmt.Errorf("an address is a string or a map with the key ip or host: %w", err)
	}
	return nil
}

// MarshalJSON writes the short form if only the IP address or the DNS name is set.
func (a Address) MarshalJSON() ([]byte, error) {
	switch a {
	case Address{IP: a.IP}:
		return json.Marshal(a.IP)
	case Address{Host: a.Host}:
		return json.Marshal(a.Host)
	}
	return json.Marshal(longAddress(a))
}

// longAddress is an Address without its methods.
type longAddress Address

// Port is one port of a mapping.
type Port struct {
	// Name of the port, a DNS label of at most 63 characters. Optional if the entry has only one
	// port.
	Name string `json:"name,omitempty" jsonschema:"example=mysql" format:"portName"`

	// Port that clients call, from 1 to 65535.
	Port int `json:"port" jsonschema:"required,minimum=1,maximum=65535,example=3306" format:"port"`

	// Port of the addresses outside, from 1 to 65535. Defaults to port. With externalName, where
	// clients connect to the outside themselves, it cannot differ from port.
	TargetPort int `json:"targetPort,omitempty" jsonschema:"minimum=1,maximum=65535,example=3306" format:"port"`

	// Port of the pods that take over: a number from 1 to 65535, or the name of a container port.
	// Defaults to targetPort. With headless, a number cannot differ from port.
	PodPort *PodPort `json:"podPort,omitempty" jsonschema:"example=http" format:"containerPort"`

	// Protocol of the port. Defaults to TCP.
	Protocol Protocol `json:"protocol,omitempty"`

	// Application protocol, a hint for service meshes and gateways: a standard name such as http,
	// or a name with a domain such as kubernetes.io/h2c.
	AppProtocol string `json:"appProtocol,omitempty" jsonschema:"example=mysql" format:"protocolName"`
}

// PodPort is a port of a pod: its number or its name.
type PodPort = intstr.IntOrString

// Backend selects the endpoints of a Service.
type Backend string

const (
	External Backend = "external"
	Both     Backend = "both"
	Cluster  Backend = "cluster"
)

// EndpointsKind is the kind of object that holds addresses.
type EndpointsKind string

const (
	EndpointSlice   EndpointsKind = "EndpointSlice"
	EndpointsLegacy EndpointsKind = "Endpoints"
)

// SessionAffinity decides which connections go to the same address.
type SessionAffinity string

const (
	AffinityNone     SessionAffinity = "None"
	AffinityClientIP SessionAffinity = "ClientIP"
)

// TrafficDistribution decides which addresses a client prefers.
type TrafficDistribution string

// PreferClose is the name of PreferSameZone before Kubernetes 1.34, which added PreferSameNode.
const (
	DistributeEvenly TrafficDistribution = ""
	PreferClose      TrafficDistribution = "PreferClose"
	PreferSameZone   TrafficDistribution = "PreferSameZone"
	PreferSameNode   TrafficDistribution = "PreferSameNode"
)

// PullPolicy decides when an image is pulled.
type PullPolicy string

const (
	PullAlways       PullPolicy = "Always"
	PullIfNotPresent PullPolicy = "IfNotPresent"
	PullNever        PullPolicy = "Never"
)

// Protocol is the protocol of a port.
type Protocol string

const (
	TCP  Protocol = "TCP"
	UDP  Protocol = "UDP"
	SCTP Protocol = "SCTP"
)

// Enums lists the values that the strings of a type may take.
var Enums = map[reflect.Type][]any{
	reflect.TypeFor[Backend]():             {External, Both, Cluster},
	reflect.TypeFor[EndpointsKind]():       {EndpointSlice, EndpointsLegacy},
	reflect.TypeFor[SessionAffinity]():     {AffinityNone, AffinityClientIP},
	reflect.TypeFor[TrafficDistribution](): {DistributeEvenly, PreferClose, PreferSameZone, PreferSameNode},
	reflect.TypeFor[PullPolicy]():          {PullAlways, PullIfNotPresent, PullNever},
	reflect.TypeFor[Protocol]():            {TCP, UDP, SCTP},
	reflect.TypeFor[PathType]():            {PathPrefix, PathExact, PathImplementationSpecific},
	reflect.TypeFor[RouteKind]():           {HTTPRoute, TLSRoute, TCPRoute},
	reflect.TypeFor[WellKnown]():           {SystemAuthorities},
}

// Default returns the default values of the chart.
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
		Resolver: Resolver{
			Replicas:         2,
			Image:            Image{Repository: "external-services-resolver", PullPolicy: PullIfNotPresent},
			ImagePullSecrets: []LocalReference{},
			Following: Following{
				Nameservers: []string{}, MinSeconds: 5, MaxSeconds: 60,
				AllowedNames: []string{}, AllowedCIDRs: []string{}, DeniedCIDRs: []string{},
			},
			Resources: Resources{
				Requests: map[string]string{"cpu": "10m", "memory": "32Mi"},
				Limits:   map[string]string{"memory": "128Mi"},
			},
			NodeSelector:   map[string]string{},
			Tolerations:    []map[string]any{},
			Affinity:       map[string]any{},
			PodLabels:      map[string]string{},
			PodAnnotations: map[string]string{},
		},
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
