package cluster

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// This file is the first of the package: later tests install the Gateway API.

// A cluster without the Gateway API installs everything else, and is asked for a route in vain before anything changes.
func TestWithoutTheGatewayAPI(t *testing.T) {
	onlyAPI(t)
	if _, err := dynamicClient.Resource(httpRoutes).List(t.Context(), metav1.ListOptions{}); !apierrors.IsNotFound(err) {
		t.Fatalf("the cluster has the Gateway API already, which another test installs: %v", err)
	}
	for _, program := range []string{"helm", "helm4"} {
		t.Run(program, func(t *testing.T) {
			namespace := ownNamespace("no-gateway", program)
			makeNamespace(t, namespace)
			r := releaseOf(t, program, "routed", namespace)
			t.Cleanup(r.Uninstall)
			out, err := r.Try("install", values(t, routed))
			want := `services[1] "api": route makes an object of the kind HTTPRoute, which the cluster does not have: install the Gateway API`
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("%v: %s\nwant %s", err, out, want)
			}
			if found := leftovers(t, r.Name); len(found) > 0 {
				t.Errorf("found %q", found)
			}
			r.Do("install", values(t, routed), "--set-json", `overrides.api.route=null`)
			if _, err := dynamicClient.Resource(ingresses).Namespace(namespace).Get(t.Context(), "web", metav1.GetOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}
