package values

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// The values that the chart and the resolver have in common.
const (
	// ResolverConfigKey is the key of the ConfigMap that holds the ResolverConfig, as YAML.
	ResolverConfigKey = "config.yaml"

	// ResolverManager is the label endpointslice.kubernetes.io/managed-by of the resolver's slices.
	ResolverManager = "external-services-resolver"

	// Reasons of the Events that it writes about a Service.
	NameNotResolved = "NameNotResolved" // a question failed; the last addresses stay in use
	NameResolved    = "NameResolved"    // and has a good answer again
	AddressRefused  = "AddressRefused"  // an address of an answer is never written

	// ResolverAnnotation has the namespace and name of the resolver that wrote a slice: a namespace may have Services
	// of several releases.
	ResolverAnnotation = "external-services/resolver"

	// HostAnnotation has the DNS name whose addresses a slice holds. IP addresses have none.
	HostAnnotation = "external-services/host"
)

// MaxEventAction is the longest action of an Event, in bytes (pkg/apis/events/validation).
const MaxEventAction = 128

// EventAction is how the action of an Event about a DNS name in an IP family begins. The resolver writes it, with the
// reason of a failure and a number of at most ten bytes after it, and check finds the Events of a name by it.
func EventAction(host string, family corev1.IPFamily) string {
	action := host + " " + string(family)
	return action[:min(len(action), MaxEventAction-10)]
}

// ResolverConfig is what the resolver does, as the chart writes it for a release.
type ResolverConfig struct {
	Following

	// Endpoints in one EndpointSlice at most.
	MaxPerSlice int `json:"maxPerSlice"`

	// Entries with one namespace each, everything expanded: name, namespace, backend, headless,
	// publishNotReadyAddresses, trafficDistribution, resolve, healthCheck, the ports of the
	// endpoints, and the addresses that the resolver writes: the DNS names, and with a health check
	// the IP addresses.
	Entries []Entry `json:"entries"`
}

// ParseResolverConfig reads a ResolverConfig strictly: an unknown key is an error.
func ParseResolverConfig(data string) (*ResolverConfig, error) {
	var c ResolverConfig
	if err := yaml.UnmarshalStrict([]byte(data), &c); err != nil {
		return nil, fmt.Errorf("read %s: %w", ResolverConfigKey, err)
	}
	return &c, nil
}
