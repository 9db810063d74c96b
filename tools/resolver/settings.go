package resolver

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"external-services/tools/resolver/lookup"
	"external-services/tools/values"
)

// settings is a ResolverConfig that was read and found valid.
type settings struct {
	config      *values.ResolverConfig
	filter      *lookup.Filter
	nameservers []string // empty: those of the Pod
	min, max    time.Duration
	maxPerSlice int
	entries     map[types.NamespacedName]*values.Entry
}

// questionTimeout is what one question may take. It is short, for a lost packet costs as much: the next question goes
// out from another port, and so perhaps to another Pod of CoreDNS, which has the answer by then.
const questionTimeout = 2 * time.Second

func newSettings(c *values.ResolverConfig, ofCluster func(netip.Addr) bool) (*settings, error) {
	filter, err := lookup.NewFilter(c.Following, ofCluster)
	if err != nil {
		return nil, err
	}
	s := &settings{
		config: c, filter: filter, maxPerSlice: c.MaxPerSlice, entries: map[types.NamespacedName]*values.Entry{},
		min: time.Duration(c.MinSeconds) * time.Second, max: time.Duration(c.MaxSeconds) * time.Second,
	}
	if s.min <= 0 || s.max < s.min || s.maxPerSlice <= 0 {
		return nil, fmt.Errorf("minSeconds %d, maxSeconds %d, maxPerSlice %d: write positive numbers, the first at most the second",
			c.MinSeconds, c.MaxSeconds, c.MaxPerSlice)
	}
	for _, server := range c.Nameservers {
		if _, err := netip.ParseAddr(server); err == nil {
			server = net.JoinHostPort(server, "53")
		}
		if _, err := netip.ParseAddrPort(server); err != nil {
			return nil, fmt.Errorf("nameservers: %w", err)
		}
		s.nameservers = append(s.nameservers, server)
	}
	for i := range c.Entries {
		e := &c.Entries[i]
		for _, a := range e.Addresses {
			if a.Host != "" && !lookup.AllowsName(c.AllowedNames, a.Host) {
				return nil, fmt.Errorf("entry %s/%s: %s is not in allowedNames", e.Namespace, e.Name, a.Host)
			}
		}
		s.entries[types.NamespacedName{Namespace: e.Namespace, Name: e.Name}] = e
	}
	return s, nil
}

// client asks the name servers of the settings.
func (s *settings) client(pod []string) *lookup.Client {
	c := &lookup.Client{Servers: s.nameservers, Timeout: questionTimeout}
	if len(c.Servers) == 0 {
		c.Servers = pod
	}
	return c
}
