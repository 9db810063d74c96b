package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"external-services/tools/check"
	"external-services/tools/helm"
)

// checkCommand is extsvc check.
type checkCommand struct {
	options   check.Options
	noResolve bool
	watch     time.Duration
	output    output
}

func newCheckCommand() *cobra.Command {
	c := &checkCommand{}
	cmd := &cobra.Command{
		Use:   "check [RELEASE]",
		Short: "Check that the cluster routes as the release says",
		Long: `Compare the Services of a release with the cluster: whether each exists as the release
says, and which endpoints the cluster routes to (the entry's own, pods, stale or foreign
ones). Each problem comes with its likely cause and a fix. check changes nothing. It
lists Services, EndpointSlices and, if an entry has some, Endpoints. If it may not list
something, it says so.

With -f, --set or --chart, check compares the cluster with values and does not read Helm's
storage: for releases that Argo CD or another program applies.

check resolves the names of ExternalName Services where it runs. --connect also connects
to the addresses outside. Run it in a pod: from another machine, other addresses may
accept connections.

To complete the names of releases, namespaces and entries in your shell, see
extsvc completion --help.`,
		Example: `  extsvc check outside -n shop
  extsvc check outside -n shop --watch
  extsvc check -n shop -f values.yaml --set overrides.orders.backend=both
  extsvc check outside -n shop --connect --timeout 1s
  extsvc check outside -n shop --entry web --port 443 --tls --server-name www.corp.example --http /healthz
  extsvc check outside -n shop -o json | jq '.findings[] | select(.severity == "error")'`,
		Args: cobra.MaximumNArgs(1),
		RunE: c.run,
	}
	c.addFlags(cmd)
	completeRelease(cmd, func() helm.ClusterOptions { return c.options.Cluster })
	complete(cmd, "entry", func(args []string) ([]string, error) {
		c.read(cmd, args)
		c.options.Progress = func(string) {}
		return check.Names(c.options)
	})
	return cmd
}

func (c *checkCommand) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	addClusterFlags(cmd, &c.options.Cluster)
	addValueFlags(cmd, &c.options.Values)
	addChartFlag(cmd, &c.options.Chart)
	flags.StringArrayVar(&c.options.Entries, "entry", nil, "check only this entry: its name, or its namespace and name, such as shop/orders; can be repeated")
	addResolveFlag(cmd, &c.noResolve)
	probe := &c.options.Probe
	flags.BoolVar(&probe.Connect, "connect", false, "open a TCP connection to each address outside")
	flags.IntSliceVar(&probe.Ports, "port", nil, "connect only to these ports of the Services")
	flags.BoolVar(&probe.TLS, "tls", false, "do a TLS handshake on each connection; implies --connect")
	flags.StringVar(&probe.HTTP, "http", "", "GET this path on each connection, with --tls as HTTPS; implies --connect")
	flags.StringVar(&probe.ServerName, "server-name", "", "name to ask for by TLS (SNI) and HTTP (default: the ExternalName, the address's hostname or NAME.NAMESPACE.svc)")
	flags.DurationVar(&probe.Timeout, "timeout", check.DefaultTimeout, "timeout of each resolution and connection")
	flags.IntVar(&probe.Concurrency, "concurrency", check.DefaultConcurrency, "how many names and addresses to try at a time")
	flags.DurationVar(&c.watch, "watch", 0, "check again and again, with this pause, until interrupted")
	flags.Lookup("watch").NoOptDefVal = "5s"
	c.output.add(cmd, "text", "json")
	c.output.addExits(cmd, exits{
		ok:     "nothing is wrong",
		notice: "there are warnings",
		errors: "values are refused, or connections fail or go to the wrong place",
	})
}

func addResolveFlag(cmd *cobra.Command, no *bool) {
	cmd.Flags().BoolVar(no, "no-resolve", false, "do not resolve the names of ExternalName Services")
}

// read completes the options from the arguments and flags.
func (c *checkCommand) read(cmd *cobra.Command, args []string) {
	if len(args) == 1 {
		c.options.Release = args[0]
	}
	c.options.FromValues = anyChanged(cmd, "values", "set", "set-string", "set-json", "chart")
	c.options.Probe.Resolve = !c.noResolve
	c.options.Probe.Connect = c.options.Probe.Connect || c.options.Probe.TLS || c.options.Probe.HTTP != ""
}

func (c *checkCommand) validate(cmd *cobra.Command) error {
	probe := c.options.Probe
	switch {
	case c.options.Release == "" && !c.options.FromValues:
		return errors.New("name the release to check, or set the values to check: -f FILE")
	case !probe.Connect && anyChanged(cmd, "port", "server-name"):
		return errors.New("--port and --server-name need --connect, --tls or --http")
	case probe.Timeout <= 0 || probe.Concurrency <= 0:
		return errors.New("--timeout and --concurrency must be greater than 0")
	case cmd.Flags().Changed("watch") && c.watch <= 0:
		return errors.New("--watch must be greater than 0, such as 5s")
	}
	return c.output.validate()
}

func (c *checkCommand) run(cmd *cobra.Command, args []string) error {
	c.read(cmd, args)
	if err := c.validate(cmd); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := c.repeat(ctx, cmd.ErrOrStderr(), func() (int, error) { return c.check(ctx, cmd) })
	if err != nil {
		return err
	}
	return c.output.exit(cmd, code)
}

// repeat checks once, or with --watch until it is interrupted, and returns what the last check that was not says.
func (c *checkCommand) repeat(ctx context.Context, stderr io.Writer, check func() (int, error)) (code int, err error) {
	if code, err = check(); c.watch > 0 && errors.Is(err, context.Canceled) {
		return 0, nil
	}
	for c.watch > 0 && wait(ctx, c.watch) {
		if err != nil { // the next check may succeed
			fmt.Fprintln(stderr, "Error:", err)
		}
		next, failed := check()
		if errors.Is(failed, context.Canceled) {
			break
		}
		code, err = next, failed
	}
	return code, err
}

// check checks once, and prints the report.
func (c *checkCommand) check(ctx context.Context, cmd *cobra.Command) (code int, err error) {
	progress := newProgress(cmd.ErrOrStderr())
	c.options.Progress = progress.say
	r, err := check.Run(ctx, c.options)
	progress.end()
	if err != nil {
		return 0, err
	}
	out := cmd.OutOrStdout()
	if c.watch > 0 && isTerminal(out) {
		fmt.Fprint(out, "\x1b[H\x1b[2J") // clears the screen
	}
	return r.ExitCode(), c.output.write(out, r)
}

// wait waits for a pause, and says whether it was not interrupted.
func wait(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}
