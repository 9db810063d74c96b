package main

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"external-services/tools/helm"
)

// versions is what extsvc version prints.
type versions struct {
	// Chart is the version of the built-in chart, and Extsvc that of the program: the same version, with the
	// commit that it was built from, if that is known.
	Chart  string `json:"chart"`
	Extsvc string `json:"extsvc"`

	// Helm and Kubernetes are the versions of the libraries that render the chart and talk to the cluster.
	Helm       string `json:"helm"`
	Kubernetes string `json:"kubernetes"`
}

func newVersionCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of extsvc and its chart",
		Long: `Print the versions of extsvc, of the chart that is built in, and of the Helm and Kubernetes
libraries that it is built with.`,
		Example: `  extsvc version
  extsvc version -o json | jq -r .chart`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.validate(); err != nil {
				return err
			}
			v, err := readVersions()
			if err != nil {
				return err
			}
			if out.format == "json" {
				return writeJSON(cmd.OutOrStdout(), v)
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintf(table, "extsvc\t%s\nchart\t%s\nHelm\t%s\nKubernetes\t%s\n", v.Extsvc, v.Chart, v.Helm, v.Kubernetes)
			return table.Flush()
		},
	}
	out.add(cmd, "text", "json")
	exits{ok: "the versions are printed"}.describe(cmd)
	return cmd
}

func readVersions() (versions, error) {
	chart, err := helm.Embedded()
	if err != nil {
		return versions{}, err
	}
	v := versions{Chart: chart.Metadata.Version, Extsvc: chart.Metadata.Version, Helm: "unknown", Kubernetes: "unknown"}
	build, _ := debug.ReadBuildInfo() // nil in a program that was not built from modules
	if build == nil {
		return v, nil
	}
	for _, setting := range build.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= 12 {
			v.Extsvc += "+" + setting.Value[:12]
		}
	}
	for _, module := range build.Deps {
		switch module.Path {
		case "helm.sh/helm/v3":
			v.Helm = strings.TrimPrefix(module.Version, "v")
		case "k8s.io/client-go":
			v.Kubernetes = cmp.Or(strings.Replace(module.Version, "v0.", "1.", 1), v.Kubernetes)
		}
	}
	return v, nil
}
