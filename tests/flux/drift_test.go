package flux

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/advice"
	"external-services/tests/internal/clients"
	"external-services/tools/findings"
)

func service(t *testing.T, namespace, name string) *corev1.Service {
	t.Helper()
	s, err := client.CoreV1().Services(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A field that somebody adds, and that the chart does not render, stays: Flux corrects the fields of the release only.
// extsvc check finds it, and its advice removes it.
func TestAddedFields(t *testing.T) {
	const namespace = "added"
	r := install(t, namespace, "outside", "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{name: http, port: 80}]}\n", "")
	for _, c := range []struct {
		what, patch, finds string
		also               []findings.Code
	}{
		{"a selector", `{"spec":{"selector":{"app":"other"}}}`, "selector is app=other, expected none", nil},
		{"a port", `{"spec":{"ports":[{"name":"http","port":80},{"name":"more","port":81}]}}`, "ports: unexpected more 81", []findings.Code{findings.PortNameMismatch}},
		{"external IPs", `{"spec":{"externalIPs":["10.0.4.99"]}}`, "externalIPs is 10.0.4.99, expected none", nil},
		{"a session affinity", `{"spec":{"sessionAffinity":"ClientIP"}}`, "sessionAffinity is ClientIP, expected None", nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			before := service(t, namespace, "orders").Spec
			clients.Kubectl(t, cluster, "", "patch", "service", "orders", "-n", namespace, "--type", "merge", "-p", c.patch)
			edited := service(t, namespace, "orders").Spec
			r := helmRelease{t, r.namespace, r.name}
			for range 2 {
				r.reconcile()
				r.ready()
			}
			if diff := cmp.Diff(edited, service(t, namespace, "orders").Spec); diff != "" {
				t.Errorf("Flux corrects it (-edited +reconciled):\n%s", diff)
			}
			f := wantFindings(t, "outside", namespace, append([]findings.Code{findings.Drift}, c.also...)...).Findings[0]
			if f.Code != findings.Drift || !strings.Contains(f.Message, c.finds) {
				t.Errorf("want %q: %+v", c.finds, f)
			}
			advice.Follow(t, cluster.Kubeconfig, f.Fix)
			wantFindings(t, "outside", namespace)
			if diff := cmp.Diff(before, service(t, namespace, "orders").Spec); diff != "" {
				t.Errorf("after the advice (-before +after):\n%s", diff)
			}
		})
	}
}

// A field that Flux has corrected belongs to another field manager from then on, and stays when the values leave it out.
// extsvc check finds it, and its advice removes it.
func TestCorrectedFieldStays(t *testing.T) {
	const namespace = "corrected"
	with := "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}], sessionAffinity: ClientIP, selector: {app: orders}, labels: {team: shop}}\n"
	without := "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}\n"
	r := install(t, namespace, "outside", with, "")
	clients.Kubectl(t, cluster, "", "patch", "service", "orders", "-n", namespace, "--type", "merge", "-p", `{"spec":{"sessionAffinity":"None","selector":null},"metadata":{"labels":{"team":null}}}`)
	r.reconcile()
	r.ready()
	as := func(what string) {
		t.Helper()
		s := service(t, namespace, "orders")
		if s.Spec.SessionAffinity != corev1.ServiceAffinityClientIP || s.Spec.Selector["external-services/parked"] != "true" || s.Labels["team"] != "shop" {
			t.Errorf("%s: %+v", what, s)
		}
	}
	as("corrected")
	apply(t, namespace, "outside", without, "").ready()
	as("left out of the values")
	f := wantFindings(t, "outside", namespace, findings.Drift).Findings[0]
	if want := "selector is parked, expected none; sessionAffinity is ClientIP, expected None"; !strings.Contains(f.Message, want) {
		t.Errorf("want %q: %+v", want, f)
	}
	advice.Follow(t, cluster.Kubeconfig, f.Fix)
	wantFindings(t, "outside", namespace)
}

// Flux takes over a Service that is there, and says nothing: it becomes ready and routes nothing where the Service has
// another name for the port. extsvc check finds it, and its advice makes it what the entry says.
func TestTakeover(t *testing.T) {
	const namespace = "takeover"
	clients.MakeNamespace(t, cluster, namespace)
	clients.Kubectl(t, cluster, `
apiVersion: v1
kind: Service
metadata: {name: orders, namespace: takeover}
spec: {selector: {app: web}, ports: [{name: web, port: 80}]}
`, "apply", "-f", "-")
	install(t, namespace, "outside", "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}\n", "")
	if taken := service(t, namespace, "orders"); taken.Annotations["meta.helm.sh/release-name"] != "outside" || taken.Spec.Selector["app"] != "web" || taken.Spec.Ports[0].Name != "web" {
		t.Errorf("%+v", taken)
	}
	for _, f := range wantFindings(t, "outside", namespace, findings.Drift, findings.PortNameMismatch).Findings {
		if f.Code == findings.Drift {
			advice.Follow(t, cluster.Kubeconfig, f.Fix)
		}
	}
	wantFindings(t, "outside", namespace)
}

// Two HelmReleases with one entry take its Service from each other, and uninstalling one deletes it.
func TestTwoReleasesOfOneEntry(t *testing.T) {
	const namespace = "twice"
	values := "services:\n- {name: orders, addresses: [%s], ports: [{port: 80}]}\n"
	one := install(t, namespace, "one", fmt.Sprintf(values, "10.0.4.11"), "")
	two := install(t, namespace, "two", fmt.Sprintf(values, "10.0.4.12"), "")
	owner := func() string { return service(t, namespace, "orders").Annotations["meta.helm.sh/release-name"] }
	if owner() != "two" {
		t.Errorf("the Service belongs to %s", owner())
	}
	wantFindings(t, "one", namespace, findings.NotOwned)
	one.reconcile()
	one.ready()
	if owner() != "one" {
		t.Errorf("after a reconcile of one the Service belongs to %s", owner())
	}
	// The advice, for the release that loses it.
	f := wantFindings(t, "two", namespace, findings.NotOwned).Findings[0]
	keep, free, found := strings.Cut(f.Fix[0], ", and after the upgrade ")
	if !found {
		t.Fatalf("%q", f.Fix)
	}
	advice.Run(t, cluster.Kubeconfig, advice.Command.FindString(keep))
	one = apply(t, namespace, "one", "services: []", "")
	one.ready()
	advice.Run(t, cluster.Kubeconfig, strings.TrimSuffix(advice.Command.FindString(free), "."))
	two.reconcile()
	two.ready()
	wantFindings(t, "two", namespace)
	wantFindings(t, "one", namespace)

	// What happens otherwise.
	one = apply(t, namespace, "one", fmt.Sprintf(values, "10.0.4.11"), "")
	one.ready()
	two.remove()
	if !clients.IsGone(t, cluster, namespace, "service", "orders") {
		t.Error("the Service of the other release is there")
	}
}
