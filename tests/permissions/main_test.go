// Package permissions proves the Roles of docs/rbac of the chart, and what
// docs/security.md says of permissions, on real API servers.
package permissions

import (
	"context"
	"flag"
	"testing"

	"external-services/tests/internal/testenv"
)

// server is an API server of one version of Kubernetes.
type server struct{ *testenv.APIServer }

// servers are of the newest version and of the oldest one.
var servers []server

var programs = []string{"helm", "helm4"}

func TestMain(m *testing.M) { testenv.Main(m, start) }

func start(ctx context.Context) ([]*testenv.APIServer, error) {
	// A run waits for controllers and API servers much of its time.
	if err := flag.Set("test.parallel", "6"); err != nil {
		return nil, err
	}
	started, err := testenv.StartAPIServers(ctx, "permissions")
	for _, s := range started {
		servers = append(servers, server{s})
		if err == nil {
			err = testenv.InstallGatewayAPI(ctx, s.Kubeconfig)
		}
	}
	return started, err
}
