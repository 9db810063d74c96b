package argocd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/advice"
	"external-services/tests/internal/clients"
	"external-services/tests/internal/testenv"
	"external-services/tests/internal/traffic"
	"external-services/tools/findings"
)

// sliceAddresses are the addresses that the cluster routes to for an entry, sorted.
func sliceAddresses(t *testing.T, namespace, name string) []string {
	t.Helper()
	list, err := client.DiscoveryV1().EndpointSlices(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + name})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, slice := range list.Items {
		for _, endpoint := range slice.Endpoints {
			found = append(found, endpoint.Addresses...)
		}
	}
	slices.Sort(found)
	return found
}

// Argo CD does not prune Endpoints: an entry that goes from them to EndpointSlices keeps the old addresses, until the
// Endpoints object is deleted. By way of a parked selector Kubernetes clears them away.
func TestEndpointsStay(t *testing.T) {
	withEndpoints(t)
	entry := func(more string) string {
		return "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]" + more + "}\n"
	}
	const namespace = "endpoints"
	a := install(t, namespace, entry(", endpointsKind: Endpoints"), recommended)
	apply(t, namespace, strings.Replace(entry(""), ".11", ".12", 1), recommended).synced()
	a.refresh()
	if clients.IsGone(t, cluster, namespace, "endpoints", "orders") {
		t.Error("Argo CD prunes Endpoints")
	}
	testenv.Eventually(t, "the old address is there too", func() error {
		if got := sliceAddresses(t, namespace, "orders"); !slices.Equal(got, []string{"10.0.4.11", "10.0.4.12"}) {
			return fmt.Errorf("%q", got)
		}
		return nil
	})
	report := checkOf(t, namespace, strings.Replace(entry(""), ".11", ".12", 1))
	if len(report.Findings) != 1 || report.Findings[0].Code != findings.StaleEndpoints {
		t.Fatalf("%+v", report.Findings)
	}
	advice.Follow(t, cluster.Kubeconfig, report.Findings[0].Fix)
	testenv.Eventually(t, "only the new address is left", func() error {
		if got := sliceAddresses(t, namespace, "orders"); !slices.Equal(got, []string{"10.0.4.12"}) {
			return fmt.Errorf("%q", got)
		}
		return nil
	})

	const parked = "endpoints-parked"
	install(t, parked, entry(", endpointsKind: Endpoints"), recommended)
	apply(t, parked, entry(", selector: {app: orders}"), recommended).synced()
	testenv.Eventually(t, "the Endpoints are cleared", func() error {
		o, err := client.CoreV1().Endpoints(parked).Get(t.Context(), "orders", metav1.GetOptions{})
		if err == nil && len(o.Subsets) > 0 {
			err = fmt.Errorf("%+v", o.Subsets)
		}
		return err
	})
	testenv.Eventually(t, "the slice of the chart alone is left", func() error {
		if got := sliceAddresses(t, parked, "orders"); !slices.Equal(got, []string{"10.0.4.11"}) {
			return fmt.Errorf("%q", got)
		}
		return nil
	})
}

// Without prune, which is off by default, the addresses outside stay when an entry goes from both to cluster.
func TestWithoutPrune(t *testing.T) {
	withEndpoints(t)
	const namespace = "noprune"
	install(t, namespace, clients.CutoverValues("both"), byDefault)
	apply(t, namespace, clients.CutoverValues("cluster"), byDefault)
	a := application{t, namespace, namespace}
	a.eventually("Argo CD leaves the slice", func(s status) error {
		for _, r := range s.Status.Resources {
			if r.Kind == "EndpointSlice" && r.Status == "OutOfSync" && s.compared() && s.Status.OperationState.Phase == "Succeeded" {
				return nil
			}
		}
		return fmt.Errorf("%+v", s.Status)
	})
	if got := sliceAddresses(t, namespace, "orders"); !slices.Equal(got, []string{"10.0.4.11"}) {
		t.Errorf("%q", got)
	}
	if out, code := extsvc(t, namespace, clients.CutoverValues("cluster")); code == 0 || !strings.Contains(out, "orders-ipv4-0") || !strings.Contains(out, "syncPolicy.automated.prune: true") {
		t.Errorf("extsvc check: exit %d\n%s", code, out)
	}
	apply(t, namespace, clients.CutoverValues("cluster"), recommended).synced()
	if got := sliceAddresses(t, namespace, "orders"); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// In one step, without both, connections may fail on the way. How many depends on the moment: the guide says what a run
// had. Afterwards they go where they should.
func TestOneStep(t *testing.T) {
	withEndpoints(t)
	for _, c := range []struct{ name, policy string }{
		{"prune-first", "automated: {prune: true, selfHeal: true}\nsyncOptions: [ServerSideApply=true]\n"},
		{"prune-last", recommended},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(application{t, c.name, c.name}.remove)
			clients.MakeNamespace(t, cluster, c.name)
			report := clients.Cutover(t, cluster, c.name, func(backend string) {
				apply(t, c.name, clients.CutoverValues(backend), c.policy).synced()
			}, "cluster", "external")
			if failures := report.Control().Failures(); len(failures) > 0 {
				t.Errorf("%d connections failed before anything changed", len(failures))
			}
			for _, period := range report.Periods() {
				t.Logf("%s: %d of %d failed", period.Name, len(period.Failures()), period.Count(traffic.New))
			}
		})
	}
}

// TCP and UDP on one port number: by default the apply changes one of the two only, again and again. On the server it is
// right.
func TestTwoProtocolsOnOnePort(t *testing.T) {
	withEndpoints(t)
	values := func(target int) string {
		return fmt.Sprintf("services:\n- name: dns\n  addresses: [10.0.4.11]\n  ports: [{name: tcp, port: 53, targetPort: %d}, {name: udp, port: 53, protocol: UDP, targetPort: %d}]\n", target, target+1)
	}
	for _, c := range []struct {
		namespace, policy, sync string
		udp                     int
	}{
		{"protocols-client", "automated: {prune: true, selfHeal: true}", "OutOfSync", 5301},
		{"protocols-server", recommended, "Synced", 5401},
	} {
		t.Run(c.namespace, func(t *testing.T) {
			install(t, c.namespace, values(5300), c.policy)
			a := apply(t, c.namespace, values(5400), c.policy)
			testenv.Eventually(t, "the target port of TCP changes", func() error {
				s, err := client.CoreV1().Services(c.namespace).Get(t.Context(), "dns", metav1.GetOptions{})
				if err == nil && (len(s.Spec.Ports) != 2 || s.Spec.Ports[0].TargetPort.IntValue() != 5400 || s.Spec.Ports[1].TargetPort.IntValue() != c.udp) {
					err = fmt.Errorf("%+v", s.Spec.Ports)
				}
				return err
			})
			testenv.Eventually(t, "the application is "+c.sync, func() error {
				if s := a.refresh(); s.Status.Sync.Status != c.sync {
					return fmt.Errorf("%+v", s.Status)
				}
				return nil
			})
		})
	}
}
