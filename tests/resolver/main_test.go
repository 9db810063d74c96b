// Package resolver runs the resolver on the embedded cluster: as a process in the network of a Pod, with the
// arguments of the chart's Deployment and the token of its ServiceAccount, and with a DNS server outside that
// answers by script, which the cluster's CoreDNS asks.
package resolver

import (
	"context"
	"flag"
	"os"
	"testing"

	"k8s.io/client-go/kubernetes"

	"external-services/tests/dnsserver"
	"external-services/tests/internal/testenv"
)

// soak makes the tests that count connections longer.
var soak = flag.Bool("soak", false, "change, break and count for minutes in place of seconds")

const (
	zone         = "corp.example" // that the DNS server outside answers for
	nameServer   = "ns"           // its host
	nameServerIP = "10.0.9.53"
)

var (
	cluster *testenv.Embedded
	client  kubernetes.Interface
	dns     *dnsserver.Server
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
	if err := cluster.AddOutside(ctx, nameServer, []string{nameServerIP}); err != nil {
		return clusters, err
	}
	return clusters, cluster.Inside(nameServer, func() error {
		dns, err = dnsserver.Start(nameServerIP + ":53")
		return err
	})
}
