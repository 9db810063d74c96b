// Package cli is the command line of the program cluster.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"external-services/tools/cluster/internal/build"
	"external-services/tools/cluster/internal/cluster"
	"external-services/tools/cluster/internal/progress"
)

const (
	// exitFailure is the exit code of a command that failed, and of a status that is not healthy.
	exitFailure = 1
	// exitExec and exitNotFound are the exit codes of `cluster exec` when the command did not run: a code of its own
	// would be taken for the command's. They are those of other programs of this kind, such as `docker exec` and `env`.
	exitExec     = 125
	exitNotFound = 127
)

// app is what the commands share.
type app struct {
	stdout, stderr io.Writer

	name, source, binDir, kubernetes string
	quiet                            bool
}

// exitError ends the program with a code, and with a message when there is an error.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// Main runs the program with its arguments and returns its exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), interrupts()...)
	defer stop()

	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code := exitFailure
	var exit *exitError
	if errors.As(err, &exit) {
		code, err = exit.code, exit.err
	}
	if err != nil {
		fmt.Fprintf(stderr, "error: %v\n", err)
	}
	return code
}

// interrupts are the signals that end what a command is doing. One that the program was told to ignore when it was
// started, as nohup does, stays ignored.
func interrupts() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
	return slices.DeleteFunc(all, signal.Ignored)
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	a := &app{stdout: stdout, stderr: stderr}
	root := &cobra.Command{
		Use:   "cluster",
		Short: "Run Kubernetes clusters on this machine without containers",
		Long: `Run Kubernetes clusters on this machine without containers and without a download.

The programs of a cluster are built from Go modules. As root on Linux it has a data plane too: network namespaces
are the node, the pods and the hosts outside the cluster, and Services and DNS work between them. Elsewhere it is
a control plane only. Clusters with different names run side by side.`,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.DisableDefaultCmd = true

	flags := root.PersistentFlags()
	flags.StringVar(&a.name, "name", cluster.DefaultName,
		"name of the cluster: lower-case letters, digits and dashes, at most 20 characters")
	flags.StringVar(&a.source, "source", "",
		"root of the repository to build the components from (default: the nearest folder, from here upwards, with tools/cluster/go.mod)")
	flags.StringVar(&a.binDir, "bin-dir", "",
		"folder for the binaries of the components (default: .bin at the root of the repository)")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print neither progress nor a summary")

	root.AddCommand(
		a.up(), a.down(), a.build(), a.status(), a.kubeconfig(), a.restart(),
		a.addPod(), a.setPod(), a.removePod(), a.addOutside(), a.exec(),
	)
	return root
}

// progress returns the printer for what a command is doing, which is nil when nothing shall be printed.
func (a *app) progress() *progress.Printer {
	f, ok := a.stderr.(*os.File)
	if a.quiet || !ok {
		return nil
	}
	return progress.New(f)
}

// open returns the cluster that the flags name.
func (a *app) open() (*cluster.Cluster, error) { return cluster.Open(a.name, a.progress()) }

func (a *app) buildOptions() build.Options {
	return build.Options{Kubernetes: a.kubernetes, Source: a.source, BinDir: a.binDir, Progress: a.progress()}
}

// kubernetesFlag adds the flag that chooses a version of Kubernetes.
func (a *app) kubernetesFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.kubernetes, "kubernetes", "", "version of Kubernetes, such as 1.34 (default: that of tools/cluster/go.mod)")
}

// printf prints a result, unless the user wants to be told nothing.
func (a *app) printf(format string, args ...any) error {
	if a.quiet {
		return nil
	}
	_, err := fmt.Fprintf(a.stdout, format, args...)
	return err
}
