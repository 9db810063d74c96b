package helm

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"external-services/charts"
)

func embedded(t *testing.T) *Chart {
	t.Helper()
	chart, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return chart
}

func renderText(t *testing.T, values string) (*Result, error) {
	t.Helper()
	vals, err := Parse([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	return Render(embedded(t), Release{}, vals)
}

func TestEmbeddedIsTheChartOfTheRepository(t *testing.T) {
	onDisk, err := Load("../../charts/" + charts.Dir)
	if err != nil {
		t.Fatal(err)
	}
	got := embedded(t)
	if got.Metadata.Version != onDisk.Metadata.Version || len(got.Templates) != len(onDisk.Templates) || len(got.Templates) == 0 {
		t.Errorf("the embedded chart has the version %s and %d templates, that of the repository %s and %d",
			got.Metadata.Version, len(got.Templates), onDisk.Metadata.Version, len(onDisk.Templates))
	}
}

func TestLoadNamesWhatIsMissing(t *testing.T) {
	if _, err := Load("no/such/chart"); err == nil || !strings.Contains(err.Error(), `load the chart "no/such/chart"`) {
		t.Errorf("the error is %v", err)
	}
}

func TestNotes(t *testing.T) {
	var many strings.Builder
	for i := range 300 {
		fmt.Fprintf(&many, "- {name: s%03d, externalName: a.example}\n", i)
	}
	for name, c := range map[string]struct{ values, want string }{
		"two kinds": {
			`services: [{name: web, externalName: www.corp.example}, {name: mysql, namespace: shop, addresses: [10.0.0.1, {ip: 10.0.0.2, ready: false}, 10.0.0.3, 10.0.0.4], ports: [{name: a, port: 3306, targetPort: 3307}, {name: b, port: 53, protocol: UDP}]}]`,
			`The release release-name maps 2 Service names.

NAMESPACE  NAME   PORTS              REACHES
default    web    any                www.corp.example (DNS alias)
shop       mysql  3306->3307,53/UDP  10.0.0.1, 10.0.0.2 (not ready), 10.0.0.3, and 1 more

Clients`,
		},
		"one": {
			`services: [{name: web, externalName: www.corp.example}]`,
			"maps 1 Service name.\n",
		},
		"pods": {
			`services: [{name: a, addresses: [10.0.0.1], ports: [{port: 80}], selector: {app: a}}, {name: b, backend: both, addresses: [10.0.0.1], ports: [{port: 80}], selector: {app: b, tier: web}}, {name: c, backend: cluster, addresses: [10.0.0.1], ports: [{port: 80}], selector: {app: c}}]`,
			"a     80     10.0.0.1\ndefault    b     80     pods app=b,tier=web, 10.0.0.1\ndefault    c     80     pods app=c\n\nClients",
		},
		"names": {
			`{resolver: {enabled: true}, services: [{name: a, addresses: [db.example, {host: db2.example, ready: false}, 10.0.0.1], ports: [{port: 80}]}]}`,
			"a     80     db.example (followed), db2.example (followed, not ready), 10.0.0.1\n\nClients",
		},
		"what the resolver wrote": {
			`{resolver: {enabled: true}, services: [{name: a, addresses: [10.0.0.1], ports: [{port: 80}], healthCheck: {}}]}`,
			"\n  kubectl get events -A --field-selector reportingComponent=external-services-resolver\n\nResolve every name",
		},
		"a resolver with nothing to follow": {
			`{resolver: {enabled: true}, services: [{name: a, addresses: [10.0.0.1], ports: [{port: 80}]}]}`,
			"-l app.kubernetes.io/instance=release-name\n\nResolve every name",
		},
		"hundreds": {"services:\n" + many.String(), "default    s019  any    a.example (DNS alias)\nand 280 more.\n\nClients"},
		"none":     {"", "maps no Service name: services is empty."},
		"disabled": {"enabled: false", "maps no Service name: enabled is false."},
		"each off": {"services: [{name: a, enabled: false}]", "maps no Service name: every entry of services has enabled: false."},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := renderText(t, c.values)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(result.Notes, c.want) {
				t.Errorf("want %q in\n%s", c.want, result.Notes)
			}
			if lines := strings.Count(result.Notes, "\n"); lines > 36 {
				t.Errorf("the notes have %d lines", lines)
			}
		})
	}
}

