package argocd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"external-services/tests/internal/clients"
	"external-services/tests/internal/testenv"
)

// Argo CD applies every kind of entry in each of its ways, sees no difference and writes nothing while nothing changes,
// and leaves nothing behind.
func TestEverything(t *testing.T) {
	withEndpoints(t)
	for i, c := range []struct {
		name, policy string
		annotations  map[string]string
	}{
		{"client-side apply", "automated: {prune: true, selfHeal: true}", nil},
		{"server-side apply", recommended, nil},
		{"server-side diff", recommended, map[string]string{"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			namespace := fmt.Sprintf("everything-%d", i)
			clients.MakeNamespace(t, cluster, namespace)
			a := applyAnnotated(t, namespace, clients.Everything, c.policy, c.annotations)
			t.Cleanup(a.remove)
			a.synced()
			before := a.live()
			if len(before) != clients.Number {
				t.Errorf("%d objects, want %d", len(before), clients.Number)
			}
			for range 2 {
				if s := a.refresh(); s.Status.Sync.Status != "Synced" {
					t.Errorf("%+v", s.Status)
				}
			}
			if diff := cmp.Diff(before.Versions(), a.live().Versions()); diff != "" {
				t.Errorf("written although nothing changed (-before +after):\n%s", diff)
			}
			a.remove()
			clients.NothingLeft(t, cluster, namespace)
		})
	}
}

// What somebody changes by hand in a field that the chart renders, Argo CD puts right by itself.
func TestHandEdits(t *testing.T) {
	withEndpoints(t)
	const namespace = "edits"
	a := install(t, namespace, clients.Everything, recommended)
	want := a.live().Content()
	for _, edit := range clients.Edits {
		t.Run(edit.What, func(t *testing.T) {
			a := application{t, a.namespace, a.name}
			edit.Do(t, cluster, namespace, namespace)
			testenv.Eventually(t, "it is put right", func() error {
				if strings.HasPrefix(edit.Object, "endpoints/") {
					a.refresh() // Argo CD does not see by itself that somebody changes Endpoints, only when it next compares
				}
				if diff := cmp.Diff(want, a.live().Content()); diff != "" {
					return fmt.Errorf("(-as installed +after the edit):\n%s", diff)
				}
				return nil
			})
		})
	}
}

// No connection fails while the values of an Application move an entry into the cluster and back.
func TestCutover(t *testing.T) {
	withEndpoints(t)
	const namespace = "cutover"
	clients.MakeNamespace(t, cluster, namespace)
	t.Cleanup(application{t, namespace, namespace}.remove)
	clients.Unbroken(t, cluster, namespace, func(backend string) {
		apply(t, namespace, clients.CutoverValues(backend), recommended).synced()
	})
}

// Values that the chart refuses change nothing, and the first line of the chart's message has the entry, the field and
// what is wrong.
func TestInvalidValues(t *testing.T) {
	withEndpoints(t)
	const namespace = "invalid"
	const valid = "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}\n"
	a := install(t, namespace, valid, recommended)
	before := a.live()
	apply(t, namespace, "services:\n- {name: orders, addresses: [10.0.4.11:8080], ports: [{port: 80}]}\n- {name: reports, externalName: 10.0.4.12}\n", recommended)
	var message string
	a.eventually("the Application has the error", func(s status) error {
		for _, c := range s.Status.Conditions {
			if c.Type == "ComparisonError" {
				message = c.Message
				return nil
			}
		}
		return fmt.Errorf("%+v", s.Status)
	})
	t.Log(message)
	for _, part := range []string{"orders", "addresses", "10.0.4.11:8080"} {
		if !strings.Contains(message, part) {
			t.Errorf("it has no %q", part)
		}
	}
	if diff := cmp.Diff(before.Versions(), a.live().Versions()); diff != "" {
		t.Errorf("written (-before +after):\n%s", diff)
	}
	apply(t, namespace, valid, recommended).synced()
}
