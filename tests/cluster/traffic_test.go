package cluster

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"external-services/tests/internal/traffic"
)

// spread is how many connections show that a Service reaches each of three hosts:
// that one of them gets none by chance has the odds 3 * (2/3)^90, under 1e-15.
const spread = 90

// A Service whose port differs from that of three hosts outside: every connection
// arrives, and every host gets some. A host that is not ready gets none.
func TestPortRemapAndReady(t *testing.T) {
	needDataPlane(t)
	serve(t, "8080", map[string]string{"remap-1": "192.168.60.1", "remap-2": "192.168.60.2", "remap-3": "192.168.60.3"})
	entry := func(third string) []string {
		return values(t, fmt.Sprintf(`services: [{name: web, ports: [{name: http, port: 80, targetPort: 8080}], addresses: [192.168.60.1, 192.168.60.2, %s]}]`, third))
	}
	for _, kind := range []string{"EndpointSlice", "Endpoints"} {
		t.Run(kind, func(t *testing.T) {
			const release = "remap"
			namespace := ownNamespace(release, kind)
			pod := namespace + "-client"
			makePod(t, pod, namespace)
			o := options(namespace)
			o.SetValues = map[string]string{"endpoints.kind": kind}
			o.ValuesFiles = entry("192.168.60.3")
			install(t, release, o)
			wantHosts(t, pod, "web:80", "remap-1", "remap-2", "remap-3")

			for _, ready := range []bool{false, true} {
				o.ValuesFiles = entry(fmt.Sprintf("{ip: 192.168.60.3, ready: %t}", ready))
				upgrade(t, release, o)
				after, failures := settles(t, pod, "web:80", "remap-3", ready)
				t.Logf("ready %t: the %s connection to the host came %s after the upgrade, and %d connections failed", ready, map[bool]string{true: "first", false: "last"}[ready], after, len(failures))
				// The controller that mirrors Endpoints may lose one: see the chart's README.
				if kind == "EndpointSlice" && len(failures) > 0 {
					t.Errorf("connections fail while the host becomes ready: %t: %q", ready, failures)
				}
				hosts := []string{"remap-1", "remap-2", "remap-3"}
				if !ready {
					hosts = hosts[:2]
				}
				wantHosts(t, pod, "web:80", hosts...)
			}
		})
	}
}

// One name with IPv4 and IPv6 hosts outside: both families connect.
func TestDualStack(t *testing.T) {
	needDataPlane(t)
	needIPv6(t)
	ctx := t.Context()
	const namespace, pod = "dual", "dual-client"
	makePod(t, pod, namespace)
	serve(t, "7000", map[string]string{"dual-4": "192.168.61.1", "dual-6": "2001:db8:61::1"})
	o := options(namespace)
	o.ValuesFiles = values(t, `services:
- {name: both, ports: [{port: 7000}], addresses: ["192.168.61.1", "2001:db8:61::1"]}
- {name: six, ports: [{port: 7000}], addresses: ["2001:db8:61::1"]}`)
	install(t, "dual", o)

	var both []string
	eventually(t, defaultWait, "both resolves to an IPv4 and an IPv6 ClusterIP", func() error {
		resolved, err := cluster.Resolve(ctx, pod, "both")
		if both = resolved.Addresses; err == nil && len(both) != 2 {
			err = fmt.Errorf("it resolves to %q", both)
		}
		return err
	})
	// sorted: the digits of 10.96.x.x come before fd00:
	wantHosts(t, pod, both[0]+":7000", "dual-4")
	wantHosts(t, pod, "["+both[1]+"]:7000", "dual-6")
	wantHosts(t, pod, "six:7000", "dual-6")
}

