package plan

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
)

var update = flag.Bool("update", false, "write the golden files")

// compareTexts plans from the text of one values file to that of another.
func compareTexts(t *testing.T, from, to string) *Plan {
	t.Helper()
	return Compare(mappings(t, from), mappings(t, to))
}

func mappings(t *testing.T, values string) *helm.Result {
	t.Helper()
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	vals, err := helm.Parse([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	result, err := helm.Mappings(chart, helm.Release{}, vals)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// one is a values file with one entry named e.
func one(entry string) string {
	return "resolver: {enabled: true}\nservices: [{name: e, " + entry + "}]"
}

// What entries can be, without the name.
const (
	alias        = "externalName: a.example"
	addresses    = "addresses: [10.0.0.1], ports: [{port: 80}]"
	endpoints    = addresses + ", endpointsKind: Endpoints"
	pods         = ", selector: {app: e}"
	both         = addresses + pods + ", backend: both"
	clusterOnly  = "ports: [{port: 80}]" + pods + ", backend: cluster"
	headless     = ", headless: true"
	six          = "addresses: ['2001:db8::1'], ports: [{port: 80}]"
	dual         = "addresses: [10.0.0.1, '2001:db8::1'], ports: [{port: 80}]"
	tcp          = "addresses: [10.0.0.1], ports: [{name: dns, port: 53}]"
	tcpAndUDP    = "addresses: [10.0.0.1], ports: [{name: dns, port: 53}, {name: dns-udp, port: 53, protocol: UDP}]"
	udp          = "addresses: [10.0.0.1], ports: [{name: dns-udp, port: 53, protocol: UDP}]"
	name         = "addresses: [db.example], ports: [{port: 80}]"
	nameAndIP    = "addresses: [db.example, 10.0.0.1], ports: [{port: 80}]"
	checked      = addresses + ", healthCheck: {}"
	nameAndPods  = name + pods + ", backend: both"
	nameInside   = name + pods + ", backend: cluster"
	tcpUDPAndTLS = "addresses: [10.0.0.1], ports: [{name: dns, port: 53}, {name: dns-udp, port: 53, protocol: UDP}, {name: tls, port: 853}]"
)

// The findings of a change, each measured on a real API server with Helm 3.22 and 4.3. Tests on clusters
// repeat some of them.
func TestFindings(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		want           string // the codes with their effects, in order of the codes
	}{
		{"nothing", addresses, addresses, ""},
		{"a ClusterIP is taken away", addresses, addresses + headless, "clusterip-to-headless refused"},
		{"a ClusterIP is taken away from pods", clusterOnly, clusterOnly + headless, "clusterip-to-headless refused"},
		{"a ClusterIP for a headless one", addresses + headless, addresses, "headless-to-clusterip kept"},
		{"headless and an alias", addresses + headless, alias, "dns-answers interrupted"},
		{"an alias gets addresses", alias, addresses, "dns-answers interrupted"},
		{"an alias gets pods", alias, clusterOnly, "dns-answers interrupted"},
		{"an alias becomes headless", alias, addresses + headless, "dns-answers interrupted"},
		{"another alias", alias, "externalName: b.example", ""},
		{"pods become an alias", both, alias, "dns-answers interrupted, selector-removed stale"},
		{"parked becomes an alias", addresses + pods, alias, "dns-answers interrupted"},
		{"to both", addresses, both, "rollback-stale stale"},
		{"parked to both", addresses + pods, both, ""},
		{"both to cluster", both, clusterOnly, ""},
		{"cluster to both", clusterOnly, both, ""},
		{"both to parked", both, addresses + pods, ""},
		{"parked to without selector", addresses + pods, addresses, ""},
		{"both to without selector", both, addresses, "selector-removed stale"},
		{"external to cluster", addresses, clusterOnly, "rollback-stale stale, without-both interrupted"},
		{"cluster to parked", clusterOnly, addresses + pods, "without-both interrupted"},
		{"cluster to without selector", clusterOnly, addresses, "selector-removed stale, without-both interrupted"},
		{"to Endpoints", addresses, endpoints, ""},
		{"from Endpoints", endpoints, addresses, ""},
		{"Endpoints to parked", endpoints, addresses + pods, "endpoints-overwritten interrupted"},
		{"Endpoints to both", endpoints, both, "endpoints-overwritten interrupted, rollback-stale stale"},
		{"Endpoints to cluster", endpoints, clusterOnly, "endpoints-overwritten interrupted, rollback-stale stale, without-both interrupted"},
		{"parked to Endpoints", addresses + pods, endpoints, "endpoints-exist refused"},
		{"both to Endpoints", both, endpoints, "endpoints-exist refused, selector-removed stale"},
		{"cluster to Endpoints", clusterOnly, endpoints, "endpoints-exist refused, selector-removed stale, without-both interrupted"},
		{"IPv4 to IPv6", addresses, six, "family-change refused"},
		{"IPv6 to IPv4", six, addresses, "family-change refused"},
		{"both families to IPv6", dual, six, "family-change refused"},
		{"both families to IPv4", dual, addresses, ""},
		{"IPv4 to both families", addresses, dual, ""},
		{"pods to IPv6", clusterOnly, six + pods + ", backend: both", "family-change refused"},
		{"headless to IPv6", addresses + headless, six + headless, ""},
		{"headless IPv4 to IPv6 with a ClusterIP", addresses + headless, six, "headless-to-clusterip kept"},
		{"UDP beside TCP", tcp, tcpAndUDP, "ports-by-number altered"},
		{"UDP no more beside TCP", tcpAndUDP, tcp, "port-removed lost"},
		{"TCP no more beside UDP", tcpAndUDP, udp, "port-removed lost, ports-by-number refused"},
		{"TCP to UDP", tcp, udp, "port-removed lost"},
		{"a port beside TCP and UDP", tcpAndUDP, tcpUDPAndTLS, ""},
		{"a port less beside TCP and UDP", tcpUDPAndTLS, tcpAndUDP, "port-removed lost"},
		{"a port is renamed", tcp, strings.Replace(tcp, "dns", "domain", 1), "port-renamed interrupted"},
		{"a headless port is renamed", tcp + headless, strings.Replace(tcp, "dns", "domain", 1) + headless, ""},
		{"a port gets a name", addresses, "addresses: [10.0.0.1], ports: [{name: http, port: 80}]", "port-renamed interrupted"},
		{"a port of the pods", both, strings.Replace(both, "port: 80", "port: 80, podPort: http", 1), ""},
		{"no address is ready", addresses, "addresses: [{ip: 10.0.0.1, ready: false}], ports: [{port: 80}]", "no-ready-address lost"},
		{"no address is ready, but used", addresses, "addresses: [{ip: 10.0.0.1, ready: false}], publishNotReadyAddresses: true, ports: [{port: 80}]", ""},
		{"no address is ready, as before", "addresses: [{ip: 10.0.0.1, ready: false}], ports: [{port: 80}]", "addresses: [{ip: 10.0.0.2, ready: false}], ports: [{port: 80}]", ""},
		{"addresses to a name", addresses, name, "rollback-resolver stale, without-overlap interrupted"},
		{"addresses to a name, with pods", both, nameAndPods, "rollback-resolver stale"},
		{"Endpoints to a name", endpoints, name, "rollback-resolver stale, without-overlap interrupted"},
		{"an address out of use to a name", "addresses: [{ip: 10.0.0.1, ready: false}], ports: [{port: 80}]", name, "rollback-resolver stale"},
		{"addresses to a name and an address out of use", addresses, "addresses: [db.example, {ip: 10.0.0.1, ready: false}], ports: [{port: 80}]", "rollback-resolver stale, without-overlap interrupted"},
		{"addresses to addresses and a name", addresses, nameAndIP, "rollback-resolver stale"},
		{"addresses and a name to a name", nameAndIP, name, ""},
		{"addresses and a name to addresses", nameAndIP, addresses, "resolver-removed stale"},
		{"a name to addresses", name, addresses, "resolver-removed stale"},
		{"a name to another", name, strings.Replace(name, "db.", "db2.", 1), ""},
		{"a name to an alias", name, alias, "dns-answers interrupted, resolver-removed stale"},
		{"an alias to a name", alias, name, "dns-answers interrupted"},
		{"a health check", addresses, checked, "rollback-resolver stale, without-overlap interrupted"},
		{"no health check", checked, addresses, "resolver-removed stale"},
		{"a name to both", name + pods, nameAndPods, ""},
		{"both to cluster with a name", nameAndPods, nameInside, ""},
		{"cluster to both with a name", nameInside, nameAndPods, ""},
		{"both to external with a name", nameAndPods, name + pods, ""},
		{"external to cluster with a name", name + pods, nameInside, "without-both interrupted"},
		{"both with a name to cluster without", nameAndPods, clusterOnly, "resolver-removed stale"},
		{"cluster with a name to cluster without", nameInside, clusterOnly, ""},
		{"a name out of use", name, "addresses: [{host: db.example, ready: false}], ports: [{port: 80}]", "no-ready-address lost"},
		{"a name to IPv6", name, six, "family-change refused, resolver-removed stale"},
		{"IPv6 to a name", six, name, "rollback-resolver stale, without-overlap interrupted"},
		{"pods besides an address that is not ready", addresses, "addresses: [{ip: 10.0.0.1, ready: false}], ports: [{port: 80}]" + pods + ", backend: both", "rollback-stale stale"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := compareTexts(t, one(c.from), one(c.to))
			var got []string
			for _, f := range p.Findings {
				got = append(got, fmt.Sprintf("%s %s", f.Code, f.Effect))
				if f.Subject() != "default/e" || !strings.Contains(f.Message, "default/e") || !strings.HasSuffix(f.Message, ".") || len(f.Fix) == 0 {
					t.Errorf("the finding does not name the entry, or has no fix: %+v", f)
				}
			}
			slices.Sort(got)
			if strings.Join(got, ", ") != c.want {
				t.Errorf("findings %q, want %q", strings.Join(got, ", "), c.want)
			}
			code := findings.ExitErrors
			switch {
			case c.from == c.to:
				code = findings.ExitOK
			case c.want == "", c.want == "rollback-stale stale", c.want == "rollback-resolver stale": // a warning
				code = findings.ExitNotice
			}
			if p.ExitCode() != code {
				t.Errorf("exit code %d, want %d", p.ExitCode(), code)
			}
		})
	}
}

// What differs, in words.
func TestChanges(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{addresses, "addresses: [10.0.0.2, 10.0.0.1], ports: [{port: 80}]", "addresses: +10.0.0.2"},
		{addresses, "addresses: [{ip: 10.0.0.1, ready: false, hostname: h, zone: z}], ports: [{port: 80}]", "address 10.0.0.1: ready: true -> false; address 10.0.0.1: hostname: none -> h; address 10.0.0.1: zone: none -> z"},
		{addresses, "addresses: [10.0.0.1, {ip: 10.0.0.3, ready: false}], ports: [{port: 80}]", "addresses: +10.0.0.3 (not ready)"},
		{"addresses: [10.0.0.1, 10.0.0.2], ports: [{port: 80}]", "addresses: [10.0.0.2, 10.0.0.1], ports: [{port: 80}]", "EndpointSlice e-ipv4-0: other content"},
		{addresses, both, "backend: external -> both; selector: none -> app=e"},
		{addresses, addresses + pods, "selector: none -> parked"},
		{addresses + pods, both, "backend: external -> both; selector: parked -> app=e"},
		{addresses, endpoints, "kind: EndpointSlice -> Endpoints"},
		{alias, "externalName: b.example", "externalName: a.example -> b.example"},
		{addresses, "addresses: [10.0.0.1], ports: [{port: 80, targetPort: 8080, appProtocol: http}]", "port 80: appProtocol: none -> http; port 80: targetPort: 80 -> 8080"},
		{both, strings.Replace(both, "port: 80", "port: 80, podPort: http", 1), "port 80: podPort: 80 -> http"},
		{tcp, tcpAndUDP, "ports: +dns-udp 53/UDP"},
		{addresses, dual, "addresses: +2001:db8::1; ipFamilyPolicy: SingleStack -> PreferDualStack"},
		{addresses, addresses + ", sessionAffinity: ClientIP, sessionAffinityTimeoutSeconds: 5", "sessionAffinity: None -> ClientIP; sessionAffinityTimeoutSeconds: 10800 -> 5"},
		{addresses, addresses + ", publishNotReadyAddresses: true, trafficDistribution: PreferSameNode", "trafficDistribution: none -> PreferSameNode; publishNotReadyAddresses: false -> true"},
		{addresses, nameAndIP, "addresses: +db.example; ipFamilyPolicy: SingleStack -> PreferDualStack"},
		{nameAndIP, name, "addresses: -10.0.0.1"},
		{name, alias, "kind: EndpointSlice -> ExternalName; externalName: none -> a.example; addresses: -db.example; ports: -80"},
		{nameAndPods, nameInside, "backend: both -> cluster; addresses: -db.example"},
		{name, name + ", resolve: {keepSeconds: 60}, healthCheck: {}", "resolve: none -> keepSeconds=60; healthCheck: none -> defaults"},
		{addresses + ", labels: {a: b, c: d}, annotations: {e: f}", addresses + ", labels: {a: x}, annotations: {e: f, g: h}", "label a: b -> x; label: -c; annotation: +g=h"},
	} {
		p := compareTexts(t, one(c.from), one(c.to))
		if len(p.Changes) != 1 || p.Changes[0].Action != Modify {
			t.Errorf("%s to %s: changes %+v", c.from, c.to, p.Changes)
			continue
		}
		if got := strings.Join(p.Changes[0].Changes, "; "); got != c.want {
			t.Errorf("%s to %s:\ngot  %s\nwant %s", c.from, c.to, got, c.want)
		}
	}
	for _, values := range []string{"replicas: 3", "image: {tag: other}", "metrics: {podMonitor: true}", "admissionPolicy: true"} {
		// Endpoints do not depend on what the resolver runs as.
		p := compareTexts(t, one(name), strings.Replace(one(name), "enabled: true", "enabled: true, "+values, 1))
		if len(p.Changes)+len(p.Findings) > 0 || p.ExitCode() != findings.ExitOK {
			t.Errorf("%s: %+v", values, p)
		}
	}
	p := compareTexts(t, one(name), strings.Replace(one(name), "enabled: true", "enabled: true, deniedCIDRs: [10.0.0.0/8]", 1))
	if len(p.Changes) != 1 || strings.Join(p.Changes[0].Changes, "; ") != "resolver.deniedCIDRs: +10.0.0.0/8" || p.ExitCode() != findings.ExitNotice {
		t.Errorf("another denied network: %+v", p)
	}
	// Twelve addresses, in other slices: the values of the chart and not of the entry.
	var list []string
	for i := range 12 {
		list = append(list, fmt.Sprintf("10.0.0.%d", i+1))
	}
	many := one("ports: [{port: 80}], addresses: [" + strings.Join(list, ", ") + "]")
	p = compareTexts(t, many, many+"\nendpoints: {maxPerSlice: 6}")
	if got := strings.Join(p.Changes[0].Changes, "; "); got != "EndpointSlice e-ipv4-0: other content; EndpointSlice e-ipv4-1: added" {
		t.Errorf("with other slices: %s", got)
	}
	p = compareTexts(t, one(addresses), many)
	if got := p.Changes[0].Changes[0]; !strings.HasSuffix(got, ", +10.0.0.9, and 3 more") {
		t.Errorf("with many addresses: %s", got)
	}
}

