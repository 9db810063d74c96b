package resolver

import (
	"net/netip"
	"strings"
	"testing"

	"external-services/tools/values"
)

const validConfig = `
minSeconds: 5
maxSeconds: 60
maxPerSlice: 100
nameservers: [10.96.0.10, "10.96.0.11:5353", "2001:db8::53", "[2001:db8::53]:5353"]
allowedNames: ["*.corp.example", db.example]
allowedCIDRs: [10.0.0.0/8]
deniedCIDRs: [10.244.0.0/16]
entries:
- name: orders
  namespace: shop
  addresses: [db.corp.example, {host: db.example, hostname: db}]
  ports: [{port: 3306, targetPort: 3307}]
`

func parseSettings(t *testing.T, text string) (*settings, error) {
	t.Helper()
	config, err := values.ParseResolverConfig(text)
	if err != nil {
		return nil, err
	}
	return newSettings(config, func(ip netip.Addr) bool { return ip.String() == "10.96.0.1" })
}

func TestSettings(t *testing.T) {
	s, err := parseSettings(t, validConfig)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(s.nameservers, " "), "10.96.0.10:53 10.96.0.11:5353 [2001:db8::53]:53 [2001:db8::53]:5353"; got != want {
		t.Errorf("nameservers %s, want %s", got, want)
	}
	if got := s.client([]string{"10.0.0.1:53"}).Servers; len(got) != 4 {
		t.Errorf("the name servers of the Pod are asked: %v", got)
	}
	if entry := s.entries[named("orders")]; entry == nil || entry.Addresses[1].Host != "db.example" {
		t.Errorf("entries %v", s.entries)
	}
}

// TestInvalidConfig: one of these changes nothing.
func TestInvalidConfig(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"empty":          {validConfig, "", "minSeconds 0"},
		"not YAML":       {validConfig, "{", "read config.yaml"},
		"an unknown key": {"entries:", "entrys:", `unknown field "entrys"`},
		"a name server":  {"10.96.0.10,", "dns.example,", "nameservers"},
		"a network":      {"[10.0.0.0/8]", "[10.0.0.0]", "allowedCIDRs[0]"},
		"another one":    {"[10.244.0.0/16]", "[10.244.0.0/16, x]", "deniedCIDRs[1]"},
		"a name":         {"db.corp.example", "db.other.example", "db.other.example is not in allowedNames"},
		"the limits":     {"maxSeconds: 60", "maxSeconds: 4", "maxSeconds 4"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(validConfig, c.old, c.new, 1)
			if _, err := parseSettings(t, text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestFilter(t *testing.T) {
	s, err := parseSettings(t, validConfig)
	if err != nil {
		t.Fatal(err)
	}
	for ip, want := range map[string]string{
		"10.0.4.11": "", "10.245.0.1": "",
		"0.0.0.0": "unspecified", "0.1.2.3": "unspecified", "::": "unspecified",
		"127.0.0.1": "loopback", "::1": "loopback",
		"169.254.169.254": "link-local", "fe80::1": "link-local",
		"224.0.0.1": "multicast", "ff02::1": "multicast",
		"240.0.0.1": "reserved", "255.255.255.255": "reserved",
		"::ffff:10.0.4.11": "mapped",
		"10.96.0.1":        "cluster",
		"10.244.1.2":       "denied",
		"192.0.2.1":        "not-allowed", "2001:db8::1": "not-allowed",
	} {
		if got := s.filter.Refuses(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: refused as %q, want %q", ip, got, want)
		}
	}
}
