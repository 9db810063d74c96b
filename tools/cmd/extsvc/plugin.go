package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// The names by which users call the program as a plugin.
const (
	helmPlugin    = "helm extsvc"
	kubectlPlugin = "kubectl extsvc"
)

// pluginName returns how the user called the program, if it runs as a plugin: Helm says so in the environment, and
// kubectl starts a program kubectl-extsvc.
func pluginName(program string) string {
	name := strings.TrimSuffix(filepath.Base(program), ".exe")
	switch {
	case os.Getenv("HELM_PLUGIN_NAME") == "extsvc":
		return helmPlugin
	case name == "kubectl-extsvc":
		return kubectlPlugin
	}
	return ""
}

// callAs makes the help and the errors name the program as the user calls it: a plugin's name.
func callAs(root *cobra.Command, name string) {
	root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: name}
	// A plugin's arguments are completed by helm and kubectl.
	root.CompletionOptions.DisableDefaultCmd = true
	var names []string
	for _, cmd := range root.Commands() {
		names = append(names, "extsvc "+cmd.Name(), name+" "+cmd.Name())
	}
	replacer := strings.NewReplacer(names...)
	for _, cmd := range root.Commands() {
		cmd.Long, cmd.Example = replacer.Replace(cmd.Long), replacer.Replace(cmd.Example)
	}
	if name == helmPlugin {
		root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return takeHelmNamespace(cmd) }
	}
}

// takeHelmNamespace sets --namespace: Helm does not pass -n on to plugins, but writes the namespace to HELM_NAMESPACE,
// also that of the context. "default" is what Helm writes if nobody names one, and extsvc has its own default.
// The context and the kubeconfig are read from the environment in any case.
func takeHelmNamespace(cmd *cobra.Command) error {
	namespace := os.Getenv("HELM_NAMESPACE")
	if namespace == "" || namespace == "default" || cmd.Flags().Lookup("namespace") == nil {
		return nil
	}
	return cmd.Flags().Set("namespace", namespace)
}
