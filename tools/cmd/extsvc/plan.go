package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"external-services/tools/helm"
	"external-services/tools/plan"
)

// exitCode ends the program with a code and without a message.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func newPlanCommand() *cobra.Command {
	var (
		options   plan.Options
		from      helm.Values
		fromChart string
		output    string
		exitZero  bool
	)
	cmd := &cobra.Command{
		Use:   "plan [RELEASE]",
		Short: "Say what an upgrade changes, and what can go wrong",
		Long: `Say what helm upgrade would change in the entries of a release, and for each hazard
what will happen and the safe way. Nothing is changed: plan reads the release, and of
what the values touch the Services, EndpointSlices, Endpoints, pods and namespaces.
What it may not read, it names under NOT CHECKED. A release that is not installed yet
is compared with nothing.

With --from, two sets of values are compared without a cluster.

Exit codes:
  0  nothing changes
  1  an error
  2  entries change, without a hazard
  3  there are hazards
With --exit-zero, 2 and 3 are 0.`,
		Example: `  extsvc plan outside -n shop -f values.yaml
  extsvc plan outside -n shop --reuse-values --set overrides.orders.backend=both
  extsvc plan shop -n shop --chart charts/shop -f shop.yaml
  extsvc plan --from base.yaml --from staging.yaml -f base.yaml -f prod.yaml
  extsvc plan outside -n shop -f values.yaml -o json | jq '.hazards[] | select(.effect == "refused")'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("%q is no output format: write text or json", output)
			}
			if len(args) == 1 {
				options.Release = args[0]
			}
			offline := false
			for _, name := range []string{"from", "from-set", "from-set-string", "from-set-json", "from-chart"} {
				offline = offline || cmd.Flags().Changed(name)
			}
			p, err := func() (*plan.Plan, error) {
				if offline {
					for _, name := range []string{"reuse-values", "reset-values", "reset-then-reuse-values", "kubeconfig", "context"} {
						if cmd.Flags().Changed(name) {
							return nil, fmt.Errorf("--%s is for a release in a cluster, and --from compares two sets of values without one: leave one of the two out", name)
						}
					}
					return comparePlan(fromChart, options.Chart, helm.Release{Name: options.Release, Namespace: options.Cluster.Namespace}, from, options.Values)
				}
				if options.Release == "" {
					return nil, errors.New("name the release to upgrade, or write the values to compare with as --from FILE")
				}
				return plan.Upgrade(cmd.Context(), options)
			}()
			if err != nil {
				return err
			}
			if output == "json" {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				encoder.SetEscapeHTML(false)
				err = encoder.Encode(p)
			} else {
				err = p.WriteText(cmd.OutOrStdout())
			}
			if code := p.ExitCode(); err == nil && code != 0 && !exitZero {
				cmd.SilenceErrors = true
				return exitCode(code)
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVarP(&options.Values.ValueFiles, "values", "f", nil, "new values file, or - for standard input; later ones win")
	flags.StringArrayVar(&options.Values.Values, "set", nil, "set a new value: key=value")
	flags.StringArrayVar(&options.Values.StringValues, "set-string", nil, "set a new value that stays a string: key=value")
	flags.StringArrayVar(&options.Values.JSONValues, "set-json", nil, "set a new value written as JSON: key=json")
	flags.StringVar(&options.Chart, "chart", "", "folder or archive of the chart to upgrade to (default: the one built into extsvc)")
	flags.BoolVar(&options.Reuse.Reuse, "reuse-values", false, "as helm upgrade has it: lay the new values over those of the release")
	flags.BoolVar(&options.Reuse.ResetThenReuse, "reset-then-reuse-values", false, "as helm upgrade has it: the same, with the defaults of the new chart")
	flags.BoolVar(&options.Reuse.Reset, "reset-values", false, "as helm upgrade has it: use the defaults of the new chart where no values are given")
	addClusterFlags(cmd, &options.Cluster)
	flags.StringArrayVar(&from.ValueFiles, "from", nil, "values file to compare with instead of a release; later ones win")
	flags.StringArrayVar(&from.Values, "from-set", nil, "set a value to compare with: key=value")
	flags.StringArrayVar(&from.StringValues, "from-set-string", nil, "set a value to compare with that stays a string: key=value")
	flags.StringArrayVar(&from.JSONValues, "from-set-json", nil, "set a value to compare with, written as JSON: key=json")
	flags.StringVar(&fromChart, "from-chart", "", "chart of the values to compare with (default: that of --chart)")
	flags.StringVarP(&output, "output", "o", "text", "text or json")
	flags.BoolVar(&exitZero, "exit-zero", false, "exit with 0 also where there are changes or hazards")
	cmd.MarkFlagsMutuallyExclusive("reuse-values", "reset-then-reuse-values", "reset-values")
	return cmd
}

// comparePlan plans from one set of values to another, without a cluster.
func comparePlan(fromChart, chart string, release helm.Release, from, to helm.Values) (*plan.Plan, error) {
	if fromChart == "" {
		fromChart = chart
	}
	now, err := renderMappings(fromChart, release, from)
	if err != nil {
		return nil, fmt.Errorf("the values to compare with: %w", err)
	}
	then, err := renderMappings(chart, release, to)
	if err != nil {
		return nil, fmt.Errorf("the new values: %w", err)
	}
	return plan.Compare(now, then), nil
}

func renderMappings(path string, release helm.Release, values helm.Values) (*helm.Result, error) {
	vals, err := helm.Merge(values)
	if err != nil {
		return nil, err
	}
	c, err := helm.Open(path)
	if err != nil {
		return nil, err
	}
	return helm.Mappings(c, release, vals)
}