// The resolver works in the namespaces of the entries that it follows, and leaves endpoints only in one that it leaves.
func TestResolverPerNamespace(t *testing.T) {
	const list = "resolver: {enabled: true}\nservices:\n" +
		"- {name: a, namespace: shop, addresses: [%s], ports: [{port: 80}]}\n" +
		"- {name: b, namespace: shop, addresses: [%s], ports: [{port: 80}]}\n" +
		"- {name: c, namespace: web, addresses: [%s], ports: [{port: 80}]}\n"
	for _, c := range []struct{ from, to, want string }{
		{"a.example b.example c.example", "10.0.0.1 b.example c.example", ""},
		{"a.example 10.0.0.2 c.example", "10.0.0.1 10.0.0.2 c.example", "shop/a resolver-removed"},
		{"a.example b.example 10.0.0.3", "10.0.0.1 10.0.0.2 10.0.0.3", "shop/a resolver-removed, shop/b resolver-removed"},
		{"10.0.0.1 b.example 10.0.0.3", "a.example b.example 10.0.0.3", "shop/a without-overlap"},
		{"10.0.0.1 b.example 10.0.0.3", "10.0.0.1 b.example c.example", "web/c without-overlap, web/c rollback-resolver"},
	} {
		values := func(addresses string) string {
			fields := strings.Fields(addresses)
			return fmt.Sprintf(list, fields[0], fields[1], fields[2])
		}
		var got []string
		for _, f := range compareTexts(t, values(c.from), values(c.to)).Findings {
			got = append(got, f.Subject()+" "+string(f.Code))
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s to %s: %q, want %q", c.from, c.to, got, c.want)
		}
	}
}

