package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"external-services/tools/render"
)

func newTemplateCommand() *cobra.Command {
	var (
		chartPath string
		release   render.Release
		values    render.Values
	)
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
				release.Name = args[0]
			}
			result, err := renderChart(chartPath, release, values)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), result.YAML())
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&chartPath, "chart", "", "folder or archive of the chart (default: the one built into extsvc)")
	flags.StringVarP(&release.Namespace, "namespace", "n", "default", "release namespace")
	flags.StringArrayVarP(&values.ValueFiles, "values", "f", nil, "values file, or - for standard input; later ones win")
	flags.StringArrayVar(&values.Values, "set", nil, "set a value: key=value")
	flags.StringArrayVar(&values.StringValues, "set-string", nil, "set a value that stays a string: key=value")
	flags.StringArrayVar(&values.JSONValues, "set-json", nil, "set a value written as JSON: key=json")
	return cmd
}

func renderChart(path string, release render.Release, values render.Values) (*render.Result, error) {
	vals, err := render.Merge(values)
	if err != nil {
		return nil, err
	}
	c, err := render.Open(path)
	if err != nil {
		return nil, err
	}
	return render.Render(c, release, vals)
}
