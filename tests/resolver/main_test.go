// Package resolver runs the resolver on the embedded cluster, as processes of Pods with the account and the
// arguments of the chart's Deployment, and a DNS server outside that answers by script.
package resolver

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/miekg/dns"
	"k8s.io/client-go/kubernetes"

	"external-services/tests/dnsserver"
	"external-services/tests/internal/mariadb"
	"external-services/tests/internal/testenv"
)

const (
	zone         = "corp.example" // that the DNS server outside answers for
	nameServer   = "ns"           // its host
	nameServerIP = "10.0.9.53"
)

var (
	cluster *testenv.Embedded
	client  kubernetes.Interface
	server  *dnsserver.Server
)

func TestMain(m *testing.M) { testenv.Main(m, start) }

func start(ctx context.Context) (clusters []testenv.Started, err error) {
	if err := testenv.UsePath("helm", "helm4", "cluster", "probe", "resolver"); err != nil {
		return nil, err
	}
	if cluster, err = testenv.Start(ctx, "resolver", os.Stderr, testenv.Zone(zone, nameServerIP)); err != nil {
		return nil, err
	}
	clusters = append(clusters, cluster)
	if client, err = cluster.Client(); err != nil || !cluster.DataPlane {
		return clusters, err
	}
	if err := errors.Join(mariadb.Check(), cluster.AddOutside(ctx, nameServer, []string{nameServerIP})); err != nil {
		return clusters, err
	}
	return clusters, cluster.Inside(nameServer, func() error {
		server, err = dnsserver.Start(nameServerIP + ":53")
		return err
	})
}

var _ = dns.TypeA
