package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"external-services/tests/dnsserver"
	"external-services/tests/internal/testenv"
	"external-services/tests/internal/traffic"
)

// The second act: the entry of values-examples/resolver.yaml, and what is outside.
const (
	zone         = "corp.example"
	outsideName  = "orders-db." + zone
	insideName   = "orders-db"
	shop         = "shop"
	app          = "shop-app"
	nameServerIP = "10.0.9.53"
	ttl          = 5 * time.Second
)

var databases = []struct{ host, ip string }{{"db-a", "10.0.6.11"}, {"db-b", "10.0.6.12"}}

// follow shows a host name and another port in one mapping: the name changes its address under load.
func follow(ctx context.Context, out io.Writer, cluster *testenv.Embedded, api kubernetes.Interface) (err error) {
	dns, err := startOutside(ctx, cluster)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dns.Close()) }()
	answer := func(n int) { dns.Set(outsideName, dnsserver.A(databases[n].ip).TTL(ttl)) }
	answer(0)
	if err := startResolver(ctx, out, cluster, api); err != nil {
		return err
	}

	load, err := cluster.Load(ctx, app, traffic.Options{Address: insideName + ":3306", Interval: 10 * time.Millisecond, LongLived: 10})
	if err != nil {
		return err
	}
	if err := load.WaitFor(200); err != nil {
		return err
	}
	answer(1)
	flip := load.Mark("after the change in DNS")
	if err := load.Settle(200, time.Minute, databases[1].host); err != nil {
		return err
	}
	report, err := load.Stop()
	if err != nil {
		return err
	}
	return show(out, report, flip)
}

// startOutside starts the name server and the two databases, of which the name leads to one.
func startOutside(ctx context.Context, cluster *testenv.Embedded) (dns *dnsserver.Server, err error) {
	for _, database := range databases {
		if err := cluster.AddOutside(ctx, database.host, []string{database.ip}); err != nil {
			return nil, err
		}
		if err := cluster.Serve(ctx, database.host, "tcp", database.ip+":3307"); err != nil {
			return nil, err
		}
	}
	if err := cluster.AddOutside(ctx, "ns", []string{nameServerIP}); err != nil {
		return nil, err
	}
	err = cluster.Inside("ns", func() error {
		dns, err = dnsserver.Start(nameServerIP + ":53")
		return err
	})
	return dns, err
}

// startResolver installs the release and starts the resolver, which a kubelet would do.
func startResolver(ctx context.Context, out io.Writer, cluster *testenv.Embedded, api kubernetes.Interface) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shop}}
	if _, err := api.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return err
	}
	if err := install(ctx, out, cluster, "names", shop, testenv.Path("values-examples", "resolver.yaml")); err != nil {
		return err
	}
	list, err := api.AppsV1().Deployments(shop).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	const pod = "shop-resolver"
	for _, name := range []string{pod, app} {
		if err := cluster.AddPod(ctx, name, shop); err != nil {
			return err
		}
	}
	process, err := cluster.Process(ctx, api, &list.Items[0], pod, "resolver")
	if err != nil {
		return err
	}
	logs, err := os.Create(cluster.Directory + "/resolver.log")
	if err != nil {
		return err
	}
	process.Stdout, process.Stderr = logs, logs
	if err := errors.Join(process.Start(), logs.Close()); err != nil {
		return err
	}
	return errors.Join(
		wait(ctx, func() error {
			_, err := cluster.Get(ctx, pod, "http://127.0.0.1:8081/readyz")
			return err
		}),
		wait(ctx, func() error { // for kube-proxy to have read the slice
			answers, err := cluster.Connect(ctx, app, 1, insideName+":3306")
			if err == nil && len(answers.Failures) > 0 {
				err = errors.New(answers.Failures[0])
			}
			return err
		}),
	)
}

func wait(ctx context.Context, condition func() error) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if err := condition(); err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
	}
}

// show prints what became of the connections.
func show(out io.Writer, report *traffic.Report, flip traffic.Mark) error {
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "PERIOD\tDNS SAYS\tNEW CONNECTIONS\tREACHED")
	for n, period := range report.Periods() {
		reached := ""
		for _, database := range databases {
			if count := period.Servers(traffic.New)[database.host]; count > 0 {
				reached += fmt.Sprintf("%s %d  ", database.host, count)
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", []string{"before", "after"}[min(n, 1)], databases[min(n, 1)].ip, period.Count(traffic.New), reached)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	indent(out, text.String())
	first := slices.IndexFunc(report.Events, func(e traffic.Event) bool {
		return e.Kind == traffic.New && !e.Start.Before(flip.Time) && e.Server == databases[1].host
	})
	failures := len(report.Failures())
	fmt.Fprintf(out, "\n%s:3306 reaches port 3307 of %s. %d connections, %d failed; %.1f s after the change in DNS (TTL %v) they reach the other address.\n",
		insideName, outsideName, len(report.Events), failures, report.Events[first].Start.Sub(flip.Time).Seconds(), ttl)
	if failures > 0 {
		return fmt.Errorf("connections failed:\n%s", report)
	}
	return nil
}
