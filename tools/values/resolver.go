// Package resolver follows DNS names and writes their IP addresses to the EndpointSlices of a Service.
package resolver

import (
	"fmt"

	"sigs.k8s.io/yaml"

	"external-services/tools/values"
)

// ConfigKey is the key of the ConfigMap under which the chart writes the Config, as YAML.
const ConfigKey = "config.yaml"

// Config is what the resolver does, as the chart writes it for a release.
type Config struct {
	values.Following

	// Endpoints in one EndpointSlice at most.
	MaxPerSlice int `json:"maxPerSlice"`

	// Entries with a namespace each, everything expanded: name, namespace, backend, ports,
	// publishNotReadyAddresses, trafficDistribution, resolve, healthCheck, and the addresses that the
	// resolver writes: the DNS names, and with a health check the IP addresses too.
	Entries []values.Entry `json:"entries"`
}

// ParseConfig reads a Config strictly: an unknown key is an error.
func ParseConfig(data []byte) (*Config, error) {
	var c Config
	if err := yaml.UnmarshalStrict(data, &c); err != nil {
		return nil, fmt.Errorf("read %s: %w", ConfigKey, err)
	}
	return &c, nil
}
