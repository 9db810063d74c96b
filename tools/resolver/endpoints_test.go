package resolver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"external-services/tools/resolver/lookup"
	"external-services/tools/values"
)

// story is an entry over time: what DNS answers, what the values say, and what is to be written then.
type story struct {
	t         *testing.T
	endpoints endpoints
	answers   map[question]answer
	in        input
	drained   time.Time
}

func newStory(t *testing.T, entry string) *story {
	s := &story{t: t, endpoints: endpoints{}, answers: map[question]answer{}}
	filter, err := lookup.NewFilter(values.Following{}, func(netip.Addr) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	s.in = input{
		families: []corev1.IPFamily{corev1.IPv4Protocol}, now: time.Unix(1_000_000, 0),
		answer:  func(q question) answer { return s.answers[q] },
		refuses: filter.Refuses,
		healthy: func(netip.Addr) bool { return true },
	}
	s.values(entry)
	return s
}

func (s *story) values(entry string) {
	s.t.Helper()
	s.in.entry = &values.Entry{}
	if err := yaml.UnmarshalStrict([]byte(entry), s.in.entry); err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) answer(host string, ips ...string) {
	for family, list := range map[corev1.IPFamily][]netip.Addr{
		corev1.IPv4Protocol: parse(ips, netip.Addr.Is4), corev1.IPv6Protocol: parse(ips, netip.Addr.Is6),
	} {
		if len(list) > 0 {
			s.answers[question{host, family}] = answer{addresses: list, at: s.in.now}
		}
	}
}

func parse(ips []string, of func(netip.Addr) bool) (list []netip.Addr) {
	for _, ip := range ips {
		if parsed := netip.MustParseAddr(ip); of(parsed) {
			list = append(list, parsed)
		}
	}
	return list
}

func (s *story) after(d time.Duration) { s.in.now = s.in.now.Add(d) }

// writes compares what is to be written: "10.0.0.1 10.0.0.2(draining)".
func (s *story) writes(want string) {
	s.t.Helper()
	var list []endpoint
	list, s.drained = s.endpoints.update(s.in)
	s.endpoints.wrote()
	if got := printed(list); got != want {
		s.t.Errorf("writes %q, want %q", got, want)
	}
}

func printed(list []endpoint) string {
	var texts []string
	for _, e := range list {
		text := e.ip.String()
		for _, detail := range []string{e.hostname, e.zone} {
			if detail != "" {
				text += "/" + detail
			}
		}
		if !e.ready {
			text += "(" + e.state() + ")"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

const oneName = "{name: db, namespace: shop, addresses: [db.corp.example], ports: [{port: 3306}]}"

func TestFailover(t *testing.T) {
	s := newStory(t, oneName)
	s.writes("")
	s.answer("db.corp.example", "10.0.0.1")
	s.writes("10.0.0.1")
	s.answer("db.corp.example", "10.0.0.2")
	s.after(time.Second)
	s.writes("10.0.0.2 10.0.0.1(draining)")
	if want := s.in.now.Add(defaultDrain); !s.drained.Equal(want) {
		t.Errorf("drained at %v, want %v", s.drained, want)
	}
	s.after(defaultDrain - 1)
	s.writes("10.0.0.2 10.0.0.1(draining)")
	s.after(1)
	s.writes("10.0.0.2")
	if !s.drained.IsZero() {
		t.Errorf("drained at %v, want no time", s.drained)
	}
}

func TestBackBeforeItDrained(t *testing.T) {
	s := newStory(t, oneName)
	s.answer("db.corp.example", "10.0.0.1")
	s.writes("10.0.0.1")
	s.answer("db.corp.example", "10.0.0.2")
	s.writes("10.0.0.2 10.0.0.1(draining)")
	s.answer("db.corp.example", "10.0.0.1")
	s.writes("10.0.0.1 10.0.0.2(draining)")
}

// TestRefusedWrite: what the API server refused to write does not drain, for it would be refused again.
func TestRefusedWrite(t *testing.T) {
	s := newStory(t, oneName)
	s.answer("db.corp.example", "10.0.0.1", "10.0.0.2")
	if list, _ := s.endpoints.update(s.in); printed(list) != "10.0.0.1 10.0.0.2" {
		t.Errorf("writes %q", printed(list))
	}
	s.answer("db.corp.example", "10.0.0.1")
	s.writes("10.0.0.1")
}

func TestSettingsOfDraining(t *testing.T) {
	for name, c := range map[string]struct{ entry, want string }{
		"0 seconds": {
			"{addresses: [db.corp.example], ports: [{port: 3306}], resolve: {drainSeconds: 0}}", "10.0.0.2",
		},
		"a UDP port": {
			"{addresses: [db.corp.example], ports: [{name: a, port: 53, protocol: UDP}, {name: b, port: 53}]}", "10.0.0.2",
		},
		"used whether ready or not": {
			"{addresses: [db.corp.example], ports: [{port: 3306}], publishNotReadyAddresses: true}", "10.0.0.2",
		},
		"60 seconds": {
			"{addresses: [db.corp.example], ports: [{port: 3306}], resolve: {drainSeconds: 60}}", "10.0.0.2 10.0.0.1(draining)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, c.entry)
			s.answer("db.corp.example", "10.0.0.1")
			s.writes("10.0.0.1")
			s.answer("db.corp.example", "10.0.0.2")
			s.after(59 * time.Second)
			s.writes(c.want)
			s.after(60 * time.Second)
			s.writes("10.0.0.2")
		})
	}
}

// TestKeepSeconds: an address stays for that long after the last answer that had it, counted from answer to
// answer.
func TestKeepSeconds(t *testing.T) {
	s := newStory(t, "{addresses: [db.corp.example], ports: [{port: 80}], resolve: {keepSeconds: 30, drainSeconds: 0}}")
	s.answer("db.corp.example", "10.0.0.1", "10.0.0.2")
	s.writes("10.0.0.1 10.0.0.2")
	s.after(20 * time.Second)
	s.answer("db.corp.example", "10.0.0.3")
	s.writes("10.0.0.1 10.0.0.2 10.0.0.3")
	s.after(10 * time.Second)
	s.answer("db.corp.example", "10.0.0.2")
	s.writes("10.0.0.1 10.0.0.2 10.0.0.3")
	s.after(time.Hour) // DNS is away
	s.writes("10.0.0.1 10.0.0.2 10.0.0.3")
	s.answer("db.corp.example", "10.0.0.2")
	s.writes("10.0.0.2")
}

func TestMaxAddresses(t *testing.T) {
	s := newStory(t, "{addresses: [db.corp.example], ports: [{port: 80}], resolve: {maxAddresses: 2, keepSeconds: 60}}")
	s.answer("db.corp.example", "10.0.0.1", "10.0.0.2", "10.0.0.3")
	s.writes("10.0.0.1 10.0.0.2")
	s.writes("10.0.0.1 10.0.0.2")
	s.after(time.Second)
	s.answer("db.corp.example", "10.0.0.4")
	s.writes("10.0.0.1 10.0.0.4 10.0.0.2(draining)")
}

func TestFamilies(t *testing.T) {
	s := newStory(t, oneName)
	s.in.families = []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}
	s.answer("db.corp.example", "10.0.0.1", "2001:db8::1")
	s.writes("10.0.0.1 2001:db8::1")
	s.answer("db.corp.example", "10.0.0.2") // the IPv6 question failed
	s.writes("10.0.0.2 2001:db8::1 10.0.0.1(draining)")
	s.in.families = []corev1.IPFamily{corev1.IPv4Protocol}
	s.writes("10.0.0.2 10.0.0.1(draining)")
}

func TestFilteredLater(t *testing.T) {
	s := newStory(t, oneName)
	s.answer("db.corp.example", "10.0.0.1", "10.0.0.2")
	s.writes("10.0.0.1 10.0.0.2")
	s.in.refuses = func(ip netip.Addr) string {
		if ip.String() == "10.0.0.2" {
			return "denied"
		}
		return ""
	}
	s.writes("10.0.0.1")
}

// TestNamesBesideAddresses: a name that is gone from the values drains once something else is ready.
func TestNamesBesideAddresses(t *testing.T) {
	s := newStory(t, "{addresses: [a.corp.example, {host: b.corp.example, hostname: b, zone: eu-1}], ports: [{port: 80}]}")
	s.answer("a.corp.example", "10.0.0.1", "10.0.0.3")
	s.answer("b.corp.example", "10.0.0.2", "10.0.0.3")
	s.writes("10.0.0.1 10.0.0.3 10.0.0.2/b/eu-1")
	s.values("{addresses: [{host: c.corp.example, ready: false}], ports: [{port: 80}]}")
	s.writes("10.0.0.1 10.0.0.3 10.0.0.2")
	s.in.others = map[corev1.IPFamily]bool{corev1.IPv4Protocol: true}
	s.answer("c.corp.example", "10.0.0.4")
	s.writes("10.0.0.4(notReady) 10.0.0.1(draining) 10.0.0.3(draining) 10.0.0.2(draining)")
}

// TestLastDraining: kube-proxy sends new connections to a draining endpoint if no other is ready.
func TestLastDraining(t *testing.T) {
	s := newStory(t, "{addresses: [{host: db.corp.example, draining: true}, 10.0.0.9], ports: [{port: 80}], healthCheck: {}}")
	s.answer("db.corp.example", "10.0.0.1")
	s.writes("10.0.0.1(draining) 10.0.0.9")
	s.values("{addresses: [{host: db.corp.example, draining: true}], ports: [{port: 80}], healthCheck: {}}")
	s.writes("10.0.0.1(draining) 10.0.0.9") // which nothing ready replaces
	s.in.others = map[corev1.IPFamily]bool{corev1.IPv4Protocol: true}
	s.writes("10.0.0.1(draining) 10.0.0.9(draining)")
}

func TestHealthTakesAtMostHalf(t *testing.T) {
	s := newStory(t, "{addresses: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4], ports: [{port: 80}], healthCheck: {}}")
	var down []string
	s.in.healthy = func(ip netip.Addr) bool { return !slices.Contains(down, ip.String()) }
	s.writes("10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4")
	down = []string{"10.0.0.2", "10.0.0.4"}
	s.writes("10.0.0.1 10.0.0.2(notReady) 10.0.0.3 10.0.0.4(notReady)")
	down = append(down, "10.0.0.1")
	s.writes("10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4")
}

// TestTakeOver: a replica that takes over reads what the leader before wrote, and writes the same.
func TestTakeOver(t *testing.T) {
	slice := func(host string, list ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
		s := &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4, Endpoints: list}
		s.Annotations = map[string]string{values.HostAnnotation: host}
		return s
	}
	ready := discoveryv1.Endpoint{Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)}}
	gone := discoveryv1.Endpoint{Addresses: []string{"10.0.0.2"}, Conditions: discoveryv1.EndpointConditions{
		Ready: ptr.To(false), Serving: ptr.To(true), Terminating: ptr.To(true)}}
	down := discoveryv1.Endpoint{Addresses: []string{"10.0.0.3"}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(false)}}
	wrong := discoveryv1.Endpoint{Addresses: []string{"db.corp.example"}}

	s := newStory(t, oneName)
	s.answer("db.corp.example", "10.0.0.9") // the newest that this replica knows, older than what was written
	s.after(1)
	failed := s.endpoints.read(slice("db.corp.example", ready, gone, down, wrong), s.in.now)
	if got := fmt.Sprint(failed); got != "[10.0.0.3]" {
		t.Errorf("out of use: %s", got)
	}
	s.in.healthy = func(ip netip.Addr) bool { return !slices.Contains(failed, ip) }
	s.writes("10.0.0.1 10.0.0.3(notReady) 10.0.0.2(draining)")
	s.after(defaultDrain)
	s.writes("10.0.0.1 10.0.0.3(notReady)")
	s.answer("db.corp.example", "10.0.0.3")
	s.writes("10.0.0.3 10.0.0.1(draining)")
}
