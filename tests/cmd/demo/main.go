// Command demo shows the chart's main job on real input: it starts the embedded
// cluster and the two outside services of values-examples/article.yaml, installs
// the chart with helm, and calls both Service names from a pod.
//
// With -keep the cluster stays up afterwards, to look around in.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/article"
	"external-services/tests/internal/mariadb"
	"external-services/tests/internal/testenv"
)

const name = "demo"

func main() {
	keep := flag.Bool("keep", false, "leave the cluster up")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, keep bool) (err error) {
	start := time.Now()
	if os.Getuid() == 0 {
		if err := mariadb.Check(); err != nil {
			return err
		}
	}

	step(out, "Starting a Kubernetes cluster")
	cluster, err := testenv.Start(ctx, name, out, testenv.Zone(zone, nameServerIP))
	if err != nil {
		return err
	}
	if keep {
		defer func() { keptUp(out, cluster) }()
	} else {
		defer func() {
			// also after an interrupt, which has ended ctx
			err = errors.Join(err, cluster.Stop(context.WithoutCancel(ctx)))
		}()
	}
	client, err := cluster.Client()
	if err != nil {
		return err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: article.Namespace}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return err
	}
	if cluster.DataPlane {
		step(out, "Starting what is outside: %s at %s, and MariaDB at %s:%d", article.WebName, article.WebIP, article.MySQLIP, article.MySQLPort)
		if err := article.Setup(ctx, &cluster.Cluster); err != nil {
			return err
		}
	}

	step(out, "helm install outside charts/external-services -f values-examples/article.yaml")
	if err := install(ctx, out, cluster, "outside", "default", article.Values()); err != nil {
		return err
	}
	if !cluster.DataPlane {
		step(out, "Not shown: that the names resolve and connect. %s", cluster.LeftOut)
		return nil
	}

	step(out, "Calling both names from a pod in the namespace %s", article.Namespace)
	if err := call(ctx, out, cluster); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nBoth mappings resolve and connect, %.1f s after the start.\n", time.Since(start).Seconds())

	step(out, "helm install names charts/external-services -f values-examples/resolver.yaml -n %s", shop)
	return follow(ctx, out, cluster, client)
}

func install(ctx context.Context, out io.Writer, cluster *testenv.Embedded, release, namespace, values string) error {
	helm, err := testenv.Binary("helm")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, helm, "install", release, testenv.Chart(), "-f", values,
		"--kubeconfig", cluster.Kubeconfig, "--namespace", namespace)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("helm install: %w", err)
	}
	indent(out, string(text))
	return nil
}

// call makes the two calls and prints them as a table.
func call(ctx context.Context, out io.Writer, cluster *testenv.Embedded) error {
	const web, mysql = article.SVC1, article.MySQL
	if err := article.WaitUntilReady(ctx, &cluster.Cluster); err != nil {
		return err
	}
	webNames, err := cluster.Resolve(ctx, article.App, web)
	if err != nil {
		return err
	}
	begin := time.Now()
	answer, err := cluster.Get(ctx, article.App, "http://"+web+"/")
	if err != nil {
		return err
	}
	webTime := time.Since(begin)

	mysqlNames, err := cluster.Resolve(ctx, article.App, mysql)
	if err != nil {
		return err
	}
	begin = time.Now()
	row, err := mariadb.Query(ctx, &cluster.Cluster, article.App, mysql, article.MySQLPort, "SELECT CONCAT(note, '\" from MariaDB ', SUBSTRING_INDEX(@@version, '-', 1), ' at ', @@bind_address) FROM shop.orders")
	if err != nil {
		return err
	}
	mysqlTime := time.Since(begin)

	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "NAME\tRESOLVES TO\tCALL\tANSWER\tTIME")
	fmt.Fprintf(table, "%s\t%s (%s)\tGET http://%s/\t\"%s\" from %s\t%s\n", web, strings.TrimSuffix(webNames.CNAME, "."), strings.Join(webNames.Addresses, ", "), web, answer, article.WebName, milliseconds(webTime))
	fmt.Fprintf(table, "%s\t%s (its ClusterIP)\tSELECT note FROM orders\t\"%s\t%s\n", mysql, strings.Join(mysqlNames.Addresses, ", "), row, milliseconds(mysqlTime))
	if err := table.Flush(); err != nil {
		return err
	}
	indent(out, text.String())
	return nil
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

func keptUp(out io.Writer, cluster *testenv.Embedded) {
	step(out, "The cluster stays up. To look around, and to end it:")
	indent(out, fmt.Sprintf(`export PATH="$PWD/.bin:$PATH" KUBECONFIG=%s    # helm, kubectl
.bin/cluster --name %s exec %s -- bash    # a shell in the network of the pod
.bin/cluster --name %s down
`, cluster.Kubeconfig, name, article.App, name))
}

func step(out io.Writer, format string, args ...any) {
	fmt.Fprintf(out, "\n==> "+format+"\n\n", args...)
}

func indent(out io.Writer, text string) {
	for line := range strings.Lines(text) {
		fmt.Fprint(out, strings.TrimRight("    "+line, " \n"), "\n")
	}
}
