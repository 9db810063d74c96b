package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gruntwork-io/terratest/modules/helm"

	"external-services/tests/internal/testenv"
)

// spread is how many connections show that a Service reaches each of three hosts:
// that one of them gets none by chance has the odds 3 * (2/3)^90, under 1e-15.
const spread = 90

// A Service whose port differs from that of three hosts outside: every connection
// arrives, and every host gets some. A host that is not ready gets none.
func TestPortRemapAndReady(t *testing.T) {
	needDataPlane(t)
	ctx := t.Context()
	const namespace, pod = "remap", "remap-client"
	makeNamespace(t, namespace)
	hosts := map[string]string{"remap-1": "192.168.60.1", "remap-2": "192.168.60.2", "remap-3": "192.168.60.3"}
	for host, ip := range hosts {
		if err := cluster.AddOutside(ctx, host, []string{ip}); err != nil {
			t.Fatal(err)
		}
		if err := cluster.Serve(ctx, host, "tcp", ip+":8080"); err != nil {
			t.Fatal(err)
		}
	}
	if err := cluster.AddPod(ctx, pod, namespace); err != nil {
		t.Fatal(err)
	}
	entry := func(third string) []string {
		return values(t, fmt.Sprintf(`services: [{name: web, ports: [{name: http, port: 80, targetPort: 8080}], addresses: [192.168.60.1, 192.168.60.2, %s]}]`, third))
	}
	for _, kind := range []string{"EndpointSlice", "Endpoints"} {
		t.Run(kind, func(t *testing.T) {
			const release = "remap"
			o := options(namespace)
			o.SetValues = map[string]string{"endpoints.kind": kind}
			o.ValuesFiles = entry("192.168.60.3")
			install(t, release, o)
			wantHosts(t, pod, "web:80", "remap-1", "remap-2", "remap-3")

			o.ValuesFiles = entry("{ip: 192.168.60.3, ready: false}")
			helm.UpgradeContext(t, ctx, o, testenv.Chart(), release)
			wantHosts(t, pod, "web:80", "remap-1", "remap-2")

			o.ValuesFiles = entry("{ip: 192.168.60.3, ready: true}")
			helm.UpgradeContext(t, ctx, o, testenv.Chart(), release)
			wantHosts(t, pod, "web:80", "remap-1", "remap-2", "remap-3")
		})
	}
}

// One name with IPv4 and IPv6 hosts outside: both families connect.
func TestDualStack(t *testing.T) {
	needDataPlane(t)
	ctx := t.Context()
	const namespace, pod = "dual", "dual-client"
	makeNamespace(t, namespace)
	for host, ip := range map[string]string{"dual-4": "192.168.61.1", "dual-6": "2001:db8:61::1"} {
		if err := cluster.AddOutside(ctx, host, []string{ip}); err != nil {
			t.Fatal(err)
		}
		if err := cluster.Serve(ctx, host, "tcp", ":7000"); err != nil {
			t.Fatal(err)
		}
	}
	if err := cluster.AddPod(ctx, pod, namespace); err != nil {
		t.Fatal(err)
	}
	o := options(namespace)
	o.ValuesFiles = values(t, `services:
- {name: both, ports: [{port: 7000}], addresses: ["192.168.61.1", "2001:db8:61::1"]}
- {name: six, ports: [{port: 7000}], addresses: ["2001:db8:61::1"]}`)
	install(t, "dual", o)

	both, err := cluster.Resolve(ctx, pod, "both")
	if err != nil {
		t.Fatal(err)
	}
	if len(both.Addresses) != 2 {
		t.Fatalf("both resolves to %q, want an IPv4 and an IPv6 ClusterIP", both.Addresses)
	}
	// sorted: the digits of 10.96.x.x come before fd00:
	wantHosts(t, pod, both.Addresses[0]+":7000", "dual-4")
	wantHosts(t, pod, "["+both.Addresses[1]+"]:7000", "dual-6")
	wantHosts(t, pod, "six:7000", "dual-6")
}

// wantHosts connects from a pod until the hosts that answer are those named, as
// kube-proxy takes a moment after an installation or upgrade, and then once more:
// no connection fails and no other host answers.
func wantHosts(t *testing.T, pod, address string, hosts ...string) {
	t.Helper()
	check := func() error {
		answers, err := cluster.Connect(t.Context(), pod, spread, address)
		if err != nil {
			return err
		}
		var found []string
		for host := range answers.Texts {
			found = append(found, host)
		}
		slices.Sort(found)
		if len(answers.Failures) > 0 || !slices.Equal(found, hosts) {
			return fmt.Errorf("%s: %d of %d connections failed %q, and those that did not reached %v, want %q", address, len(answers.Failures), spread, answers.Failures, answers.Texts, hosts)
		}
		return nil
	}
	eventually(t, 10*time.Second, "connections reach their hosts", check)
	if err := check(); err != nil {
		t.Error(err)
	}
}
