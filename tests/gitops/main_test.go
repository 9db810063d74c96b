// Package gitops does what Argo CD, Flux and other programs do with the chart and its
// objects, on real API servers, and proves what docs/gitops.md and walls.md of the chart say of them. The
// packages flux and argocd have the real ones.
package gitops

import (
	"context"
	"testing"

	"external-services/tests/internal/guides"
	"external-services/tests/internal/testenv"
)

// servers are API servers of the newest version of Kubernetes and of the oldest one.
var servers []*testenv.APIServer

var programs = []string{"helm", "helm4"}

func TestMain(m *testing.M) { testenv.Main(m, start) }

func start(ctx context.Context) (started []*testenv.APIServer, err error) {
	servers, err = testenv.StartAPIServers(ctx, "gitops")
	return servers, err
}

// The guides show what is true.
func TestGuide(t *testing.T) {
	servers[0].MakeNamespace(t, "shop")
	for _, guide := range []string{"gitops.md", "walls.md"} {
		guides.Check(t, guide, servers[0].Kubeconfig)
	}
}
