package main

import (
	"github.com/spf13/cobra"

	"external-services/tools/helm"
)

// chartFlags are the flags of the commands that put values into the chart, with the
// names that helm has for them.
type chartFlags struct {
	path    string
	release helm.Release
	values  helm.Values
}

func (f *chartFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.path, "chart", "", "folder or archive of the chart (default: the one built into extsvc)")
	flags.StringVarP(&f.release.Namespace, "namespace", "n", "default", "release namespace")
	flags.StringArrayVarP(&f.values.ValueFiles, "values", "f", nil, "values file, or - for standard input; later ones win")
	flags.StringArrayVar(&f.values.Values, "set", nil, "set a value: key=value")
	flags.StringArrayVar(&f.values.StringValues, "set-string", nil, "set a value that stays a string: key=value")
	flags.StringArrayVar(&f.values.JSONValues, "set-json", nil, "set a value written as JSON: key=json")
}
