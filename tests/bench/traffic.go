package bench

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/traffic"
)

// What the client of the traffic part calls.
const (
	trafficNamespace = "bench-00"
	trafficService   = "orders"
	trafficPort      = "7000"
	client           = "client"
)

// sides are the hosts outside, with their addresses, and the pods that take over.
var (
	outside      = []string{"orders-out-1", "orders-out-2"}
	outsideIPs   = []string{"10.0.4.11", "10.0.4.12"}
	pods         = []string{"orders-0", "orders-1"}
	trafficEntry = "services: [{name: orders, namespace: bench-00, addresses: [10.0.4.11, 10.0.4.12], ports: [{port: 7000}], selector: {app: orders}, backend: %s}]\n"
)

// traffic measures how long connections go elsewhere after a change of the backend, and
// what a connection through the Service takes beside one to the address behind it.
func (r *Runner) traffic(ctx context.Context, rounds int) ([]Row, error) {
	var rows []Row
	err := r.withCluster(ctx, func(c cluster) error {
		if !c.DataPlane {
			return fmt.Errorf("there is no data plane:\n%s", c.LeftOut)
		}
		if err := r.makeSides(ctx, c); err != nil {
			return err
		}
		if err := r.backend(ctx, c, "install", "external"); err != nil {
			return err
		}
		if err := r.reaches(ctx, c); err != nil {
			return err
		}
		latency, err := r.latency(ctx, c, rounds)
		if err != nil {
			return err
		}
		cutover, err := r.cutover(ctx, c, rounds)
		rows = append(cutover, latency...)
		return err
	})
	return rows, err
}

func (r *Runner) makeSides(ctx context.Context, c cluster) error {
	if err := c.AddPod(ctx, client, trafficNamespace); err != nil {
		return err
	}
	for i, host := range outside {
		if err := c.AddOutside(ctx, host, []string{outsideIPs[i]}); err != nil {
			return err
		}
		if err := c.Serve(ctx, host, "tcp", net.JoinHostPort(outsideIPs[i], trafficPort)); err != nil {
			return err
		}
	}
	if err := eventually(ctx, func() error { // pods take one
		_, err := c.client.CoreV1().ServiceAccounts(trafficNamespace).Get(ctx, "default", metav1.GetOptions{})
		return err
	}); err != nil {
		return err
	}
	for _, pod := range pods {
		if err := c.AddBackend(ctx, pod, trafficNamespace, map[string]string{"app": "orders"}, map[string]int{"feed": 7000}); err != nil {
			return err
		}
		if err := c.Serve(ctx, pod, "tcp", ":"+trafficPort); err != nil {
			return err
		}
	}
	return nil
}

// backend installs or upgrades the release with a backend.
func (r *Runner) backend(ctx context.Context, c cluster, command, backend string) error {
	file, err := r.file("orders.yaml", fmt.Sprintf(trafficEntry, backend))
	if err != nil {
		return err
	}
	_, err = r.cost(ctx, "helm", command, "bench", Chart, "-f", file, "-n", "default", "--kubeconfig", c.Kubeconfig)
	return err
}

// reaches waits until the client reaches the Service.
func (r *Runner) reaches(ctx context.Context, c cluster) error {
	return eventually(ctx, func() error {
		answers, err := c.Connect(ctx, client, 1, net.JoinHostPort(trafficService, trafficPort))
		if err == nil && len(answers.Failures) > 0 {
			err = fmt.Errorf("no connection: %s", answers.Failures[0])
		}
		return err
	})
}

