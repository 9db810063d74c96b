package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gruntwork-io/terratest/modules/helm"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"external-services/tests/internal/testenv"
	"external-services/tests/internal/traffic"
)

// A host that drains gets no new connection, and the open ones live. If it were the only one left,
// kube-proxy would use it again: the chart refuses that.
func TestDraining(t *testing.T) {
	needDataPlane(t)
	needEmbedded(t, "what kube-proxy does with draining endpoints is the same there")
	const namespace, release, pod, longLived = "drain", "drain", "drain-client", 20
	makePod(t, pod, namespace)
	serve(t, "7000", map[string]string{"drain-1": "192.168.87.1", "drain-2": "192.168.87.2"})
	entry := func(first, second string) []string {
		return values(t, fmt.Sprintf(`services: [{name: web, ports: [{port: 7000}], addresses: [{ip: 192.168.87.1, %s}, {ip: 192.168.87.2, %s}]}]`, first, second))
	}
	o := options(namespace)
	o.ValuesFiles = entry("ready: true", "ready: true")
	install(t, release, o)
	wantHosts(t, pod, "web:7000", "drain-1", "drain-2")
	load, err := cluster.Load(t.Context(), pod, traffic.Options{Address: "web:7000", LongLived: longLived, Interval: 10 * time.Millisecond, Duration: 30 * time.Minute, Count: 200_000, AtLeast: 5})
	if err != nil {
		t.Fatal(err)
	}
	if err := load.Settle(spread, defaultWait, "drain-1", "drain-2"); err != nil {
		t.Fatal(err)
	}

	drained := load.Mark("drained")
	o.ValuesFiles = entry("ready: true", "draining: true")
	upgrade(t, release, o)
	if err := load.Settle(spread, defaultWait, "drain-1"); err != nil {
		t.Error(err)
	}
	load.Mark("settled")
	if err := load.WaitFor(spread); err != nil {
		t.Fatal(err)
	}
	report, err := load.Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", report)
	if failures := report.Failures(); len(failures) > 0 {
		t.Errorf("%d connections failed", len(failures))
	}
	if err := report.Stayed(traffic.LongLived, drained, longLived); err != nil {
		t.Error(err)
	}
	lasting := map[string]int{}
	for _, c := range report.Connections(traffic.LongLived) {
		lasting[c.Events[0].Server]++
	}
	if lasting["drain-2"] == 0 {
		t.Errorf("the open connections are at %v: none shows that draining keeps them", lasting)
	}
	if servers := report.Periods()[len(report.Periods())-1].Servers(traffic.New); servers["drain-2"] > 0 {
		t.Errorf("new connections go to %v after the last one settled", servers)
	}

	// Why the chart refuses it with no other address ready.
	o.ValuesFiles = entry("ready: false", "draining: true")
	refusal := `addresses[1].draining is set, but no IPv4 address is ready, so new connections would still go to this one`
	if err := helm.UpgradeContextE(t, t.Context(), o, testenv.Chart(), release); err == nil || !strings.Contains(err.Error(), refusal) {
		t.Errorf("the upgrade ends with %v, want %q", err, refusal)
	}
	patch := `{"endpoints": [
		{"addresses": ["192.168.87.1"], "conditions": {"ready": false}},
		{"addresses": ["192.168.87.2"], "conditions": {"ready": false, "serving": true, "terminating": true}}]}`
	if _, err := client.DiscoveryV1().EndpointSlices(namespace).Patch(t.Context(), "web-ipv4-0", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	wantHosts(t, pod, "web:7000", "drain-2")
}
