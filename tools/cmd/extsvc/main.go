// Command extsvc is the companion of the chart external-services: it renders the
// chart, says what an upgrade would do, and generates the chart's schema and documentation from the Go types of
// its values.
package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	if err := newRootCommand().Execute(); err != nil {
		var code exitCode
		if errors.As(err, &code) {
			os.Exit(int(code))
		}
		os.Exit(1) // cobra has printed the error
	}
}

func newRootCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "extsvc",
		Short:         "Companion of the Helm chart external-services",
		SilenceUsage:  true,
		SilenceErrors: false,
	}
	cmd.AddCommand(newTemplateCommand(), newPlanCommand(), newSchemaCommand(), newDocsCommand())
	return cmd
}
