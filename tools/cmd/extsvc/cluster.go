package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"external-services/tools/helm"
)

// addClusterFlags adds the flags that say which cluster and namespace, named as in kubectl and helm.
func addClusterFlags(cmd *cobra.Command, options *helm.ClusterOptions) {
	flags := cmd.Flags()
	flags.StringVarP(&options.Namespace, "namespace", "n", "", "namespace (default: that of the context)")
	flags.StringVar(&options.Kubeconfig, "kubeconfig", "", "kubeconfig file (default: KUBECONFIG, then ~/.kube/config)")
	flags.StringVar(&options.Context, "context", "", "context of the kubeconfig (default: the current one); --kube-context is the same")
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "kube-context" { // as in helm
			name = "context"
		}
		return pflag.NormalizedName(name)
	})
	completeNamespace(cmd, "namespace", func() helm.ClusterOptions { return *options })
}
