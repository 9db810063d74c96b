package argocd

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/wait"

	"external-services/tests/internal/advice"
	"external-services/tests/internal/clients"
	"external-services/tests/internal/guides"
	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
	"external-services/tools/check"
	"external-services/tools/findings"
)

const guide = "gitops.md"

// extsvc runs extsvc check on values and a namespace. It returns what it prints and the exit code.
func extsvc(t *testing.T, namespace, values string) (string, int) {
	t.Helper()
	return clients.Extsvc(t, cluster, "check", "-n", namespace, "-f", release.Values(t, values)[0], "--no-resolve")
}

// checkOf is extsvc for a program.
func checkOf(t *testing.T, namespace, values string) check.Report {
	t.Helper()
	return clients.Check(t, cluster, "-n", namespace, "-f", release.Values(t, values)[0])
}

// With the settings that Argo CD ships it leaves the endpoints out, and says so. What is taken out of the settings it
// heeds when it next looks.
func TestExclusions(t *testing.T) {
	const namespace, values = "excluded", "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}\n"
	clients.MakeNamespace(t, cluster, namespace)
	a := apply(t, namespace, values, byDefault)
	t.Cleanup(a.remove)
	a.eventually("Argo CD says what it leaves out", func(s status) error {
		for _, c := range s.Status.Conditions {
			if c.Type == "ExcludedResourceWarning" && c.Message == strings.TrimSpace(guides.Block(t, guide, "text", "is excluded in the settings")) {
				return nil
			}
		}
		return fmt.Errorf("%+v", s.Status)
	})
	a.synced()
	if got := sliceAddresses(t, namespace, "orders"); len(got) > 0 {
		t.Errorf("%q", got)
	}
	out, code := extsvc(t, namespace, values)
	if code != 3 || !strings.Contains(out, "endpoints-missing") || !strings.Contains(out, "resource.exclusions") {
		t.Errorf("extsvc check: exit %d\n%s", code, out)
	}
	settings(t, func(data map[string]string) { takeOutExclusion(t, data) })
	var s status
	testenv.Eventually(t, "Argo CD has read its settings", func() error {
		if s = a.refresh(); s.Status.Sync.Status != "OutOfSync" {
			return fmt.Errorf("%+v", s.Status)
		}
		return nil
	})
	// Without selfHeal it does not sync again by itself, as the revision and the values are those of before.
	if got := sliceAddresses(t, namespace, "orders"); len(got) > 0 {
		t.Errorf("it syncs by itself: %q", got)
	}
	a.sync()
	testenv.Eventually(t, "the endpoints are there", func() error {
		if got := sliceAddresses(t, namespace, "orders"); len(got) != 1 {
			return fmt.Errorf("%q", got)
		}
		return nil
	})
	a.synced()
	if out, code := extsvc(t, namespace, values); code != 0 {
		t.Errorf("extsvc check: exit %d\n%s", code, out)
	}
}

// The settings that Argo CD ships also keep it from seeing that somebody changes a slice, until it compares for another
// reason. Without these two keys it sees it at once.
func TestIgnoredUpdates(t *testing.T) {
	const namespace = "ignored"
	settings(t, func(data map[string]string) { takeOutExclusion(t, data) })
	a := install(t, namespace, clients.Everything, recommended)
	want := a.live().Content()
	edit := clients.Edits[10]
	if edit.What != "another address" {
		t.Fatal(edit)
	}
	right := func() error {
		if diff := cmp.Diff(want, a.live().Content()); diff != "" {
			return errors.New(diff)
		}
		return nil
	}
	edit.Do(t, cluster, namespace, namespace)
	testenv.Eventually(t, "it is put right after a refresh", func() error {
		a.refresh()
		return right()
	})
	settings(t, func(data map[string]string) { deleteKeys(t, data) })
	// Argo CD takes its time to read them.
	testenv.Eventually(t, "it is put right without one", func() error {
		a.refresh()
		if err := right(); err != nil {
			return err
		}
		start := time.Now()
		edit.Do(t, cluster, namespace, namespace)
		isRight := func(context.Context) (bool, error) { return right() == nil, nil }
		if err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, 10*time.Second, true, isRight); err != nil {
			return fmt.Errorf("it is not within 10 seconds: %w", err)
		}
		t.Logf("it is put right after %s", time.Since(start))
		return nil
	})
}