// Entries that are added and removed, and one that is renamed.
func TestEntriesThatComeAndGo(t *testing.T) {
	const from = `services:
- {name: gone, externalName: gone.example}
- {name: before, namespace: shop, addresses: [10.0.0.1], ports: [{port: 80}]}
- {name: stays, namespace: shop, externalName: stays.example}`
	const to = `services:
- {name: after, namespace: shop, addresses: [10.0.0.1], ports: [{port: 80}]}
- {name: stays, namespace: shop, externalName: stays.example}
- {name: new, externalName: new.example}`
	p := compareTexts(t, from, to)
	var got []string
	for _, c := range p.Changes {
		got = append(got, fmt.Sprintf("%s %s", c.Action, c.Key))
	}
	if want := []string{"remove default/gone", "add default/new", "add shop/after", "remove shop/before"}; !slices.Equal(got, want) {
		t.Errorf("changes %q, want %q", got, want)
	}
	if len(p.Findings) != 2 || !findings.Has(p.Findings, findings.EntryRemoved, "default", "gone") || !findings.Has(p.Findings, findings.EntryRenamed, "shop", "before") {
		t.Errorf("findings %+v", p.Findings)
	}
}

// Text and JSON as users and programs get them; -update writes the files anew.
func TestOutput(t *testing.T) {
	const from = `services:
- {name: orders, namespace: shop, addresses: [10.0.4.11], ports: [{name: http, port: 80, targetPort: 8080}], selector: {app: orders}}
- {name: kafka, namespace: shop, addresses: [10.0.4.1, 10.0.4.2], ports: [{port: 9092}]}
- {name: mail, externalName: mail.corp.example}
- {name: ldap, externalName: ldap.corp.example}`
	const safe = `services:
- {name: orders, namespace: shop, backend: both, addresses: [10.0.4.12], ports: [{name: http, port: 80, targetPort: 8080, podPort: http}], selector: {app: orders}}
- {name: kafka, namespace: shop, addresses: [10.0.4.1, {ip: 10.0.4.2, ready: false}], ports: [{port: 9092}]}
- {name: mail, externalName: mail.corp.example}
- {name: ldap, externalName: ldap.corp.example}
- {name: files, externalName: files.corp.example}`
	const unsafe = `services:
- {name: orders, namespace: shop, backend: cluster, ports: [{name: http, port: 80}], selector: {app: orders}}
- {name: kafka, namespace: shop, headless: true, addresses: [10.0.4.1, 10.0.4.2], ports: [{port: 9092}]}
- {name: smtp, externalName: mail.corp.example}
- {name: ldap, addresses: [10.0.4.5], ports: [{port: 389}]}`
	pending := compareTexts(t, from, from)
	pending.Release = &helm.Deployed{Name: "outside", Namespace: "shop", Revision: 3, Status: "pending-upgrade", Blocked: true}
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "", errors.New("no role"))
	live := service.Live{Unread: []service.Unread{{Resource: service.Services, Verb: "list", Namespaces: []string{"shop"}, Err: forbidden}}}
	pending.Findings = append(service.ReleaseFindings(pending.Release, helm.Applier{}), live.Findings()...)
	for name, p := range map[string]*Plan{
		"same":    compareTexts(t, from, from),
		"safe":    compareTexts(t, from, safe),
		"unsafe":  compareTexts(t, from, unsafe),
		"release": pending,
	} {
		var text strings.Builder
		if err := p.WriteText(&text, findings.Plain); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", text.String())
		for i, line := range strings.Split(text.String(), "\n") {
			if line != strings.TrimRight(line, " ") {
				t.Errorf("%s: line %d ends in spaces: %q", name, i+1, line)
			}
		}
	}
	data, err := json.MarshalIndent(compareTexts(t, from, safe), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "safe.json", string(data)+"\n")
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s: run go test ./tools/plan -update and look at the difference; got\n%s", path, got)
	}
}

// Lists are never null in JSON, so that a program can go through them.
func TestJSONHasLists(t *testing.T) {
	data, err := json.Marshal(compareTexts(t, "services: []", "services: []"))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"release":null,"changes":[],"findings":[]}`; string(data) != want {
		t.Errorf("got %s, want %s", data, want)
	}
}