// The same values file, installed in two namespaces, gives each its own addresses.
func TestNamespaceOverrides(t *testing.T) {
	needDataPlane(t)
	file := values(t, `services:
- {name: web, ports: [{port: 7000}], addresses: [192.168.62.1]}
namespaceOverrides:
  apart: {web: {addresses: [192.168.62.2]}}`)
	serve(t, "7000", map[string]string{"ns-base": "192.168.62.1", "ns-apart": "192.168.62.2"})
	for namespace, host := range map[string]string{"together": "ns-base", "apart": "ns-apart"} {
		makePod(t, namespace, namespace)
		o := options(namespace)
		o.ValuesFiles = file
		install(t, "outside", o)
		wantHosts(t, namespace, "web:7000", host)
	}
}

// A headless Service: DNS answers the addresses that are ready, each under its own
// name too, and with the port in SRV records.
func TestHeadlessDNS(t *testing.T) {
	needDataPlane(t)
	needIPv6(t)
	ctx := t.Context()
	serve(t, "9092", map[string]string{"kafka-0": "192.168.63.1", "kafka-1": "2001:db8:63::2"})
	for _, kind := range []string{"EndpointSlice", "Endpoints"} {
		t.Run(kind, func(t *testing.T) {
			const release = "headless"
			namespace := ownNamespace(release, kind)
			pod := namespace + "-client"
			makePod(t, pod, namespace)
			o := options(namespace)
			file := `services:
- name: kafka
  headless: true
  addresses: [{ip: 192.168.63.1, hostname: kafka-0}, {ip: "2001:db8:63::2", hostname: kafka-1}, {ip: 192.168.63.3, hostname: kafka-2, ready: false}]
  ports: [{name: broker, port: 9092}]
`
			o.ValuesFiles = values(t, file)
			o.SetValues = map[string]string{"endpoints.kind": kind}
			install(t, release, o)
			wantAddresses(t, pod, "kafka", "192.168.63.1", "2001:db8:63::2")
			wantAddresses(t, pod, "kafka-0.kafka", "192.168.63.1")
			wantAddresses(t, pod, "kafka-1.kafka", "2001:db8:63::2")
			wantHosts(t, pod, "kafka-0.kafka:9092", "kafka-0")
			wantHosts(t, pod, "kafka-1.kafka:9092", "kafka-1")

			domain := ".kafka." + namespace + ".svc.cluster.local."
			records, err := cluster.SRV(ctx, pod, "_broker._tcp"+domain)
			if want := []traffic.Record{{Target: "kafka-0" + domain, Port: 9092}, {Target: "kafka-1" + domain, Port: 9092}}; err != nil || !slices.Equal(records, want) {
				t.Errorf("SRV records %v, %v, want %v", records, err, want)
			}

			o.ValuesFiles = values(t, file+"  publishNotReadyAddresses: true\n")
			upgrade(t, release, o)
			wantAddresses(t, pod, "kafka", "192.168.63.1", "192.168.63.3", "2001:db8:63::2")
		})
	}
}

// serve adds hosts outside, by name with their address, that answer connections to a
// port with their name.
func serve(t *testing.T, port string, hosts map[string]string) {
	t.Helper()
	for host, ip := range hosts {
		if err := cluster.AddOutside(t.Context(), host, []string{ip}); err != nil {
			t.Fatal(err)
		}
		if err := cluster.Serve(t.Context(), host, "tcp", net.JoinHostPort(ip, port)); err != nil {
			t.Fatal(err)
		}
	}
}

// ownNamespace names a namespace for one of several runs of a test. In that of the run
// before, CoreDNS may answer for 5 s with the ClusterIP of the Service that was removed,
// and kube-proxy serve that one for a moment.
func ownNamespace(test, run string) string { return test + "-" + strings.ToLower(run) }

// makePod adds a pod in a namespace, and the namespace if it is not there.
func makePod(t *testing.T, pod, namespace string) {
	t.Helper()
	makeNamespace(t, namespace)
	if err := cluster.AddPod(t.Context(), pod, namespace); err != nil {
		t.Fatal(err)
	}
}

