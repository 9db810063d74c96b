package lookup

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"external-services/tools/values"
)

// never are the networks that no endpoint may be in: those that the API server refuses, one of which
// fails the whole slice (pkg/apis/core/validation ValidateEndpointIP), and others that lead no further
// than the node.
var never = map[string][]netip.Prefix{
	"unspecified": prefixes("0.0.0.0/8", "::/128"),
	"loopback":    prefixes("127.0.0.0/8", "::1/128"),
	"link-local":  prefixes("169.254.0.0/16", "fe80::/10"),
	"multicast":   prefixes("224.0.0.0/4", "ff00::/8"),
	"reserved":    prefixes("240.0.0.0/4"),
}

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// Filter decides which addresses of an answer are written. It protects from whoever controls the zone of
// a name and would choose where the pods connect (DNS rebinding).
type Filter struct {
	allowed, denied []netip.Prefix
	ofCluster       func(netip.Addr) bool
}

// NewFilter returns the filter of the values. OfCluster says whether an address is one of the cluster's own
// Services. The error names the network that cannot be read.
func NewFilter(f values.Following, ofCluster func(netip.Addr) bool) (*Filter, error) {
	allowed, err := parsePrefixes("allowedCIDRs", f.AllowedCIDRs)
	if err != nil {
		return nil, err
	}
	denied, err := parsePrefixes("deniedCIDRs", f.DeniedCIDRs)
	if err != nil {
		return nil, err
	}
	return &Filter{allowed: allowed, denied: denied, ofCluster: ofCluster}, nil
}

func parsePrefixes(field string, texts []string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for i, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", field, i, err)
		}
		list = append(list, prefix.Masked())
	}
	return list, nil
}

// Refuses returns why an address is not written, or nothing.
func (f *Filter) Refuses(address netip.Addr) (reason string) {
	holds := func(p netip.Prefix) bool { return p.Contains(address) }
	if address.Is4In6() {
		return "mapped"
	}
	for reason, networks := range never {
		if slices.ContainsFunc(networks, holds) {
			return reason
		}
	}
	switch {
	case f.ofCluster(address):
		return "cluster"
	case slices.ContainsFunc(f.denied, holds):
		return "denied"
	case len(f.allowed) > 0 && !slices.ContainsFunc(f.allowed, holds):
		return "not-allowed"
	}
	return ""
}

// Split returns the addresses that may be written, and the others with the reasons.
func (f *Filter) Split(addresses []netip.Addr) (accepted []netip.Addr, refused map[netip.Addr]string) {
	refused = map[netip.Addr]string{}
	for _, address := range addresses {
		if reason := f.Refuses(address); reason != "" {
			refused[address] = reason
		} else {
			accepted = append(accepted, address)
		}
	}
	return accepted, refused
}

// AllowsName says whether a name matches one of the patterns: itself, or "*." and a domain above it. All
// names match no patterns.
func AllowsName(patterns []string, name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(pattern string) bool {
		pattern = strings.ToLower(strings.TrimSuffix(pattern, "."))
		domain, below := strings.CutPrefix(pattern, "*")
		return name == pattern || below && strings.HasSuffix(name, domain)
	})
}
