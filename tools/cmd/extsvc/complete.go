package main

import (
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"external-services/tools/helm"
	"external-services/tools/service"
)

// complete completes the values of a flag in shells, with a function of the arguments.
func complete(cmd *cobra.Command, flag string, list func(args []string) ([]string, error)) {
	function := func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return completions(list(args))
	}
	if err := cmd.RegisterFlagCompletionFunc(flag, function); err != nil {
		panic(err) // a flag that the command does not have
	}
}

// completions are what a shell offers. It has no place for an error but the log that cobra keeps for it.
func completions(list []string, err error) ([]string, cobra.ShellCompDirective) {
	if err != nil {
		cobra.CompErrorln(err.Error())
		return nil, cobra.ShellCompDirectiveError
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// completeRelease completes the argument of a command, the name of a release.
func completeRelease(cmd *cobra.Command, options func() helm.ClusterOptions) {
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		cluster, err := helm.Connect(options())
		if err != nil {
			return completions(nil, err)
		}
		return completions(cluster.Releases())
	}
}

// completeNamespace completes a flag that names a namespace.
func completeNamespace(cmd *cobra.Command, flag string, options func() helm.ClusterOptions) {
	complete(cmd, flag, func([]string) ([]string, error) {
		cluster, err := helm.Connect(options())
		if err != nil {
			return nil, err
		}
		var names []string
		err = service.List(cmd.Context(), cluster.Client.CoreV1().Namespaces().List, func(o *corev1.Namespace) {
			names = append(names, o.Name)
		})
		slices.Sort(names)
		return names, err
	})
}
