package flux

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"external-services/tests/internal/advice"
	"external-services/tests/internal/clients"
	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
	"external-services/tools/check"
	"external-services/tools/findings"
)

// wantFindings waits until extsvc check finds certain codes in a release, in the order of the alphabet.
func wantFindings(t *testing.T, name, namespace string, want ...findings.Code) (report check.Report) {
	t.Helper()
	testenv.Eventually(t, fmt.Sprintf("check finds %q", want), func() error {
		report = clients.Check(t, cluster, name, "-n", namespace)
		var codes []findings.Code
		for _, f := range report.Findings {
			codes = append(codes, f.Code)
		}
		if slices.Sort(codes); !slices.Equal(codes, want) {
			return fmt.Errorf("it finds %+v", report.Findings)
		}
		return nil
	})
	return report
}

// extsvc finds a release of Flux by the namespace that it is installed in and by that of Helm's storage, finds nothing
// wrong, and says that nothing changes: what Flux and its post-renderers add is no change of an entry.
func TestCheckAndPlan(t *testing.T) {
	const (
		namespace = "tools"
		target    = "tools-target"
		storage   = "tools-storage"
		values    = `services:
- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}], selector: {app: orders}}
- {name: alias, externalName: reports.corp.example}
`
	)
	for _, name := range []string{target, storage} {
		clients.MakeNamespace(t, cluster, name)
	}
	for _, c := range []struct {
		name, fields, release string
		namespaces            []string
	}{
		{"in its own namespace", "", "outside", []string{namespace}},
		{"from a HelmRepository", fromRepository, "outside", []string{namespace}},
		{"with a target namespace", "targetNamespace: " + target, target + "-outside", []string{namespace, target}},
		{"with a target and a storage namespace", "targetNamespace: " + target + "\nstorageNamespace: " + storage, target + "-outside", []string{storage, target}},
		{"with common metadata", "commonMetadata: {labels: {team: shop}, annotations: {owner: shop}}", "outside", []string{namespace}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := install(t, namespace, "outside", values, c.fields)
			file := release.Values(t, values)[0]
			for _, from := range c.namespaces {
				if out, code := clients.Extsvc(t, cluster, "check", c.release, "-n", from, "--no-resolve"); code != 0 {
					t.Errorf("extsvc check %s -n %s: exit %d\n%s", c.release, from, code, out)
				}
				if out, code := clients.Extsvc(t, cluster, "plan", c.release, "-n", from, "-f", file); code != 0 {
					t.Errorf("extsvc plan %s -n %s: exit %d\n%s", c.release, from, code, out)
				}
				// A change is one all the same.
				other := release.Values(t, strings.Replace(values, "10.0.4.11", "10.0.4.12", 1))[0]
				if out, code := clients.Extsvc(t, cluster, "plan", c.release, "-n", from, "-f", other); code != 1 || !strings.Contains(out, "10.0.4.12") || strings.Contains(out, "reports.corp.example") {
					t.Errorf("extsvc plan %s -n %s with another address: exit %d\n%s", c.release, from, code, out)
				}
			}
			r.remove()
		})
	}
}

// Where Flux looks for no drift, what extsvc check advises puts right what was deleted or changed by hand: flux reconcile
// --force, which sets the annotation forceAt, or commands of kubectl.
func TestAdvice(t *testing.T) {
	const namespace = "advice"
	r := install(t, namespace, "outside", clients.Entries, "driftDetection: {mode: disabled}")
	want := r.live().Content()
	type kind struct {
		object  string
		deleted bool
	}
	seen := map[kind]bool{}
	for _, edit := range clients.Edits {
		// extsvc check looks at entries, and not at what the resolver runs by.
		if k := (kind{edit.Object, edit.Patch == ""}); seen[k] || strings.Contains(edit.Object, "RELEASE") {
			continue
		} else {
			seen[k] = true
		}
		t.Run(edit.What, func(t *testing.T) {
			r := helmRelease{t, r.namespace, r.name}
			edit.Do(t, cluster, "outside", namespace)
			r.reconcile()
			r.ready()
			if cmp.Equal(want, r.live().Content()) {
				t.Error("Flux puts it right by itself")
			}
			found := slices.DeleteFunc(clients.Check(t, cluster, "outside", "-n", namespace).Findings, func(f findings.Finding) bool { return f.Code == findings.NoPods })
			if len(found) == 0 {
				t.Fatal("extsvc check finds nothing")
			}
			if fix := found[0].Fix; strings.Contains(strings.Join(fix, "\n"), "flux reconcile helmrelease outside -n "+namespace+" --force") {
				r.reconcile("forceAt")
				r.ready()
			} else {
				advice.Follow(t, cluster.Kubeconfig, fix)
			}
			if diff := cmp.Diff(want, r.live().Content()); diff != "" {
				t.Errorf("(-as installed +after the advice):\n%s", diff)
			}
		})
	}
}
