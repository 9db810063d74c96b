// Package resolver runs the resolver on the embedded cluster: as a process in the network of a Pod, with the
// arguments of the chart's Deployment and the token of its ServiceAccount, and with a DNS server outside that
// answers by script, which the cluster's CoreDNS asks.
package resolver

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"testing"

	"k8s.io/client-go/kubernetes"

	"external-services/tests/bench"
	"external-services/tests/dnsserver"
	"external-services/tests/internal/testenv"
	"external-services/tests/internal/traffic"
)

// soak makes the tests that count connections longer, and say what they measured.
var soak = flag.Bool("soak", false, "change, break and count for minutes in place of seconds")

// figure says what was measured, for make soak to keep.
func figure(series string, size int, values map[string]float64) {
	if !*soak {
		return
	}
	text, err := json.Marshal(bench.Row{Series: series, Size: size, Rounds: 1, Values: values})
	if err != nil {
		panic(err)
	}
	fmt.Printf("\n%s%s\n", bench.Figure, text)
}

// figureOf says what became of the new connections of loads.
func figureOf(series string, more map[string]float64, reports ...*traffic.Report) {
	values := map[string]float64{}
	maps.Copy(values, more)
	for _, r := range reports {
		values["minutes"] = max(values["minutes"], r.End.Sub(r.Marks[0].Time).Minutes())
		values["failed"] += float64(len(r.Failures()))
		for _, e := range r.Events {
			if e.Kind == traffic.New {
				values["connections"]++
			}
		}
	}
	figure(series, 0, values)
}

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
	// make test has its own processes collect their garbage late; a Pod's has the resolver's own setting.
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
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
