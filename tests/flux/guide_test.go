package flux

import (
	"fmt"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/advice"
	"external-services/tests/internal/clients"
	"external-services/tests/internal/guides"
	"external-services/tests/internal/testenv"
)

const guide = "gitops.md"

// The guide's HelmRelease: with an account that has edit, Flux says what the guide shows, and gives up. With the Roles it
// goes on when the guide's command resets it. Without them it cannot uninstall.
func TestGuide(t *testing.T) {
	for _, namespace := range []string{"outside", "shop"} {
		clients.MakeNamespace(t, cluster, namespace)
	}
	clients.Kubectl(t, cluster, flux.OCIRepository("outside"), "apply", "-f", "-")
	clients.Kubectl(t, cluster, "", "create", "serviceaccount", "deployer", "-n", "outside")
	for _, namespace := range []string{"outside", "shop"} {
		clients.Kubectl(t, cluster, "", "create", "rolebinding", "edit", "-n", namespace, "--clusterrole=edit", "--serviceaccount=outside:deployer")
	}
	flux.Log(t)
	clients.Kubectl(t, cluster, guides.Block(t, guide, "yaml", "kind: HelmRelease"), "apply", "-f", "-")
	r := helmRelease{t, "outside", "outside"}
	t.Cleanup(r.remove)
	r.eventually("the HelmRelease has stalled", func(s status) error {
		if s.condition("Stalled").Status != metav1.ConditionTrue {
			return fmt.Errorf("%+v", s.Status)
		}
		return nil
	})
	shown := strings.TrimSpace(guides.Block(t, guide, "text", "server-side apply failed"))
	r.fails(shown)

	grant := func() {
		for namespace, role := range map[string]string{"outside": "release", "shop": "entries"} {
			clients.Kubectl(t, cluster, "", "apply", "-n", namespace, "-f", testenv.Path("charts/external-services/docs/rbac", role+".yaml"))
			clients.Kubectl(t, cluster, "", "create", "rolebinding", role, "-n", namespace, "--role=external-services-"+role, "--serviceaccount=outside:deployer")
		}
	}
	revoke := func() {
		clients.Kubectl(t, cluster, "", "delete", "rolebinding", "release", "edit", "-n", "outside")
		clients.Kubectl(t, cluster, "", "delete", "rolebinding", "entries", "edit", "-n", "shop")
		testenv.WaitForAccess(t, client, "outside", "deployer", authorizationv1.ResourceAttributes{Namespace: "shop", Verb: "delete", Resource: "services"}, false)
	}
	grant()
	r.reconcile()
	if s, err := r.status(); err != nil || s.condition("Ready").Status == metav1.ConditionTrue {
		t.Errorf("a request to reconcile is enough: %+v %v", s.Status, err)
	}
	advice.Run(t, cluster.Kubeconfig, guides.Block(t, guide, "sh", "reconcile.fluxcd.io/resetAt"))
	r.ready()
	if out, code := clients.Extsvc(t, cluster, "check", "outside", "-n", "outside", "--no-resolve"); code != 0 {
		t.Errorf("extsvc check: exit %d\n%s", code, out)
	}

	revoke()
	clients.Kubectl(t, cluster, "", "delete", "helmrelease", "outside", "-n", "outside", "--wait=false")
	r.fails("is forbidden")
	grant()
	r.gone()
	clients.NothingLeft(t, cluster, "shop")
}

// gone waits until Flux has uninstalled the release of a HelmRelease that is deleted.
func (r helmRelease) gone() {
	r.t.Helper()
	testenv.Eventually(r.t, "the HelmRelease is gone", func() error {
		o, err := r.get()
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("%v: %+v", err, o)
	})
}
