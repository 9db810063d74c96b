package flux

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/clients"
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
// extsvc check finds it.
func TestAddedFields(t *testing.T) {
	const namespace = "added"
	r := install(t, namespace, "outside", "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{name: http, port: 80}]}\n", "")
	for _, c := range []struct{ what, patch, finds string }{
		{"a selector", `{"spec":{"selector":{"app":"other"}}}`, "selector is app=other, expected none"},
		{"a port", `{"spec":{"ports":[{"name":"http","port":80},{"name":"more","port":81}]}}`, "ports: unexpected more 81"},
		{"external IPs", `{"spec":{"externalIPs":["10.0.4.99"]}}`, "externalIPs is 10.0.4.99, expected none"},
		{"a session affinity", `{"spec":{"sessionAffinity":"ClientIP"}}`, "sessionAffinity is ClientIP, expected None"},
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
			if out, code := extsvc(t, "check", "outside", "-n", namespace, "--no-resolve"); code == 0 || !strings.Contains(out, c.finds) {
				t.Errorf("extsvc check: exit %d, want %q\n%s", code, c.finds, out)
			}
			restore, err := json.Marshal([]any{map[string]any{"op": "replace", "path": "/spec", "value": before}})
			if err != nil {
				t.Fatal(err)
			}
			clients.Kubectl(t, cluster, "", "patch", "service", "orders", "-n", namespace, "--type", "json", "-p", string(restore))
		})
	}
}

// A field that Flux has corrected belongs to another field manager from then on, and stays when the values leave it out.
// extsvc check finds it.
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
	out, code := extsvc(t, "check", "outside", "-n", namespace, "--no-resolve")
	if want := "selector is parked, expected none; sessionAffinity is ClientIP, expected None"; code != 3 || !strings.Contains(out, want) {
		t.Errorf("extsvc check: exit %d, want %q\n%s", code, want, out)
	}
}

// Flux takes over a Service that is there, and says nothing: it becomes ready and routes nothing where the Service has
// another name for the port. extsvc check finds it. After extsvc import there is nothing to find.
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
	out, code := extsvc(t, "check", "outside", "-n", namespace, "--no-resolve")
	if code != 3 || !strings.Contains(out, "(port-name-mismatch)") || !strings.Contains(out, "selector is app=web, expected none") {
		t.Errorf("extsvc check: exit %d\n%s", code, out)
	}
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
	if out, code := extsvc(t, "check", "one", "-n", namespace, "--no-resolve"); code != 3 || !strings.Contains(out, "belongs to the release two") {
		t.Errorf("extsvc check: exit %d\n%s", code, out)
	}
	one.reconcile()
	one.ready()
	if owner() != "one" {
		t.Errorf("after a reconcile of one the Service belongs to %s", owner())
	}
	two.remove()
	if !clients.IsGone(t, cluster, namespace, "service", "orders") {
		t.Error("the Service of the other release is there")
	}
}
