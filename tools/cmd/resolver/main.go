// Command resolver follows the DNS names of a release's entries and writes their EndpointSlices. The chart
// runs it in a Deployment.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2/textlogger"
	ctrl "sigs.k8s.io/controller-runtime"

	"external-services/tools/resolver"
	"external-services/tools/values"
)

// version is that of the chart. The linker sets it.
var version = "devel"

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25) // collect at 1.25 times the live heap, where the default is twice
	}
	if err := newCommand(os.Stderr).ExecuteContext(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, "resolver:", err)
		os.Exit(1)
	}
}

func newCommand(logs io.Writer) *cobra.Command {
	o := resolver.Options{Version: version, Log: textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(logs)))}
	var config, kubeconfig string
	cmd := &cobra.Command{
		Use:   "resolver --config NAMESPACE/NAME --lease NAME --namespaces NAMESPACE,...",
		Short: "Follow DNS names and write their addresses to EndpointSlices",
		Args:  cobra.NoArgs, SilenceErrors: true, SilenceUsage: true, Version: version,
		RunE: func(cmd *cobra.Command, _ []string) error {
			namespace, name, ok := strings.Cut(config, "/")
			if !ok || namespace == "" || name == "" {
				return fmt.Errorf("--config is %q: write the ConfigMap as NAMESPACE/NAME", config)
			}
			if len(o.Namespaces) == 0 {
				return errors.New("--namespaces is empty: write the namespaces of the entries")
			}
			o.Config = types.NamespacedName{Namespace: namespace, Name: name}
			ctrl.SetLogger(o.Log)
			cluster, err := clusterConfig(kubeconfig)
			if err != nil {
				return err
			}
			cluster.UserAgent = values.ResolverManager + "/" + version
			cluster.QPS = -1 // the API server limits by itself, with priority and fairness
			return resolver.Run(cmd.Context(), cluster, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config, "config", "", "ConfigMap of the configuration, as NAMESPACE/NAME")
	flags.StringVar(&o.Lease, "lease", "", "Lease that the leader holds, in the namespace of the ConfigMap")
	flags.StringSliceVar(&o.Namespaces, "namespaces", nil, "namespaces of the entries")
	flags.StringVar(&o.MetricsAddress, "metrics-address", ":8080", `address of /metrics; "0" for none`)
	flags.StringVar(&o.ProbeAddress, "probe-address", ":8081", `address of /healthz and /readyz; "0" for none`)
	flags.StringVar(&o.ResolvConf, "resolv-conf", "/etc/resolv.conf", "file with the name servers that are asked if the configuration has none")
	flags.StringVar(&kubeconfig, "kubeconfig", "", "file that names the cluster; by default the account of the Pod")
	return cmd
}

// clusterConfig is that of the file, or else of the account of the Pod: never of somebody's current context.
func clusterConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.BuildConfigFromFlags("", kubeconfig)
}
