package resolve

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"external-services/tools/resolver/lookup"
)

// zone has the addresses of names, and the reasons of names that fail.
var zone = map[string]string{
	"db.corp.example": "10.0.4.11 10.0.4.12", "dual.corp.example": "10.0.4.13 2001:db8::13",
	"v6.corp.example": "2001:db8::14", "local.corp.example": "127.0.0.1", "some.corp.example": "127.0.0.1 10.0.4.15",
	"empty.corp.example": "nodata", "gone.corp.example": "nxdomain",
}

func ask(_ context.Context, host string, family corev1.IPFamily) (a lookup.Answer, err error) {
	for _, text := range strings.Fields(zone[host]) {
		ip, err := netip.ParseAddr(text)
		switch {
		case err != nil && text != "nodata":
			return a, &lookup.Error{Name: host, Family: family, Reason: lookup.Reason(text), Err: fmt.Errorf("%s says %s", host, text)}
		case err == nil && ip.Is4() == (family == corev1.IPv4Protocol):
			a.Addresses = append(a.Addresses, ip)
		}
	}
	if len(a.Addresses) == 0 {
		return a, &lookup.Error{Name: host, Family: family, Reason: lookup.NoData, Err: fmt.Errorf("no address")}
	}
	return a, nil
}

func resolved(t *testing.T, text string) (string, []Replaced, error) {
	t.Helper()
	var vals map[string]any
	if err := yaml.Unmarshal([]byte(text), &vals); err != nil {
		t.Fatal(err)
	}
	replaced, err := Values(t.Context(), vals, ask)
	out, marshalErr := yaml.Marshal(vals)
	if marshalErr != nil {
		t.Fatal(marshalErr)
	}
	return string(out), replaced, err
}

func TestValues(t *testing.T) {
	got, replaced, err := resolved(t, `
services:
- name: orders
  addresses: [db.corp.example, 10.0.4.1, {host: dual.corp.example, zone: eu-1}, some.corp.example]
  resolve: {keepSeconds: 60}
  healthCheck: {}
- name: web
  externalName: www.corp.example
overrides:
  orders: {addresses: [v6.corp.example]}
  web: null
namespaceOverrides:
  shop:
    orders: {addresses: [{host: db.corp.example}], resolve: {drainSeconds: 0}}
`)
	if err != nil {
		t.Fatal(err)
	}
	const want = `namespaceOverrides:
  shop:
    orders:
      addresses:
      - ip: 10.0.4.11
      - ip: 10.0.4.12
overrides:
  orders:
    addresses:
    - 2001:db8::14
  web: null
services:
- addresses:
  - 10.0.4.11
  - 10.0.4.12
  - 10.0.4.1
  - ip: 10.0.4.13
    zone: eu-1
  - ip: 2001:db8::13
    zone: eu-1
  - 10.0.4.15
  name: orders
- externalName: www.corp.example
  name: web
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if text := fmt.Sprint(replaced[0], len(replaced)); text != "{services[0].addresses orders db.corp.example [10.0.4.11 10.0.4.12]} 5" {
		t.Errorf("replaced %s", text)
	}
}

func TestErrors(t *testing.T) {
	for values, want := range map[string]string{
		"services: [{name: a, addresses: [gone.corp.example]}, {name: b, addresses: [empty.corp.example]}]": "services[0] \"a\": ",
		"overrides: {a: {addresses: [empty.corp.example]}}":                                                 `overrides.a "a": empty.corp.example has no addresses`,
		"services: [{name: a, addresses: [local.corp.example]}]":                                            `all addresses of local.corp.example are refused: map[127.0.0.1:loopback]`,
		"{resolver: {allowedNames: [db.example]}, services: [{name: a, addresses: [db.corp.example]}]}":     "db.corp.example is not in resolver.allowedNames",
		"{resolver: {deniedCIDRs: [10.0.0.0/8]}, services: [{name: a, addresses: [db.corp.example]}]}":      "10.0.4.11:denied",
		"{resolver: {deniedCIDRs: [10.0.0.0]}, services: []}":                                               "resolver: deniedCIDRs[0]",
		"{resolver: {minSeconds: often}, services: []}":                                                     "resolver: json",
	} {
		if _, _, err := resolved(t, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", values, err, want)
		}
	}
	if _, _, err := resolved(t, "services: [{name: a, addresses: [gone.corp.example]}, {name: b, addresses: [empty.corp.example]}]"); !strings.Contains(err.Error(), `services[1] "b"`) {
		t.Errorf("not all errors at once: %v", err)
	}
}