// wantAddresses resolves a name in a pod until it has the addresses: CoreDNS caches
// for some seconds.
func wantAddresses(t *testing.T, pod, name string, addresses ...string) {
	t.Helper()
	eventually(t, defaultWait, name+" resolves", func() error { return resolve(t, pod, name, addresses...) })
}

// resolve resolves a name in a pod, and says what is wrong unless it has the addresses.
func resolve(t *testing.T, pod, name string, addresses ...string) error {
	t.Helper()
	resolution, err := cluster.Resolve(t.Context(), pod, name)
	if err != nil {
		return err
	}
	if !slices.Equal(resolution.Addresses, addresses) {
		return fmt.Errorf("%s resolves to %q, want %q", name, resolution.Addresses, addresses)
	}
	return nil
}

// Mappings that lead to the wrong place are found out by what the other tests look at.
func TestWrongMappings(t *testing.T) {
	needDataPlane(t)
	const namespace, pod = "wrong", "wrong-client"
	makePod(t, pod, namespace)
	serve(t, "7000", map[string]string{"wrong-1": "192.168.67.1", "wrong-2": "192.168.67.2"})
	if err := cluster.AddOutside(t.Context(), "wrong-3", []string{"192.168.67.3"}, "wrong.example"); err != nil {
		t.Fatal(err)
	}
	o := options(namespace)
	o.ValuesFiles = values(t, `services:
- {name: right, addresses: [192.168.67.1], ports: [{port: 80, targetPort: 7000}]}
- {name: address, addresses: [192.168.67.2], ports: [{port: 80, targetPort: 7000}]}
- {name: port, addresses: [192.168.67.1], ports: [{port: 80, targetPort: 7001}]}
- {name: nobody, addresses: [192.168.67.9], ports: [{port: 80, targetPort: 7000}]}
- {name: alias, externalName: wrong.example}`)
	install(t, "wrong", o)
	wantHosts(t, pod, "right:80", "wrong-1")
	wantHosts(t, pod, "address:80", "wrong-2")
	wantAddresses(t, pod, "alias", "192.168.67.3")
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"another host":  {reach(t, pod, "address:80", "wrong-1"), "reached map[wrong-2:90], want [\"wrong-1\"]"},
		"another port":  {reach(t, pod, "port:80", "wrong-1"), "90 of 90 connections failed"},
		"an alias":      {resolve(t, pod, "alias", "192.168.67.1"), `resolves to ["192.168.67.3"], want ["192.168.67.1"]`},
		"another alias": {resolve(t, pod, "right", "192.168.67.1"), `want ["192.168.67.1"]`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: the error is %v, want %q", name, c.err, c.want)
		}
	}
	if answers, err := cluster.Connect(t.Context(), pod, 1, "nobody:80"); err != nil || len(answers.Failures) != 1 {
		t.Errorf("an address that nobody has: %+v, %v", answers, err)
	}
}

// The session affinity ClientIP keeps a client at one of several hosts.
func TestSessionAffinity(t *testing.T) {
	needDataPlane(t)
	ctx := t.Context()
	const namespace, pod = "affinity", "affinity-client"
	makePod(t, pod, namespace)
	serve(t, "7000", map[string]string{"affinity-1": "192.168.64.1", "affinity-2": "192.168.64.2"})
	o := options(namespace)
	o.ValuesFiles = values(t, `services:
- {name: sticky, ports: [{port: 7000}], addresses: [192.168.64.1, 192.168.64.2], sessionAffinity: ClientIP, sessionAffinityTimeoutSeconds: 300}
- {name: loose, ports: [{port: 7000}], addresses: [192.168.64.1, 192.168.64.2]}`)
	install(t, "affinity", o)
	wantHosts(t, pod, "loose:7000", "affinity-1", "affinity-2")
	eventually(t, defaultWait, "sticky answers", func() error {
		answers, err := cluster.Connect(ctx, pod, 1, "sticky:7000")
		if err == nil && len(answers.Failures) > 0 {
			err = errors.New(answers.Failures[0])
		}
		return err
	})
	answers, err := cluster.Connect(ctx, pod, spread, "sticky:7000")
	if err != nil {
		t.Fatal(err)
	}
	if len(answers.Failures) > 0 || len(answers.Texts) != 1 {
		t.Errorf("%d connections of one client reach %v, failures %q, want one host", spread, answers.Texts, answers.Failures)
	}
}

