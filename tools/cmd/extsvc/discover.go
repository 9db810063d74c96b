package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"external-services/tools/discover"
	"external-services/tools/helm"
	"external-services/tools/service"
)

// discoverCommand is extsvc discover.
type discoverCommand struct {
	cluster          helm.ClusterOptions
	allNamespaces    bool
	secrets, all     bool
	mapped           bool
	release          string
	releaseNamespace string
	values           helm.Values
	chart            string
	output           output
	file             file
}

func newDiscoverCommand() *cobra.Command {
	c := &discoverCommand{}
	cmd := &cobra.Command{
		Use:   "discover [PATH...]",
		Short: "Find the hosts outside that applications call",
		Long: `Find the hosts outside the cluster in the configuration of your applications: in files and
folders (Kubernetes manifests, Helm values, Compose, .env, properties, ini, TOML, JSON, YAML
and XML), or without a path in the environment, arguments and ConfigMaps of a namespace. The
list says which settings refer to a host, and what to write in its place. discover changes
nothing, and prints hosts, ports and keys, but no values of settings.

-o values prints an entry for each host. With --mapped and the values of -f, or --release,
discover says how many references already use the name of an entry, and what to write in
the others.

discover leaves out anything that is perhaps not a host, or perhaps in the cluster. --all
lists it.`,
		Example: `  extsvc discover apps/
  extsvc discover apps/ -o values --write values.yaml
  extsvc discover apps/ --mapped -f values.yaml -n shop
  extsvc discover -n shop --mapped --release outside
  extsvc discover -A --secrets
  extsvc discover apps/ -o json | jq -r '.endpoints[] | .host + " " + .entry'`,
		Args: cobra.ArbitraryArgs,
		RunE: c.run,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	addClusterFlags(cmd, &c.cluster)
	flags.Lookup("namespace").Usage = "namespace (default: that of the context; with PATH, that of objects without one)"
	flags.BoolVarP(&c.allNamespaces, "all-namespaces", "A", false, "read all namespaces")
	flags.BoolVar(&c.secrets, "secrets", false, "also read Secrets; their values are never printed")
	flags.BoolVar(&c.all, "all", false, "also list what is perhaps not a host outside")
	flags.BoolVar(&c.mapped, "mapped", false, "say how many references use the name of an entry of -f or --release")
	addValueFlags(cmd, &c.values)
	addChartFlag(cmd, &c.chart)
	flags.StringVar(&c.release, "release", "", "release that has the entries for --mapped")
	flags.StringVar(&c.releaseNamespace, "release-namespace", "", "namespace of the release: its entries are written without a namespace")
	completeNamespace(cmd, "release-namespace", func() helm.ClusterOptions { return c.cluster })
	complete(cmd, "release", func([]string) ([]string, error) {
		cluster, err := helm.Connect(c.clusterOfRelease())
		if err != nil {
			return nil, err
		}
		return cluster.Releases()
	})
	c.output.add(cmd, "text", "json", "values")
	c.output.addExits(cmd, exits{
		ok:     "no reference goes to a host outside, or with --mapped, all use the name of an entry",
		notice: "references go to hosts outside, or something could not be read",
		errors: "the values of -f are refused",
	})
	c.file.add(cmd)
	cmd.MarkFlagsMutuallyExclusive("namespace", "all-namespaces")
	return cmd
}

// validate refuses flags that do not belong together.
func (c *discoverCommand) validate(cmd *cobra.Command, paths []string) error {
	hasValues := anyChanged(cmd, "values", "set", "set-string", "set-json")
	switch {
	case c.mapped && !hasValues && c.release == "":
		return errors.New("--mapped needs the entries: -f FILE or --release NAME")
	case hasValues && c.release != "":
		return errors.New("-f and --release both have entries: use one of them")
	case !c.mapped && (hasValues || anyChanged(cmd, "release", "chart")):
		return errors.New("-f, --set, --chart and --release need --mapped")
	case len(paths) > 0 && c.allNamespaces:
		return errors.New("-A is for a cluster: leave it out, or the paths")
	}
	return errors.Join(c.output.validate(), c.file.validate())
}

func (c *discoverCommand) run(cmd *cobra.Command, paths []string) error {
	if err := c.validate(cmd, paths); err != nil {
		return err
	}
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.end()
	names, err := c.names()
	if err != nil {
		return err
	}
	scan := discover.NewScan()
	scan.Secrets, scan.Namespace, scan.Progress = c.secrets, c.cluster.Namespace, progress.say
	if err := c.read(cmd, scan, paths); err != nil {
		return err
	}
	progress.end()
	report := scan.Report(discover.ReportOptions{Names: names, ReleaseNamespace: c.namespaceOfRelease(), All: c.all})
	return c.print(cmd, report)
}

// read reads paths, or a cluster.
func (c *discoverCommand) read(cmd *cobra.Command, scan *discover.Scan, paths []string) error {
	if len(paths) > 0 {
		return scan.ReadPaths(paths)
	}
	cluster, err := helm.Connect(c.cluster)
	if err != nil {
		return err
	}
	if c.allNamespaces {
		cluster.Namespace = ""
	}
	return scan.ReadCluster(cmd.Context(), cluster.Client, cluster.Namespace)
}

// namespaceOfRelease is where the entries without a namespace are. It is empty if no flag says it.
func (c *discoverCommand) namespaceOfRelease() string {
	return cmp.Or(c.releaseNamespace, c.cluster.Namespace)
}

func (c *discoverCommand) clusterOfRelease() helm.ClusterOptions {
	options := c.cluster
	options.Namespace = c.namespaceOfRelease()
	return options
}

// names are the entries for --mapped, and nil without it.
func (c *discoverCommand) names() (*discover.Names, error) {
	if !c.mapped {
		return nil, nil
	}
	var objects *helm.Result
	if c.release == "" {
		var err error
		if objects, err = renderMappings(c.chart, helm.Release{Namespace: c.namespaceOfRelease()}, c.values); err != nil {
			return nil, err
		}
	} else {
		cluster, err := helm.Connect(c.clusterOfRelease())
		if err != nil {
			return nil, err
		}
		release, err := cluster.Deployed(c.release)
		if err != nil {
			return nil, err
		}
		if objects, err = release.Mappings(); err != nil {
			return nil, err
		}
	}
	return discover.NewNames(service.FromRendered(objects)), nil
}

// print prints the report, or writes it to the file of --write.
func (c *discoverCommand) print(cmd *cobra.Command, report *discover.Report) error {
	out, err := cmd.OutOrStdout(), error(nil)
	var text bytes.Buffer
	if c.file.path != "" {
		out = &text
	}
	if c.output.format == "values" {
		_, err = out.Write(report.Values())
	} else {
		err = c.output.write(out, report)
	}
	if err == nil && c.file.path != "" {
		err = c.file.write(nil, text.Bytes())
	}
	if err != nil {
		return err
	}
	if c.output.format == "values" {
		fmt.Fprintln(cmd.ErrOrStderr(), report.Summary())
	}
	return c.output.exit(cmd, report.ExitCode())
}
