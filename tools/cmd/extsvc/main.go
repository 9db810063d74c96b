// Command extsvc is the companion of the chart external-services: it lints values,
// renders the chart, and generates the chart's schema and documentation from the Go
// types of its values.
package main

import (
	"os"

	"github.com/spf13/cobra"
)

func main() {
	if err := newRootCommand().Execute(); err != nil {
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
	cmd.AddCommand(newTemplateCommand(), newLintCommand(), newSchemaCommand(), newDocsCommand())
	return cmd
}
