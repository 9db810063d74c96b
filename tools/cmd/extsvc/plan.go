package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"external-services/tools/helm"
	"external-services/tools/plan"
)

// planCommand is extsvc plan.
type planCommand struct {
	options   plan.Options
	from      helm.Values
	fromChart string
	output    output
}

func newPlanCommand() *cobra.Command {
	c := &planCommand{}
	cmd := &cobra.Command{
		Use:   "plan [RELEASE]",
		Short: "Show what an upgrade changes, and what can go wrong",
		Long: `Show what helm upgrade would change in the entries of a release, and what can go
wrong: what the cluster refuses or applies differently, and which connections fail. Each
problem comes with a fix. plan changes nothing. It reads the release, and the Services,
EndpointSlices, Endpoints, pods and namespaces of entries that change. If it may not read
something, it says so. If the release is not installed, every entry is new.

With --from, plan compares two sets of values, without a cluster.`,
		Example: `  extsvc plan outside -n shop -f values.yaml
  extsvc plan outside -n shop --reuse-values --set overrides.orders.backend=both
  extsvc plan shop -n shop --chart charts/shop -f shop.yaml
  extsvc plan --from base.yaml --from staging.yaml -f base.yaml -f prod.yaml
  extsvc plan outside -n shop -f values.yaml -o json | jq '.findings[] | select(.effect == "refused")'`,
		Args: cobra.MaximumNArgs(1),
		RunE: c.run,
	}
	c.addFlags(cmd)
	completeRelease(cmd, func() helm.ClusterOptions { return c.options.Cluster })
	return cmd
}

func (c *planCommand) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	addValueFlags(cmd, &c.options.Values)
	addChartFlag(cmd, &c.options.Chart)
	flags.BoolVar(&c.options.Reuse.Reuse, "reuse-values", false, "as in helm upgrade: set the new values over those of the release")
	flags.BoolVar(&c.options.Reuse.ResetThenReuse, "reset-then-reuse-values", false, "as in helm upgrade: the same, with the defaults of the new chart")
	flags.BoolVar(&c.options.Reuse.Reset, "reset-values", false, "as in helm upgrade: without values, use the defaults of the new chart")
	addClusterFlags(cmd, &c.options.Cluster)
	flags.StringArrayVar(&c.from.ValueFiles, "from", nil, "values file to compare with, instead of a release; later files override earlier ones")
	flags.StringArrayVar(&c.from.Values, "from-set", nil, "set a value to compare with: key=value")
	flags.StringArrayVar(&c.from.StringValues, "from-set-string", nil, "set a value to compare with as a string: key=value")
	flags.StringArrayVar(&c.from.JSONValues, "from-set-json", nil, "set a value to compare with as JSON: key=json")
	flags.StringVar(&c.fromChart, "from-chart", "", "folder or archive of the chart of the values to compare with (default: that of --chart)")
	c.output.add(cmd, "text", "json")
	c.output.addExits(cmd, exits{
		ok:     "nothing changes",
		notice: "entries change, or there are warnings",
		errors: "values are refused, the upgrade fails, or connections fail or go to the wrong place",
	})
	ofRelease := []string{"reuse-values", "reset-then-reuse-values", "reset-values"}
	cmd.MarkFlagsMutuallyExclusive(ofRelease...)
	for _, from := range fromFlags {
		for _, other := range append(ofRelease, "kubeconfig", "context") {
			cmd.MarkFlagsMutuallyExclusive(from, other)
		}
	}
}

var fromFlags = []string{"from", "from-set", "from-set-string", "from-set-json", "from-chart"}

func (c *planCommand) run(cmd *cobra.Command, args []string) error {
	if err := c.output.validate(); err != nil {
		return err
	}
	if len(args) == 1 {
		c.options.Release = args[0]
	}
	p, err := c.plan(cmd)
	if err != nil {
		return err
	}
	if err := c.output.write(cmd.OutOrStdout(), p); err != nil {
		return err
	}
	return c.output.exit(cmd, p.ExitCode())
}

func (c *planCommand) plan(cmd *cobra.Command) (*plan.Plan, error) {
	if anyChanged(cmd, fromFlags...) {
		return c.compare()
	}
	if c.options.Release == "" {
		return nil, errors.New("name the release to upgrade, or set the values to compare with: --from FILE")
	}
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.end()
	c.options.Progress = progress.say
	return plan.Upgrade(cmd.Context(), c.options)
}

// anyChanged says whether any of the flags is set.
func anyChanged(cmd *cobra.Command, flags ...string) bool {
	for _, name := range flags {
		if cmd.Flags().Changed(name) {
			return true
		}
	}
	return false
}

// compare plans from one set of values to another, without a cluster.
func (c *planCommand) compare() (*plan.Plan, error) {
	if c.fromChart == "" {
		c.fromChart = c.options.Chart
	}
	release := helm.Release{Name: c.options.Release, Namespace: c.options.Cluster.Namespace}
	before, err := renderMappings(c.fromChart, release, c.from)
	if err != nil {
		return nil, fmt.Errorf("values to compare with: %w", err)
	}
	after, err := renderMappings(c.options.Chart, release, c.options.Values)
	if err != nil {
		return nil, fmt.Errorf("new values: %w", err)
	}
	return plan.Compare(before, after), nil
}

func renderMappings(path string, release helm.Release, values helm.Values) (*helm.Result, error) {
	chart, vals, err := helm.OpenWith(path, values)
	if err != nil {
		return nil, err
	}
	return helm.Mappings(chart, release, vals)
}
