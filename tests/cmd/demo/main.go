// Command demo shows on the embedded cluster what the chart does, in three acts: an alias and
// an address, a DNS name that changes its address, and a service that moves to pods. Each act
// prints a table and a line with what was counted, and fails if a connection failed.
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
	"k8s.io/client-go/kubernetes"

	"external-services/tests/internal/article"
	"external-services/tests/internal/mariadb"
	"external-services/tests/internal/testenv"
)

const name = "demo"

// The acts under load are in the namespace shop, whose pod shop-app makes the load.
const (
	shop = "shop"
	app  = "shop-app"
)

var acts = []struct {
	title string
	play  func(*demo, context.Context) error
}{
	{"an alias and an address", (*demo).callBoth},
	{"a DNS name with another port changes its address", (*demo).followName},
	{"a service moves to pods", (*demo).moveToPods},
}

type demo struct {
	cluster *testenv.Embedded
	api     kubernetes.Interface
	out     io.Writer
}

func main() {
	keep := flag.Bool("keep", false, "leave the cluster up")
	flag.Parse()
	// It is not ended at the end: a cluster that is kept keeps its servers outside.
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
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
	d := &demo{out: out}
	d.heading("Starting a Kubernetes cluster")
	if d.cluster, err = testenv.Start(ctx, name, out, testenv.Zone(zone, nameServerIP)); err != nil {
		return err
	}
	if keep {
		defer d.explainKept()
	} else {
		defer func() {
			// also after an interrupt, which has ended ctx
			err = errors.Join(err, d.cluster.Stop(context.WithoutCancel(ctx)))
		}()
	}
	if d.api, err = d.cluster.Client(); err != nil {
		return err
	}
	for _, name := range []string{article.Namespace, shop} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := d.api.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	if !d.cluster.DataPlane {
		return d.installOnly(ctx)
	}
	if err := d.cluster.AddPod(ctx, app, shop); err != nil {
		return err
	}
	for n, act := range acts {
		d.heading("Act %d of %d: %s", n+1, len(acts), act.title)
		if err := act.play(d, ctx); err != nil {
			return fmt.Errorf("act %d failed: %w", n+1, err)
		}
	}
	fmt.Fprintf(out, "\nThe demo took %.1f s.\n", time.Since(start).Seconds())
	return nil
}

// installOnly is what the control plane alone can show.
func (d *demo) installOnly(ctx context.Context) error {
	d.heading("Installing the mappings")
	notes, err := d.helm(ctx, installArticle)
	if err != nil {
		return err
	}
	d.say("\n%s", notes)
	d.heading("Not shown: that the names resolve and connect")
	d.say("%s", d.cluster.LeftOut)
	return nil
}

// helm prints a command of helm, runs it, and returns its output.
func (d *demo) helm(ctx context.Context, command string) (string, error) {
	d.say("$ helm %s", command)
	program, err := testenv.Binary("helm")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, append(strings.Fields(command), "--kubeconfig", d.cluster.Kubeconfig)...)
	cmd.Dir = testenv.Root()
	return testenv.Output(cmd)
}

func (d *demo) explainKept() {
	d.heading("The cluster stays up, without the DNS server of act 2")
	d.say("export PATH=\"$PWD/.bin:$PATH\" KUBECONFIG=%s    # for helm and kubectl\n", d.cluster.Kubeconfig)
	if d.cluster.DataPlane {
		d.say(".bin/cluster --name %s exec %s -- bash    # a shell in the network of the pod of act 1\n", name, article.App)
	}
	d.say(".bin/cluster --name %s down    # remove the cluster\n", name)
}

func (d *demo) heading(format string, args ...any) {
	fmt.Fprintf(d.out, "\n==> "+format+"\n\n", args...)
}

// say prints indented lines.
func (d *demo) say(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		fmt.Fprintln(d.out, strings.TrimRight("    "+line, " \n"))
	}
}

// table prints rows, whose cells are separated by tabs, with empty lines around them.
func (d *demo) table(rows ...string) error {
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(table, row)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	d.say("\n%s\n", text.String())
	return nil
}