// An Application whose last entry goes needs allowEmpty.
func TestLastEntry(t *testing.T) {
	withEndpoints(t)
	const namespace = "last"
	a := install(t, namespace, "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}\n", recommended)
	apply(t, namespace, "services: []", recommended)
	a.eventually("Argo CD refuses", func(s status) error {
		for _, c := range s.Status.Conditions {
			if c.Type == "SyncError" && s.compared() && strings.Contains(c.Message, "auto-sync will wipe out all resources") {
				return nil
			}
		}
		return fmt.Errorf("%+v", s.Status)
	})
	if len(a.live()) != 2 {
		t.Errorf("%v", a.live())
	}
	a = apply(t, namespace, "services: []", strings.Replace(recommended, "selfHeal: true", "selfHeal: true, allowEmpty: true", 1))
	a.refresh() // Argo CD does not look again by itself
	a.synced()
	clients.NothingLeft(t, cluster, namespace)
}

// A field that somebody adds stays, and the Application is synced. The advice of extsvc check removes it.
func TestAddedFields(t *testing.T) {
	withEndpoints(t)
	const values = "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}\n"
	for namespace, policy := range map[string]string{"added-client": "automated: {prune: true, selfHeal: true}", "added-server": recommended} {
		t.Run(namespace, func(t *testing.T) {
			a := install(t, namespace, values, policy)
			clients.Kubectl(t, cluster, "", "patch", "service", "orders", "-n", namespace, "--type", "merge", "-p", `{"spec":{"selector":{"app":"other"}}}`)
			if s := a.refresh(); s.Status.Sync.Status != "Synced" {
				t.Errorf("%+v", s.Status)
			}
			report := checkOf(t, namespace, values)
			if len(report.Findings) != 1 || report.Findings[0].Code != findings.Drift || !strings.Contains(report.Findings[0].Message, "selector is app=other, expected none") {
				t.Fatalf("%+v", report.Findings)
			}
			advice.Follow(t, cluster.Kubeconfig, report.Findings[0].Fix)
			if report := checkOf(t, namespace, values); len(report.Findings) > 0 {
				t.Errorf("%+v", report.Findings)
			}
		})
	}
}

// A port number that somebody changes by hand cannot be put right by an apply, which is tried again with the values that
// it began with.
func TestPortNumber(t *testing.T) {
	withEndpoints(t)
	const namespace = "port"
	a := install(t, namespace, "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{name: http, port: 80}]}\n", recommended)
	clients.Kubectl(t, cluster, "", "patch", "service", "orders", "-n", namespace, "--type", "json", "-p", `[{"op":"replace","path":"/spec/ports/0/port","value":81}]`)
	message := strings.TrimSpace(guides.Block(t, guide, "text", "Duplicate value"))
	a.eventually("Argo CD says that it cannot", func(s status) error {
		if !strings.Contains(s.Status.OperationState.Message, message) {
			return fmt.Errorf("%+v", s.Status)
		}
		return nil
	})
	apply(t, namespace, "services:\n- {name: orders, addresses: [10.0.4.12], ports: [{name: http, port: 80}]}\n", recommended)
	if s := a.refresh(); !s.compared() || s.Status.OperationState.Phase != "Running" || reflect.DeepEqual(s.Status.OperationState.Operation.Sync.Source, s.Spec.Source) {
		t.Errorf("it does not try the values of before: %+v", s.Status)
	}
	// As the guide says: the port is changed back by hand, and the operation is ended.
	clients.Kubectl(t, cluster, "", "patch", "service", "orders", "-n", namespace, "--type", "json", "-p", `[{"op":"replace","path":"/spec/ports/0/port","value":80}]`)
	advice.Run(t, cluster.Kubeconfig, strings.Replace(guides.Block(t, guide, "sh", "Terminating"), "application outside", "application "+namespace, 1))
	a.synced()
	if got := sliceAddresses(t, namespace, "orders"); !slices.Equal(got, []string{"10.0.4.12"}) {
		t.Errorf("%q", got)
	}
}
