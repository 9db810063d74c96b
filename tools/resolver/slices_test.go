package resolver

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"external-services/tools/values"
)

// arranged lays endpoints of an entry out, at most two a slice.
func arranged(uid string, list []endpoint, present []*discoveryv1.EndpointSlice) []*discoveryv1.EndpointSlice {
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: types.UID(uid)}}
	entry := &values.Entry{}
	entry.Ports = []values.Port{{Name: "mysql", Port: 3307}, {Name: "metrics", Port: 53, Protocol: values.UDP}}
	entry.TrafficDistribution = values.PreferSameZone
	l := layout{resolver: "apps/outside", service: service, entry: entry, max: 2, taken: func(name string) bool { return name == "db-dns-ipv4-5" }}
	return l.arrange(list, present)
}

// of are ready endpoints of a name; an IP address of the values is its own name.
func of(host string, ips ...string) (list []endpoint) {
	for _, text := range ips {
		ip := netip.MustParseAddr(text)
		list = append(list, endpoint{origin: origin{cmp.Or(host, text), familyOf(ip)}, ip: ip, ready: true})
	}
	return list
}

func names(list []*discoveryv1.EndpointSlice) string {
	var texts []string
	for _, slice := range list {
		var ips []string
		for _, e := range slice.Endpoints {
			ips = append(ips, e.Addresses...)
		}
		texts = append(texts, fmt.Sprintf("%s %s: %s", slice.Name, slice.Annotations[values.HostAnnotation], strings.Join(ips, " ")))
	}
	return strings.Join(texts, "; ")
}

func TestArrange(t *testing.T) {
	present := arranged("1", slices.Concat(of("a.example", "10.0.0.1", "10.0.0.2", "10.0.0.3"), of("b.example", "10.0.1.1", "2001:db8::1"), of("", "10.0.2.1")), nil)
	want := "db-dns-ipv4-0 a.example: 10.0.0.1 10.0.0.2; db-dns-ipv4-1 a.example: 10.0.0.3; db-dns-ipv4-2 b.example: 10.0.1.1; " +
		"db-dns-ipv6-0 b.example: 2001:db8::1; db-dns-ipv4-3 : 10.0.2.1"
	if got := names(present); got != want {
		t.Fatalf("first\n got %s\nwant %s", got, want)
	}
	again := arranged("1", slices.Concat(of("b.example", "10.0.1.1"), of("a.example", "10.0.0.9", "10.0.0.3", "10.0.0.2")), present)
	want = "db-dns-ipv4-0 a.example: 10.0.0.2 10.0.0.9; db-dns-ipv4-1 a.example: 10.0.0.3; db-dns-ipv4-2 b.example: 10.0.1.1; " +
		"db-dns-ipv4-3 : ; db-dns-ipv6-0 b.example: "
	if got := names(again); got != want {
		t.Errorf("an address stays in its slice, and a new one goes where there is room\n got %s\nwant %s", got, want)
	}
	for i, changed := range []bool{true, false, false} {
		if same(present[i], again[i]) == changed {
			t.Errorf("%s: changed %v", again[i].Name, changed)
		}
	}
	other := arranged("2", of("a.example", "10.0.0.1", "10.0.0.2", "10.0.0.3"), present)
	if got := names(other); got != "db-dns-ipv4-4 a.example: 10.0.0.1 10.0.0.2; db-dns-ipv4-6 a.example: 10.0.0.3" {
		t.Errorf("slices of a Service that was deleted, and a name that is taken, are not used: %s", got)
	}
}

func TestWrittenSlice(t *testing.T) {
	list := of("a.example", "10.0.0.1", "10.0.0.2")
	list[0].hostname, list[0].zone = "a", "eu-1"
	list[1].ready, list[1].draining = false, true
	got, err := yaml.Marshal(arranged("1", list, nil)[0])
	if err != nil {
		t.Fatal(err)
	}
	const want = `addressType: IPv4
endpoints:
- addresses:
  - 10.0.0.1
  conditions:
    ready: true
  hints:
    forZones:
    - name: eu-1
  hostname: a
  zone: eu-1
- addresses:
  - 10.0.0.2
  conditions:
    ready: false
    serving: true
    terminating: true
metadata:
  annotations:
    external-services/host: a.example
    external-services/resolver: apps/outside
  labels:
    endpointslice.kubernetes.io/managed-by: external-services-resolver
    kubernetes.io/service-name: db
  name: db-dns-ipv4-0
  namespace: shop
  ownerReferences:
  - apiVersion: v1
    controller: true
    kind: Service
    name: db
    uid: "1"
ports:
- name: mysql
  port: 3307
  protocol: TCP
- name: metrics
  port: 53
  protocol: UDP
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestSame: what others add is no reason for a write, and what they change is.
func TestSame(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*discoveryv1.EndpointSlice)
		want   bool
	}{
		"nothing":          {func(*discoveryv1.EndpointSlice) {}, true},
		"another order":    {func(s *discoveryv1.EndpointSlice) { slices.Reverse(s.Endpoints) }, true},
		"another label":    {func(s *discoveryv1.EndpointSlice) { s.Labels["team"] = "a" }, true},
		"an address twice": {func(s *discoveryv1.EndpointSlice) { s.Endpoints[1] = s.Endpoints[0] }, false},
		"an address more": {func(s *discoveryv1.EndpointSlice) {
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{"10.0.0.9"}})
		}, false},
		"out of use":         {func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Conditions.Ready = ptr.To(false) }, false},
		"another port":       {func(s *discoveryv1.EndpointSlice) { s.Ports[0].Port = ptr.To[int32](1) }, false},
		"no label":           {func(s *discoveryv1.EndpointSlice) { delete(s.Labels, discoveryv1.LabelServiceName) }, false},
		"no owner reference": {func(s *discoveryv1.EndpointSlice) { s.OwnerReferences[0].Controller = nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			list := of("a.example", "10.0.0.1", "10.0.0.2")
			present := arranged("1", list, nil)[0]
			c.change(present)
			after := arranged("1", list, []*discoveryv1.EndpointSlice{present})
			if got := len(after) == 1 && same(present, after[0]); got != c.want {
				t.Errorf("same is %v", got)
			}
		})
	}
}
