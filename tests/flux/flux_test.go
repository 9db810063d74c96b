package flux

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"external-services/tests/internal/clients"
	"external-services/tests/internal/guides"
)

// Flux installs every kind of entry, writes nothing while nothing changes, and leaves nothing behind.
func TestEverything(t *testing.T) {
	const namespace = "everything"
	for source, from := range map[string]string{"OCIRepository": fromOCI, "HelmRepository": fromRepository} {
		t.Run(source, func(t *testing.T) {
			r := install(t, namespace, "outside", clients.Everything, from+withoutKubelet)
			before := r.live()
			if len(before) != clients.Number {
				t.Errorf("%d objects, want %d", len(before), clients.Number)
			}
			for range 2 {
				r.reconcile()
				r.ready()
			}
			if diff := cmp.Diff(before.Versions(), r.live().Versions()); diff != "" {
				t.Errorf("written although nothing changed (-before +after):\n%s", diff)
			}
			r.remove()
			clients.NothingLeft(t, cluster, namespace)
		})
	}
}

// What somebody changes by hand in a field that the chart renders, Flux puts right.
func TestHandEdits(t *testing.T) {
	const namespace = "edits"
	r := install(t, namespace, "outside", clients.Everything, withoutKubelet)
	want := r.live().Content()
	for _, edit := range clients.Edits {
		t.Run(edit.What, func(t *testing.T) {
			r := helmRelease{t, r.namespace, r.name}
			edit.Do(t, cluster, "outside", namespace)
			if cmp.Equal(want, r.live().Content()) {
				t.Fatal("the edit changes nothing")
			}
			r.reconcile()
			r.ready()
			if diff := cmp.Diff(want, r.live().Content()); diff != "" {
				t.Errorf("(-as installed +after the edit):\n%s", diff)
			}
		})
	}
}

// No connection fails while the values of a HelmRelease move an entry into the cluster and back.
func TestCutover(t *testing.T) {
	const namespace = "cutover"
	clients.MakeNamespace(t, cluster, namespace)
	t.Cleanup(helmRelease{t, namespace, "outside"}.remove)
	clients.Unbroken(t, cluster, namespace, func(backend string) {
		apply(t, namespace, "outside", clients.CutoverValues(backend), "").ready()
	})
}

// Values that the chart refuses change nothing, make no revision, and the first line of what Flux says has the entry, the
// field and what is wrong.
func TestInvalidValues(t *testing.T) {
	const namespace = "invalid"
	const valid = "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}\n"
	r := install(t, namespace, "outside", valid, "")
	before := r.live()
	wrong := "services:\n- {name: orders, addresses: [10.0.4.11:8080], ports: [{port: 80}]}\n"
	r = apply(t, namespace, "outside", wrong, "")
	said := `services[0] "orders": addresses[0] "10.0.4.11:8080" contains a port: write the IP address alone, and the port under ports`
	if first, _, _ := strings.Cut(r.fails(said), "\n"); !strings.Contains(first, said) {
		t.Errorf("the first line is %s", first)
	}
	guides.Quotes(t, "gitops.md", said)
	// All errors are there at once, and the first line is the same.
	r = apply(t, namespace, "outside", wrong+"- {name: reports, externalName: 10.0.4.12}\n", "")
	if first, _, _ := strings.Cut(r.fails(`"reports"`), "\n"); !strings.Contains(first, said) {
		t.Errorf("the first line is %s", first)
	}
	if diff := cmp.Diff(before.Versions(), r.live().Versions()); diff != "" {
		t.Errorf("written (-before +after):\n%s", diff)
	}
	s, err := r.status()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Status.History) != 1 || s.Status.History[0].Version != 1 {
		t.Errorf("the history is %+v, want the first revision only", s.Status.History)
	}
	// Until it is mended, Flux does not look for drift.
	clients.Kubectl(t, cluster, "", "delete", "endpointslice", "orders-ipv4-0", "-n", namespace)
	r.reconcile()
	if !clients.IsGone(t, cluster, namespace, "endpointslice", "orders-ipv4-0") {
		t.Error("Flux corrects drift although the values are refused")
	}
	r = apply(t, namespace, "outside", valid, "")
	r.ready()
	r.reconcile()
	r.ready()
	if clients.IsGone(t, cluster, namespace, "endpointslice", "orders-ipv4-0") {
		t.Error("Flux does not correct drift when the values are mended")
	}
}
