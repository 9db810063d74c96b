package importer_test

import (
	"slices"
	"strings"
	"testing"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/importer"
	"external-services/tools/service"
)

// A Service with a name and with IP addresses, as Argo CD applies the chart, and the slices of its resolver.
const followedService = `
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop, labels: {external-services/backend: external}}
spec: {ports: [{name: mysql, port: 3306}], ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv4, IPv6]}
`

// slice is one of the resolver for db: of a name, or of IP addresses if it is empty.
func slice(name, family, host, endpoints string) string {
	annotations := ""
	if host != "" {
		annotations = "annotations: {external-services/host: " + host + "}, "
	}
	return `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: ` + family + `
metadata: {name: ` + name + `, namespace: shop, ` + annotations + `labels: {kubernetes.io/service-name: db, endpointslice.kubernetes.io/managed-by: external-services-resolver},
  ownerReferences: [{apiVersion: v1, kind: Service, name: db, uid: u, controller: true}]}
ports: [{name: mysql, port: 3307, protocol: TCP}]
endpoints: [` + endpoints + `]
`
}

// ready, failed and drained are endpoints of a slice.
func ready(ip string) string {
	return "{addresses: ['" + ip + "'], conditions: {ready: true}}"
}

func failed(ip string) string {
	return "{addresses: ['" + ip + "'], conditions: {ready: false}}"
}

func drained(ip string) string {
	return "{addresses: ['" + ip + "'], conditions: {ready: false, serving: true, terminating: true}}"
}

// A slice of the resolver becomes the name that it holds, whatever addresses that has today.
func TestSlicesOfResolver(t *testing.T) {
	own := `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: IPv4
metadata: {name: db-ipv4-0, namespace: shop, labels: {kubernetes.io/service-name: db, endpointslice.kubernetes.io/managed-by: external-services}}
ports: [{name: mysql, port: 3307, protocol: TCP}]
endpoints: [{addresses: [10.0.4.11], conditions: {ready: true}}]
`
	for _, c := range []struct {
		name, slices, want string // the addresses
		warnings           []string
	}{
		{"a name", slice("db-dns-ipv4-0", "IPv4", "db.example", ready("10.0.4.1")), "db.example", nil},
		{"of both families", slice("db-dns-ipv4-0", "IPv4", "db.example", ready("10.0.4.1")+", "+drained("10.0.4.2")) +
			slice("db-dns-ipv6-0", "IPv6", "db.example", ready("2001:db8::1")), "db.example", nil},
		{"draining first", slice("db-dns-ipv4-0", "IPv4", "db.example", drained("10.0.4.2")+", "+ready("10.0.4.1")), "db.example", nil},
		{"two names", slice("db-dns-ipv4-0", "IPv4", "db.example", ready("10.0.4.1")) + slice("db-dns-ipv4-1", "IPv4", "db2.example", drained("10.0.4.3")),
			"db.example, db2.example (draining)", nil},
		{"a name out of use", slice("db-dns-ipv4-0", "IPv4", "db.example", ready("10.0.4.1")) + slice("db-dns-ipv4-1", "IPv4", "db2.example", failed("10.0.4.3")),
			"db.example, db2.example (not ready)", nil},
		{"beside an address", slice("db-dns-ipv4-0", "IPv4", "db.example", ready("10.0.4.1")) + own, "10.0.4.11, db.example", nil},
		{"with a health check", slice("db-dns-ipv4-0", "IPv4", "db.example", ready("10.0.4.1")) + slice("db-dns-ipv4-1", "IPv4", "", ready("10.0.4.11")),
			"10.0.4.11, db.example", []string{"healthCheck: the objects do not say how the resolver checks the addresses: write it again"}},
		{"with a host name and a zone", slice("db-dns-ipv4-0", "IPv4", "db.example", "{addresses: [10.0.4.1], hostname: db-0, zone: z1, conditions: {ready: true}}"),
			"db.example db-0 z1", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			result := importTexts(t, importer.Options{ReleaseNamespace: "shop"}, false, map[string]string{"in.yaml": followedService + c.slices})
			var warnings []string
			for _, f := range result.Findings {
				if f.Severity != findings.Hint {
					warnings = append(warnings, f.Message)
				}
			}
			if !slices.Equal(warnings, c.warnings) || len(result.Entries) != 1 {
				t.Fatalf("warnings %q, want %q in\n%s", warnings, c.warnings, result.Values)
			}
			vals, err := helm.Parse(result.Values)
			if err != nil {
				t.Fatal(err)
			}
			chart, err := helm.Embedded()
			if err != nil {
				t.Fatal(err)
			}
			objects, err := helm.Mappings(chart, helm.Release{Namespace: "shop"}, vals)
			if err != nil {
				t.Fatalf("%v\n%s", err, result.Values)
			}
			m := service.FromRendered(objects)[service.Key{Namespace: "shop", Name: "db"}]
			var got []string
			for _, a := range m.Addresses {
				got = append(got, strings.TrimSpace(a.String()+" "+a.Hostname+" "+a.Zone))
			}
			slices.Sort(got)
			if strings.Join(got, ", ") != c.want || m.Ports[0].TargetPort != 3307 {
				t.Errorf("addresses %q, want %q; target port %d\n%s", got, c.want, m.Ports[0].TargetPort, result.Values)
			}
		})
	}
	const want = `resolver:
  enabled: true
services:
  # note: db.example: the resolver follows it, which needs resolver.enabled; resolve and
  #       healthCheck, if the entry had them, are not in the objects
  - name: db
    addresses: [db.example]
    ports:
      - {name: mysql, port: 3306, targetPort: 3307}
`
	result := importTexts(t, importer.Options{ReleaseNamespace: "shop"}, false,
		map[string]string{"in.yaml": followedService + slice("db-dns-ipv4-0", "IPv4", "db.example", ready("10.0.4.1"))})
	if _, got, _ := strings.Cut(string(result.Values), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A Service of a release of this chart is left out, and so are the slices of its resolver.
func TestReleaseWithResolver(t *testing.T) {
	ofRelease := strings.Replace(followedService, "labels: {", "annotations: {meta.helm.sh/release-name: outside}, labels: {app.kubernetes.io/name: external-services, ", 1)
	other := "---\n{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {type: ExternalName, externalName: web.example}}\n"
	result := importTexts(t, importer.Options{ReleaseNamespace: "shop"}, false,
		map[string]string{"in.yaml": ofRelease + slice("db-dns-ipv4-0", "IPv4", "db.example", ready("10.0.4.1")) + other})
	if len(result.Entries) != 1 || result.Entries[0].Name != "web" || len(result.Findings) > 0 || len(result.LeftOut) != 1 || strings.Contains(string(result.Values), "resolver") {
		t.Errorf("%+v\n%s", result, result.Values)
	}
}
