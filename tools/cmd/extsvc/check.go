package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"external-services/tools/check"
	"external-services/tools/helm"
)

func newCheckCommand() *cobra.Command {
	var (
		options   check.Options
		output    string
		watch     time.Duration
		noResolve bool
		exitZero  bool
	)
	cmd := &cobra.Command{
		Use:   "check [RELEASE]",
		Short: "Say whether the cluster routes as the release says, and what is wrong",
		Long: `Check the Services of a release against the cluster: whether each is there as the
release says, which endpoints the cluster routes to (the entry's own, pods, stale or
foreign ones), and what differs. What is wrong comes with its likely cause and what to
do. Nothing is changed: check lists Services, EndpointSlices and, where some are wanted,
Endpoints; what it may not list, it says.

With -f, --set or --chart, the wanted state is that of the values, and Helm's storage is
not read: for releases that Argo CD or another program applies.

The names of ExternalName Services are resolved from where check runs. --connect tries
the addresses outside as well, for which a pod is the right place: a laptop may reach
less, or more.

Exit codes:
  0  nothing is wrong
  1  an error of check itself
  2  there are warnings
  3  there are errors: connections fail, or go where they should not
With --exit-zero, 2 and 3 are 0.

To complete names of releases and flags in the shell, see extsvc completion --help.`,
		Example: `  extsvc check outside -n shop
  extsvc check outside -n shop --watch
  extsvc check -n shop -f values.yaml --set overrides.orders.backend=both
  extsvc check outside -n shop --connect --timeout 1s
  extsvc check outside -n shop --entry web --port 443 --tls --server-name www.corp.example --http /healthz
  extsvc check outside -n shop -o json | jq '.findings[] | select(.severity == "error")'`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return releaseNames(options.Cluster)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			terminal := isTerminal(cmd.OutOrStdout())
			colours := terminal && os.Getenv("NO_COLOR") == ""
			switch output {
			case "":
				output = "json"
				if terminal {
					output = "table"
				}
			case "table", "json":
			default:
				return fmt.Errorf("%q is no output format: write table or json", output)
			}
			if len(args) == 1 {
				options.Release = args[0]
			}
			for _, name := range []string{"values", "set", "set-string", "set-json", "chart"} {
				options.FromValues = options.FromValues || cmd.Flags().Changed(name)
			}
			if options.Release == "" && !options.FromValues {
				return errors.New("name the release to check, or write the values to check as -f FILE")
			}
			options.Probe.Resolve = !noResolve
			if options.Probe.TLS || options.Probe.HTTP != "" {
				options.Probe.Connect = true
			}
			if !options.Probe.Connect {
				for _, name := range []string{"port", "server-name"} {
					if cmd.Flags().Changed(name) {
						return fmt.Errorf("--%s is for connections: write --connect, --tls or --http as well", name)
					}
				}
			}
			if options.Probe.Timeout <= 0 || options.Probe.Concurrency <= 0 {
				return errors.New("--timeout and --concurrency must be more than 0")
			}
			if cmd.Flags().Changed("watch") && watch <= 0 {
				return errors.New("--watch must be more than 0, such as 5s")
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			report := func() (code int, err error) {
				progress := newProgress(cmd.ErrOrStderr())
				options.Progress = progress.say
				r, err := check.Run(ctx, options)
				progress.end()
				if err != nil {
					return 1, err
				}
				if watch > 0 && terminal {
					fmt.Fprint(cmd.OutOrStdout(), "\x1b[H\x1b[2J") // clears the screen
				}
				if output == "table" {
					return r.ExitCode(), r.WriteText(cmd.OutOrStdout(), colours)
				}
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				encoder.SetEscapeHTML(false)
				return r.ExitCode(), encoder.Encode(r)
			}
			code, err := report()
			for ; watch > 0 && wait(ctx, watch); code, err = report() {
				if err != nil { // of the last run: the next may do better
					fmt.Fprintln(cmd.ErrOrStderr(), "Error:", err)
				}
			}
			if err != nil && !(watch > 0 && errors.Is(err, context.Canceled)) {
				return err
			}
			if code != 0 && !exitZero && err == nil {
				cmd.SilenceErrors = true
				return exitCode(code)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	addClusterFlags(cmd, &options.Cluster)
	flags.StringArrayVarP(&options.Values.ValueFiles, "values", "f", nil, "values file to check instead of the release, or - for standard input; later ones win")
	flags.StringArrayVar(&options.Values.Values, "set", nil, "set a value: key=value")
	flags.StringArrayVar(&options.Values.StringValues, "set-string", nil, "set a value that stays a string: key=value")
	flags.StringArrayVar(&options.Values.JSONValues, "set-json", nil, "set a value written as JSON: key=json")
	flags.StringVar(&options.Chart, "chart", "", "folder or archive of the chart of the values (default: the one built into extsvc)")
	flags.StringArrayVar(&options.Entries, "entry", nil, "check this entry only: its name, or namespace and name as in shop/orders; can be repeated")
	flags.BoolVar(&noResolve, "no-resolve", false, "do not resolve the names of ExternalName Services")
	flags.BoolVar(&options.Probe.Connect, "connect", false, "open a TCP connection from here to each address outside")
	flags.IntSliceVar(&options.Probe.Ports, "port", nil, "connect to these ports of the Services only")
	flags.BoolVar(&options.Probe.TLS, "tls", false, "do a TLS handshake on each connection; implies --connect")
	flags.StringVar(&options.Probe.HTTP, "http", "", "GET this path on each connection, with --tls as HTTPS; implies --connect")
	flags.StringVar(&options.Probe.ServerName, "server-name", "", "name to ask for by TLS (SNI) and HTTP (default: the ExternalName, the address's hostname or NAME.NAMESPACE.svc)")
	flags.DurationVar(&options.Probe.Timeout, "timeout", check.DefaultTimeout, "timeout of each resolution and connection")
	flags.IntVar(&options.Probe.Concurrency, "concurrency", check.DefaultConcurrency, "how many names and addresses are tried at a time")
	flags.DurationVar(&watch, "watch", 0, "check again and again, with this pause, until interrupted")
	flags.Lookup("watch").NoOptDefVal = "5s"
	flags.StringVarP(&output, "output", "o", "", "table or json (default: table on a terminal, and else json)")
	flags.BoolVar(&exitZero, "exit-zero", false, "exit with 0 also where there are findings")
	return cmd
}

// wait waits for a pause and says whether it was not interrupted.
func wait(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}

// releaseNames lists releases for the completion of the shell, which has no place for an
// error but the log that cobra keeps for it.
func releaseNames(options helm.ClusterOptions) ([]string, cobra.ShellCompDirective) {
	cluster, err := helm.Connect(options)
	if err == nil {
		var names []string
		if names, err = cluster.Releases(); err == nil {
			return names, cobra.ShellCompDirectiveNoFileComp
		}
	}
	cobra.CompErrorln(err.Error())
	return nil, cobra.ShellCompDirectiveError
}