func eventually(ctx context.Context, do func() error) error {
	for start := time.Now(); ; {
		err := do()
		if err == nil || time.Since(start) > 30*time.Second || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// cutover takes the entry from external over both to cluster and back, under a load.
func (r *Runner) cutover(ctx context.Context, c cluster, rounds int) ([]Row, error) {
	type step struct {
		series, backend string
		servers, added  []string
	}
	everyone := slices.Concat(outside, pods)
	steps := []step{
		{"external to both", "both", everyone, pods},
		{"both to cluster", "cluster", pods, nil},
		{"cluster to both", "both", everyone, outside},
		{"both to external", "external", outside, nil},
	}
	last, failed := map[string][]float64{}, map[string]float64{}
	connections := map[string]float64{}
	for round := range rounds {
		load, err := c.Load(ctx, client, traffic.Options{
			Address: net.JoinHostPort(trafficService, trafficPort), Duration: 3 * time.Minute, Count: 200_000, AtLeast: 10,
		})
		if err != nil {
			return nil, err
		}
		if err := load.WaitFor(500); err != nil {
			return nil, err
		}
		var begun, done []traffic.Mark
		for _, s := range steps {
			begun = append(begun, load.Mark("upgrade "+s.series))
			if err := r.backend(ctx, c, "upgrade", s.backend); err != nil {
				return nil, err
			}
			done = append(done, load.Mark(s.series))
			if err := load.Settle(300, 30*time.Second, s.servers...); err != nil {
				return nil, err
			}
			if err := load.WaitFor(2_000); err != nil {
				return nil, err
			}
		}
		report, err := load.Stop()
		if err != nil {
			return nil, err
		}
		for i, s := range steps {
			after, err := settled(report.Period(done[i]), s.servers, s.added)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.series, err)
			}
			last[s.series] = append(last[s.series], after)
			end := report.End
			if i+1 < len(steps) {
				end = begun[i+1].Time
			}
			period := report.Between(s.series, begun[i].Time, end)
			failed[s.series] += float64(len(period.Failures()))
			connections[s.series] += float64(period.Count(traffic.New))
			r.progress("%s, round %d of %d: %.0f ms", s.series, round+1, rounds, 1000*after)
		}
	}
	var rows []Row
	for _, s := range steps {
		rows = append(rows, Row{Series: s.series, Rounds: rounds, Values: map[string]float64{
			"seconds": median(last[s.series]), "slowest": quantile(last[s.series], 1),
			"connections": connections[s.series], "failed": failed[s.series],
		}})
	}
	return rows, nil
}

// settled is how many seconds after the beginning of a period the last connection began
// that went elsewhere, and each of the servers that were added was reached.
func settled(period traffic.Period, servers, added []string) (float64, error) {
	after, _ := period.LastElsewhere(servers...)
	for _, server := range added {
		first := slices.IndexFunc(period.Events(traffic.New), func(e traffic.Event) bool { return e.Server == server })
		if first < 0 {
			return 0, fmt.Errorf("no connection reached %s", server)
		}
		after = max(after, period.Events(traffic.New)[first].Start.Sub(period.From))
	}
	return after.Seconds(), nil
}

// latency is what connections take from the dial to the first line of the server, by
// turns to the address outside, to the ClusterIP and to the name of the Service.
func (r *Runner) latency(ctx context.Context, c cluster, rounds int) ([]Row, error) {
	service, err := c.client.CoreV1().Services(trafficNamespace).Get(ctx, trafficService, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	ways := []struct{ series, host string }{
		{"the address outside", outsideIPs[0]},
		{"the ClusterIP", service.Spec.ClusterIP},
		{"the name, by DNS each time", trafficService},
	}
	const connections = 2_000
	took := map[string][]float64{}
	medians := map[string][]float64{}
	for round := range rounds {
		for _, way := range ways {
			load, err := c.Load(ctx, client, traffic.Options{Address: net.JoinHostPort(way.host, trafficPort), Count: connections})
			if err != nil {
				return nil, err
			}
			report, err := load.Wait()
			if err != nil {
				return nil, err
			}
			if failures := report.Failures(); len(failures) > 0 {
				return nil, fmt.Errorf("to %s: %s", way.series, failures[0])
			}
			var all []float64
			for _, e := range report.Control().Events(traffic.New) {
				all = append(all, e.Took.Seconds())
			}
			took[way.series] = append(took[way.series], all...)
			medians[way.series] = append(medians[way.series], median(all))
			r.progress("a connection to %s, round %d of %d: %.0f µs", way.series, round+1, rounds, 1e6*median(all))
		}
	}
	var rows []Row
	for _, way := range ways {
		rows = append(rows, Row{Series: way.series, Rounds: rounds, Values: map[string]float64{
			"seconds": median(medians[way.series]), "p99": quantile(took[way.series], 0.99), "connections": float64(len(took[way.series])),
		}})
	}
	return rows, nil
}
