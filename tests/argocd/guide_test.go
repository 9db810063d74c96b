package argocd

import (
	"strings"
	"testing"

	"external-services/tests/internal/clients"
	"external-services/tests/internal/guides"
)

// The guide's Application, with the registry of the tests, is synced, and extsvc check finds nothing.
func TestGuide(t *testing.T) {
	withEndpoints(t)
	clients.MakeNamespace(t, cluster, "shop")
	argocd.Log(t)
	text := guides.Block(t, guide, "yaml", "kind: Application")
	shown := strings.NewReplacer("registry.example/charts", argocd.Charts.Address(), "targetRevision: 0.1.0", "targetRevision: "+argocd.Charts.Version).Replace(text)
	if shown == text {
		t.Fatalf("the guide has no registry.example/charts:\n%s", text)
	}
	clients.Kubectl(t, cluster, shown, "apply", "-f", "-")
	a := application{t, "shop", "outside"}
	t.Cleanup(a.remove)
	a.synced()
	values := "services: [{name: orders, addresses: [10.0.4.11], ports: [{port: 80, targetPort: 8080}]}]\n"
	if out, code := extsvc(t, "shop", values); code != 0 {
		t.Errorf("extsvc check: exit %d\n%s", code, out)
	}
}
