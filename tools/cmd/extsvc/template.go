package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"external-services/tools/helm"
)

func newTemplateCommand() *cobra.Command {
	var (
		chart  chartFlags
		output output
	)
	cmd := &cobra.Command{
		Use:   "template [RELEASE]",
		Short: "Print the objects that values render",
		Long: `Print the objects that values render, as helm template does. template checks the values
with the schema and the rules of the chart, and the objects strictly with the types of the
Kubernetes API.`,
		Example: `  extsvc template -f values.yaml
  extsvc template outside -n shop -f base.yaml -f prod.yaml --set endpoints.kind=Endpoints`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.validate(); err != nil {
				return err
			}
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
			if output.format == "json" {
				list, err := listOf(result)
				if err != nil {
					return err
				}
				return writeJSON(cmd.OutOrStdout(), list)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), result.YAML())
			return err
		},
	}
	chart.add(cmd)
	output.add(cmd, "text", "json")
	exits{ok: "the objects are printed", errors: "the chart refuses the values"}.describe(cmd)
	return cmd
}

// list is a List of Kubernetes, with objects of several kinds.
type list struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Items      []json.RawMessage `json:"items"`
}

func listOf(result *helm.Result) (list, error) {
	objects := list{APIVersion: "v1", Kind: "List", Items: []json.RawMessage{}}
	for _, manifest := range result.Manifests {
		item, err := yaml.YAMLToJSON([]byte(manifest))
		if err != nil {
			return objects, err
		}
		objects.Items = append(objects.Items, item)
	}
	return objects, nil
}
