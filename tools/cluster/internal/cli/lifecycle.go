package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"external-services/tools/cluster/internal/build"
	"external-services/tools/cluster/internal/cluster"
	"external-services/tools/cluster/internal/dataplane"
	"external-services/tools/cluster/internal/progress"
)

// startTimeout is generous: a start takes a few seconds, but machines that run tests are often busy.
const startTimeout = 2 * time.Minute

func (a *app) up() *cobra.Command {
	var (
		dataPlane string
		o         cluster.UpOptions
	)
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster, and build its components when they are missing",
		Long: `Start a cluster, and build its components when they are missing.

A cluster that is up and healthy is left as it is. The remains of an earlier start that was killed are removed first. When
the start is interrupted, it takes down what it started.`,
		Example: `  cluster up
  export KUBECONFIG=$(cluster kubeconfig --path)`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.open()
			if err != nil {
				return err
			}
			o.DataPlane, o.Build = cluster.Mode(dataPlane), a.buildOptions()
			result, err := c.Up(cmd.Context(), o)
			if err != nil {
				return err
			}
			return a.upSummary(c, result)
		},
	}
	cmd.Flags().StringVar(&dataPlane, "data-plane", string(cluster.ModeAuto),
		"make network namespaces, kube-proxy and DNS: auto (where the machine permits it), on (or fail), off")
	a.kubernetesFlag(cmd)
	cmd.Flags().StringToStringVar(&o.Zones, "zone", nil,
		"ask the DNS server of an outside host for a zone, such as corp.example=10.0.9.53; may be repeated")
	cmd.Flags().BoolVar(&o.Fresh, "fresh", false, "take the cluster down first")
	cmd.Flags().DurationVar(&o.Timeout, "timeout", startTimeout, "how long the components may take to be ready")
	return cmd
}

// upSummary says what there is now, and how to use it.
func (a *app) upSummary(c *cluster.Cluster, result cluster.UpResult) error {
	path, _, err := c.Kubeconfig()
	if err != nil {
		return err
	}
	r := result.Record
	text := fmt.Sprintf("cluster %q is already up\n", r.Name)
	if !result.AlreadyUp {
		text = fmt.Sprintf("cluster %q is up after %s\n", r.Name, progress.Elapsed(result.Took))
	}
	plane := "none"
	if r.DataPlane != nil {
		plane = fmt.Sprintf("kube-proxy (nftables), CoreDNS at %s", dataplane.DNSService)
	}
	text += fmt.Sprintf("  kubernetes  %s at %s\n  data plane  %s\n  kubeconfig  %s\n", r.Versions["kubernetes"], r.Server, plane, path)
	for _, l := range r.LeftOut {
		text += fmt.Sprintf("  left out    %s: %s (%s)\n", l.What, l.Why, l.Effect)
	}
	if result.Proxy != nil {
		text += fmt.Sprintf("  note        the environment sends requests to %s through the proxy %s: add its address to NO_PROXY\n",
			r.Server, result.Proxy.Redacted())
	}
	return a.printf("%s", text)
}

func (a *app) down() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Take a cluster down and remove everything that it has on the machine",
		Long: `Take a cluster down and remove everything that it has on the machine.

Nothing need be recorded about the cluster: what it has is found by the marker in the environment of its processes, and
by the names of its network namespaces and links. So this also works after anything of it was killed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.open()
			if err != nil {
				return err
			}
			done, err := c.Down(cmd.Context())
			if err != nil {
				return err
			}
			if !done {
				return a.printf("nothing to do: cluster %q is not up\n", a.name)
			}
			return a.printf("cluster %q is down\n", a.name)
		},
	}
}

func (a *app) restart() *cobra.Command {
	var down, timeout time.Duration
	cmd := &cobra.Command{
		Use:   "restart COMPONENT",
		Short: "Kill a component of a cluster and start it again",
		Long: `Kill a component of a cluster and start it again in the same way, and wait until the cluster is healthy.

"cluster status" names the components. The component gets no chance to end by itself (SIGKILL), and need not be running.
In the meantime other commands that change the cluster wait. When this one is interrupted, it starts the component at
once.`,
		Example: `  cluster restart kube-apiserver
  cluster restart coredns --down 5s`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.open()
			if err != nil {
				return err
			}
			return c.Restart(cmd.Context(), args[0], down, timeout)
		},
	}
	cmd.Flags().DurationVar(&down, "down", 0, "how long the component stays away, such as 5s")
	cmd.Flags().DurationVar(&timeout, "timeout", startTimeout, "how long the cluster may take to be healthy again")
	return cmd
}

func (a *app) build() *cobra.Command {
	var flags bool
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build the components of clusters without starting one",
		Long: `Build the components of clusters without starting one.

Another version of Kubernetes than the default one is a binary of its own. It has no etcd and no CoreDNS, which are those
of the default binary, so that is built too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if flags {
				text, err := build.Flags(a.buildOptions())
				if err != nil {
					return err
				}
				return a.printf("%s\n", strings.Join(text, "\n"))
			}
			components, err := build.Ensure(cmd.Context(), a.buildOptions())
			if err != nil {
				return err
			}
			binaries := []build.Binary{components.Others}
			if components.Kubernetes.Path != components.Others.Path {
				binaries = append(binaries, components.Kubernetes)
			}
			for _, binary := range binaries {
				var versions []string
				for name, version := range binary.Versions {
					versions = append(versions, name+" "+version)
				}
				slices.Sort(versions)
				if err := a.printf("%s: %s\n", binary.Path, strings.Join(versions, ", ")); err != nil {
					return err
				}
			}
			return nil
		},
	}
	a.kubernetesFlag(cmd)
	cmd.Flags().BoolVar(&flags, "flags", false, "only print the flags of go build, one a line, to build other programs of that Kubernetes with")
	return cmd
}

func (a *app) kubeconfig() *cobra.Command {
	var path bool
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the kubeconfig of a cluster's administrator",
		Example: `  cluster kubeconfig > kubeconfig.yaml
  export KUBECONFIG=$(cluster kubeconfig --path)`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.open()
			if err != nil {
				return err
			}
			file, content, err := c.Kubeconfig()
			if err != nil {
				return err
			}
			if path {
				content = []byte(file + "\n")
			}
			// It is what was asked for, so --quiet has no say in it.
			_, err = a.stdout.Write(content)
			return err
		},
	}
	cmd.Flags().BoolVar(&path, "path", false, "print where the file is instead of what is in it")
	return cmd
}
