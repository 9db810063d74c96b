package lookup

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/miekg/dns"
)

// Servers reads the name servers of a resolv.conf as "IP:port". It fails if there are none, or if one is not
// an IP address.
func Servers(resolvConf string) ([]string, error) {
	config, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return nil, fmt.Errorf("read name servers: %w", err)
	}
	if len(config.Servers) == 0 {
		return nil, fmt.Errorf("read name servers: no nameserver in %s", resolvConf)
	}
	servers := make([]string, len(config.Servers))
	for i, server := range config.Servers {
		if _, err := netip.ParseAddr(server); err != nil {
			return nil, fmt.Errorf("read name servers: nameserver %q in %s: not an IP address", server, resolvConf)
		}
		servers[i] = net.JoinHostPort(server, config.Port)
	}
	return servers, nil
}
