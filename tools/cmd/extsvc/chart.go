package main

import (
	"github.com/spf13/cobra"

	"external-services/tools/helm"
)

// chartFlags are the flags of the commands that render values, named as in helm.
type chartFlags struct {
	path    string
	release helm.Release
	values  helm.Values
}

func (f *chartFlags) add(cmd *cobra.Command) {
	addChartFlag(cmd, &f.path)
	cmd.Flags().StringVarP(&f.release.Namespace, "namespace", "n", "default", "namespace")
	addValueFlags(cmd, &f.values)
	options := func() helm.ClusterOptions { return helm.ClusterOptions{Namespace: f.release.Namespace} }
	completeRelease(cmd, options)
	completeNamespace(cmd, "namespace", options)
}

func addChartFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "chart", "", "folder or archive of the chart (default: the one built into extsvc)")
}

// addValueFlags adds the flags of helm that set values.
func addValueFlags(cmd *cobra.Command, values *helm.Values) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&values.ValueFiles, "values", "f", nil, "values file, or - for standard input; later files override earlier ones")
	flags.StringArrayVar(&values.Values, "set", nil, "set a value: key=value")
	flags.StringArrayVar(&values.StringValues, "set-string", nil, "set a value as a string: key=value")
	flags.StringArrayVar(&values.JSONValues, "set-json", nil, "set a value as JSON: key=json")
}