func TestDecodeIsStrict(t *testing.T) {
	for name, c := range map[string]struct{ document, want string }{
		"unknown field": {"apiVersion: v1\nkind: Service\nspec: {typ: ClusterIP}", `unknown field "spec.typ"`},
		"key twice":     {"apiVersion: v1\nkind: Service\nkind: Service", `key "kind" already set`},
		"other kind":    {"apiVersion: v1\nkind: Secret", "the chart renders no /v1, Kind=Secret"},
		"unknown kind":  {"apiVersion: v1\nkind: Servce", `no kind "Servce" is registered`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Decode(c.document); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
		})
	}
}

// Beside other charts the objects of entries are read as strictly, and what the others make is
// passed over, whatever it is.
func TestDecodeMappings(t *testing.T) {
	const ours = "apiVersion: v1\nkind: Service\nmetadata: {name: orders, labels: {app.kubernetes.io/name: external-services}}\n"
	result, err := DecodeMappings(strings.Join([]string{"kind: Secret\nkind: Secret", "a: [", ours, "apiVersion: v1\nkind: Service\nspec: {typ: ClusterIP}"}, "\n---\n"))
	if err != nil || len(result.Services) != 1 || len(result.Manifests) != 1 || result.Services[0].Name != "orders" {
		t.Errorf("%+v, %v", result, err)
	}
	for add, want := range map[string]string{"spec: {typ: ClusterIP}": `unknown field "spec.typ"`, "kind: Service": `key "kind" already set`} {
		if _, err := DecodeMappings(ours + add); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
}

// The chart knows IPv6 by regular expressions, the API server by net/netip: they
// have to agree on what a canonical address is.
func TestCanonicalIPv6(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	canonical := map[string]bool{}
	for len(canonical) < 3000 {
		canonical[randomIPv6(random).String()] = true
	}
	var list []string
	for address := range canonical {
		list = append(list, fmt.Sprintf("%q", address))
	}
	if _, err := renderText(t, "services: [{name: a, ports: [{port: 80}], addresses: ["+strings.Join(list, ", ")+"]}]"); err != nil {
		t.Errorf("canonical addresses are refused: %v", err)
	}

	chart := embedded(t)
	refused := 0
	for refused < 1000 {
		spelling := misspell(random, randomIPv6(random))
		if parsed, err := netip.ParseAddr(spelling); err == nil && parsed.String() == spelling {
			continue
		}
		refused++
		vals := map[string]any{"services": []any{map[string]any{"name": "a", "addresses": []any{spelling}, "ports": []any{map[string]any{"port": 80}}}}}
		if _, err := Render(chart, Release{}, vals); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("addresses[0] %q is not an IPv6 address in its canonical form", spelling)) {
			t.Errorf("%q: the error is %v", spelling, err)
		}
	}
}

// randomIPv6 makes a global unicast address with many zeros, where the rules are.
func randomIPv6(random *rand.Rand) netip.Addr {
	var bytes [16]byte
	for i := range 8 {
		switch random.IntN(5) {
		case 0:
			bytes[2*i+1] = byte(random.IntN(256))
		case 1:
			bytes[2*i], bytes[2*i+1] = byte(random.IntN(256)), byte(random.IntN(256))
		}
	}
	bytes[0] = 0x20 | byte(random.IntN(16))
	return netip.AddrFrom16(bytes)
}

// misspell writes an address in another way, valid or not.
func misspell(random *rand.Rand, address netip.Addr) string {
	groups := strings.Split(address.StringExpanded(), ":")
	for i, group := range groups {
		if random.IntN(4) > 0 {
			group = strings.TrimLeft(group, "0")
		}
		if group == "" {
			group = "0"
		}
		groups[i] = group
	}
	switch random.IntN(4) {
	case 0: // some zeros as "::", perhaps not those that should be, or no zeros
		from := 1 + random.IntN(6)
		to := from + 1 + random.IntN(8-from)
		return strings.Join(groups[:from], ":") + "::" + strings.Join(groups[to:], ":")
	case 1: // a group too few or too many
		return strings.Join(append(groups, groups[random.IntN(8)])[random.IntN(3):], ":") + strings.Repeat(":1", random.IntN(2))
	case 2: // written out
		return strings.Join(groups, ":")
	default: // upper case, where there are letters
		return strings.ToUpper(address.String())
	}
}
