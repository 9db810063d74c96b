// Command extsvc is the companion of the chart external-services: it finds the hosts outside that
// applications call, imports existing objects, lints values, renders the chart, shows what an upgrade would change and checks a release in its cluster.
package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"external-services/tools/findings"
	"external-services/tools/helm"
)

func main() {
	cmd := newRootCommand()
	if name := pluginName(os.Args[0]); name != "" {
		callAs(cmd, name)
	}
	os.Exit(exitStatus(cmd.Execute())) // cobra has printed an error
}

// exitStatus is the exit code of an error: 3 for values that are refused, and 2 for an error that names no code.
func exitStatus(err error) int {
	var code exitCode
	var refused *helm.RefusedError
	switch {
	case err == nil:
		return findings.ExitOK
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &refused):
		return findings.ExitErrors
	}
	return findings.ExitFailed
}

func newRootCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "extsvc",
		Short:         "Companion of the Helm chart external-services",
		SilenceUsage:  true,
		SilenceErrors: false,
	}
	cmd.AddCommand(newDiscoverCommand(), newImportCommand(), newLintCommand(), newPlanCommand(), newCheckCommand(), newReportCommand(), newResolveCommand(), newTemplateCommand(), newVersionCommand())
	return cmd
}
