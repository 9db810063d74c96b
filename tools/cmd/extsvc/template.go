package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"external-services/tools/helm"
)

func newTemplateCommand() *cobra.Command {
	var chart chartFlags
	cmd := &cobra.Command{
		Use:   "template [RELEASE]",
		Short: "Print the objects that values render",
		Long: `Print the objects that values render, as helm template does, after checking them
against the values schema, the chart's own validation and, strictly, the types of
the Kubernetes API.`,
		Example: `  extsvc template -f values.yaml
  extsvc template outside -n shop -f base.yaml -f prod.yaml --set endpoints.kind=Endpoints`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				chart.release.Name = args[0]
			}
			vals, err := helm.Merge(chart.values)
			if err != nil {
				return err
			}
			c, err := helm.Open(chart.path)
			if err != nil {
				return err
			}
			result, err := helm.Render(c, chart.release, vals)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), result.YAML())
			return err
		},
	}
	chart.add(cmd)
	return cmd
}