// settles measures, from now on, when a host among others gets its first connection,
// or its last: the last is followed by as many without one as tell that from chance. It
// also returns the failures of connections meanwhile.
func settles(t *testing.T, pod, address, host string, gets bool) (last time.Duration, failures []string) {
	t.Helper()
	const few = spread / 3
	start := time.Now()
	for without := 0; without < spread; {
		answers, err := cluster.Connect(t.Context(), pod, few, address)
		if err != nil {
			t.Fatal(err)
		}
		failures = append(failures, answers.Failures...)
		if answers.Texts[host] > 0 {
			last = time.Since(start).Round(time.Millisecond)
			without = 0
			if gets {
				return last, failures
			}
		} else if !gets {
			without += few
		}
		if time.Since(start) > 2*defaultWait {
			t.Fatalf("%s settles within %s for %s, want it to", address, 2*defaultWait, host)
		}
	}
	return last, failures
}

// A traffic distribution by zone sends a client to the addresses of its own zone, as
// long as one is ready there.
func TestTrafficDistribution(t *testing.T) {
	needDataPlane(t)
	ctx := t.Context()
	const namespace, pod, zone = "zones", "zones-client", "eu-1a"
	makePod(t, pod, namespace)
	serve(t, "7000", map[string]string{"zone-a": "192.168.66.1", "zone-b": "192.168.66.2"})
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil || len(nodes.Items) != 1 {
		t.Fatalf("%d nodes: %v", len(nodes.Items), err)
	}
	patch := fmt.Sprintf(`{"metadata": {"labels": {%q: %q}}}`, corev1.LabelTopologyZone, zone)
	if _, err := client.CoreV1().Nodes().Patch(ctx, nodes.Items[0].Name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	entry := `services: [{name: near, trafficDistribution: PreferClose, ports: [{port: 7000}],
  addresses: [{ip: 192.168.66.1, zone: eu-1a, ready: %t}, {ip: 192.168.66.2, zone: eu-1b}]}]`
	o := options(namespace)
	o.ValuesFiles = values(t, fmt.Sprintf(entry, true))
	install(t, "zones", o)
	wantHosts(t, pod, "near:7000", "zone-a")
	o.ValuesFiles = values(t, fmt.Sprintf(entry, false))
	upgrade(t, "zones", o)
	wantHosts(t, pod, "near:7000", "zone-b")
}

// wantHosts connects from a pod until the hosts that answer are those named, as
// kube-proxy takes a moment after an installation or upgrade, and then once more:
// no connection fails and no other host answers.
func wantHosts(t *testing.T, pod, address string, hosts ...string) {
	t.Helper()
	check := func() error { return reach(t, pod, address, hosts...) }
	eventually(t, defaultWait, "connections reach their hosts", check)
	if err := check(); err != nil {
		t.Error(err)
	}
}

// reach connects from a pod, and says what is wrong unless the hosts that answer are those
// named, sorted.
func reach(t *testing.T, pod, address string, hosts ...string) error {
	t.Helper()
	answers, err := cluster.Connect(t.Context(), pod, spread, address)
	if err != nil {
		return err
	}
	found := slices.Sorted(maps.Keys(answers.Texts))
	if len(answers.Failures) > 0 || !slices.Equal(found, hosts) {
		return fmt.Errorf("%s: %d of %d connections failed %q, and those that did not reached %v, want %q", address, len(answers.Failures), spread, answers.Failures, answers.Texts, hosts)
	}
	return nil
}
