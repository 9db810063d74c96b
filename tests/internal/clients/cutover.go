package clients

import (
	"context"
	"fmt"
	"testing"
	"time"

	"external-services/tests/internal/testenv"
	"external-services/tests/internal/traffic"
)

const (
	outsideHost, outsideIP = "outside", "10.0.4.11"

	// perPeriod is how many new connections each backend gets at least, so that five periods have more than 5,000.
	perPeriod = 1_100
)

// CutoverValues are an entry that a client calls, with one of the backends.
func CutoverValues(backend string) string {
	return fmt.Sprintf(`services:
- name: orders
  addresses: [%s]
  ports: [{name: feed, port: 7000, podPort: feed}]
  selector: {app: orders}
  backend: %s
`, outsideIP, backend)
}

// Cutover calls the entry of CutoverValues from a pod of the namespace while change takes it from external over the
// backends. It returns what became of all connections.
func Cutover(t *testing.T, cluster *testenv.Embedded, namespace string, change func(backend string), backends ...string) *traffic.Report {
	t.Helper()
	if !cluster.DataPlane {
		t.Fatal("there is no data plane: ", cluster.LeftOut)
	}
	ctx := context.WithoutCancel(t.Context())
	MakeNamespace(t, cluster, namespace)
	pod, caller := namespace+"-pod", namespace+"-client"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := cluster.Output(ctx, outsideHost, "true"); err != nil { // the test before may have made it
		must(cluster.AddOutside(ctx, outsideHost, []string{outsideIP}))
		must(cluster.Serve(ctx, outsideHost, "tcp", outsideIP+":7000"))
	}
	must(cluster.AddServer(ctx, testenv.Server{Name: pod, Namespace: namespace, Labels: map[string]string{"app": "orders"}, Ports: map[string]testenv.Port{"feed": {Number: 7001, Protocol: "tcp"}}}))
	must(cluster.AddPod(ctx, caller, namespace))
	t.Cleanup(func() {
		for _, name := range []string{pod, caller} {
			if err := cluster.RemovePod(ctx, name); err != nil {
				t.Error(err)
			}
		}
	})
	change("external")
	testenv.Eventually(t, "the entry is reached", func() error {
		answers, err := cluster.Connect(ctx, caller, 1, "orders:7000")
		if err == nil && len(answers.Failures) > 0 {
			err = fmt.Errorf("%q", answers.Failures)
		}
		return err
	})
	load, err := cluster.Load(ctx, caller, traffic.Options{Address: "orders:7000", LongLived: 4, Duration: 10 * time.Minute, Count: 200_000})
	must(err)
	must(load.WaitFor(perPeriod)) // the control period
	servers := map[string][]string{"external": {outsideHost}, "both": {pod, outsideHost}, "cluster": {pod}}
	for i, backend := range backends {
		load.Mark(fmt.Sprintf("%d %s", i+1, backend))
		change(backend)
		must(load.Settle(300, 2*time.Minute, servers[backend]...))
		must(load.WaitFor(perPeriod))
	}
	report, err := load.Stop()
	must(err)
	t.Log("\n", report)
	return report
}

// Unbroken goes external -> both -> cluster -> both -> external, and fails if a connection does.
func Unbroken(t *testing.T, cluster *testenv.Embedded, namespace string, change func(backend string)) {
	t.Helper()
	report := Cutover(t, cluster, namespace, change, "both", "cluster", "both", "external")
	if failures := report.Failures(); len(failures) > 0 {
		t.Errorf("%d connections failed", len(failures))
	}
	if err := report.Between("whole", report.Marks[0].Time, report.End).Require(traffic.New, 5*perPeriod); err != nil {
		t.Error(err)
	}
	if err := report.Stayed(traffic.LongLived, report.Marks[0], 4); err != nil {
		t.Error(err)
	}
}
