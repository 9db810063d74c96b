package values

import (
	"encoding/json"
	"fmt"
)

// Ingress is the Ingress in front of an entry (networking.k8s.io/v1). It has the name of the Service.
type Ingress struct {
	// Name of the IngressClass. Defaults to that of the cluster, if it has a default.
	ClassName string `json:"className,omitempty" jsonschema:"example=internal" format:"objectName"`

	// Host names to route to the Service. Write a string, or a map to set paths. A name may begin
	// with "*." in place of its first label. Required.
	Hosts []IngressHost `json:"hosts,omitempty" jsonschema:"minItems=1" format:"routeHost"`

	// Certificates of the hosts. Write a map, or a list of maps for several. If unset, the hosts are
	// served over HTTP.
	TLS IngressTLS `json:"tls,omitempty"`

	// Set to true to allow an Ingress in front of an alias of a DNS name. Most controllers refuse one,
	// or need a setting of their own.
	AllowAlias *bool `json:"allowAlias,omitempty"`

	// Annotations to add to the Ingress, next to the common ones. Null removes a common one. Values
	// that contain {{ are expanded as templates.
	Annotations Pairs `json:"annotations,omitempty" keys:"annotationKey"`
}

// IngressHost is a host name in front. In a values file it is a string, or a map with the keys of this type.
type IngressHost struct {
	// Host name, in lower case.
	Host string `json:"host" jsonschema:"required,example=proxmox.home.example" format:"routeHost"`

	// Paths to route to the Service. Defaults to all.
	Paths []RoutePath `json:"paths,omitempty" jsonschema:"minItems=1"`
}

// RoutePath is a path in front.
type RoutePath struct {
	// Path of the requests. Defaults to /.
	Path string `json:"path,omitempty" jsonschema:"example=/api" format:"path"`

	// How requests match: Prefix, the path and everything below it; Exact, the path alone;
	// ImplementationSpecific, as the controller of an Ingress decides. Defaults to Prefix.
	PathType PathType `json:"pathType,omitempty"`

	// Port of the Service to send the requests to. Required if the entry has several TCP ports.
	Port int `json:"port,omitempty" jsonschema:"minimum=1,maximum=65535,example=443" format:"port"`
}

// PathType is how a path matches requests.
type PathType string

const (
	PathPrefix                 PathType = "Prefix"
	PathExact                  PathType = "Exact"
	PathImplementationSpecific PathType = "ImplementationSpecific"
)

// IngressTLS are the certificates of an Ingress. In a values file it is a list, or the only item of it.
type IngressTLS []IngressCertificate

// IngressCertificate is a certificate of an Ingress.
type IngressCertificate struct {
	// Secret of the type kubernetes.io/tls, in the namespace of the entry. Defaults to the certificate
	// that the controller has for all hosts.
	SecretName string `json:"secretName,omitempty" jsonschema:"example=proxmox-tls" format:"objectName"`

	// Hosts that the certificate is for. Defaults to all hosts of the Ingress.
	Hosts []string `json:"hosts,omitempty" jsonschema:"minItems=1" format:"routeHost"`
}

// Route is a route of the Gateway API in front of an entry (gateway.networking.k8s.io/v1). It has the name of the
// Service.
type Route struct {
	// Kind of route: HTTPRoute; TLSRoute, which passes TLS through by the host name that clients ask for;
	// or TCPRoute. Defaults to HTTPRoute.
	Kind RouteKind `json:"kind,omitempty"`

	// Gateways, or their listeners, that serve the route. Required.
	ParentRefs []ParentRef `json:"parentRefs,omitempty" jsonschema:"minItems=1,maxItems=32"`

	// Host names to route to the Service, in lower case. A name may begin with "*." in place of its
	// first label. Required with TLSRoute, and not possible with TCPRoute. Defaults to those of the
	// listeners.
	Hostnames []string `json:"hostnames,omitempty" jsonschema:"minItems=1,maxItems=16" format:"routeHost"`

	// Paths to route to the Service. Defaults to all. TLSRoute and TCPRoute have one rule, with a
	// port alone.
	Rules []RoutePath `json:"rules,omitempty" jsonschema:"minItems=1,maxItems=16"`

	// Set to true to allow a route in front of an alias of a DNS name. The Gateway API advises
	// controllers not to support one.
	AllowAlias *bool `json:"allowAlias,omitempty"`

	// Annotations to add to the route, next to the common ones. Null removes a common one. Values that
	// contain {{ are expanded as templates.
	Annotations Pairs `json:"annotations,omitempty" keys:"annotationKey"`
}

// RouteKind is a kind of route of the Gateway API.
type RouteKind string

const (
	HTTPRoute RouteKind = "HTTPRoute"
	TLSRoute  RouteKind = "TLSRoute"
	TCPRoute  RouteKind = "TCPRoute"
)

// ParentRef is a Gateway, or a listener of it.
type ParentRef struct {
	// Name of the Gateway.
	Name string `json:"name" jsonschema:"required,example=internal" format:"objectName"`

	// Namespace of the Gateway. Defaults to that of the entry.
	Namespace string `json:"namespace,omitempty" jsonschema:"example=network" format:"namespace"`

	// Name of the listener. Defaults to all listeners that accept the route.
	SectionName string `json:"sectionName,omitempty" jsonschema:"example=https" format:"objectName"`
}

// BackendTLS makes Gateways speak TLS to the outside, and check its certificate: a BackendTLSPolicy
// (gateway.networking.k8s.io/v1) with the name of the Service.
type BackendTLS struct {
	// Host name to ask for (SNI), which the certificate must have. Required.
	Hostname string `json:"hostname,omitempty" jsonschema:"example=proxmox.home.example" format:"tlsHost"`

	// ConfigMaps in the namespace of the entry with the certificates of authorities under the key
	// ca.crt. Write them or wellKnown.
	CACertificates []LocalReference `json:"caCertificates,omitempty" jsonschema:"minItems=1,maxItems=8"`

	// Set to System to trust the authorities that the Gateway's system trusts.
	WellKnown WellKnown `json:"wellKnown,omitempty"`

	// Name of the port that speaks TLS. Defaults to all ports of the entry.
	Port string `json:"port,omitempty" jsonschema:"example=https" format:"portName"`
}

// WellKnown is a set of certificate authorities.
type WellKnown string

const SystemAuthorities WellKnown = "System"

// UnmarshalJSON reads the short form, a string, and the long form, a map.
func (h *IngressHost) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*h = IngressHost{}
		return json.Unmarshal(data, &h.Host)
	}
	if err := json.Unmarshal(data, (*longHost)(h)); err != nil {
		return fmt.Errorf("a host is a string or a map with the key host: %w", err)
	}
	return nil
}

// MarshalJSON writes the short form if only the name is set.
func (h IngressHost) MarshalJSON() ([]byte, error) {
	if h.Paths == nil {
		return json.Marshal(h.Host)
	}
	return json.Marshal(longHost(h))
}

// longHost is an IngressHost without its methods.
type longHost IngressHost

// UnmarshalJSON reads a list, or its only item.
func (t *IngressTLS) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		*t = make(IngressTLS, 1)
		return json.Unmarshal(data, &(*t)[0])
	}
	return json.Unmarshal(data, (*[]IngressCertificate)(t))
}

// MarshalJSON writes an only item without the list.
func (t IngressTLS) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]IngressCertificate(t))
}
