package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"external-services/tools/helm"
	"external-services/tools/resolve"
	"external-services/tools/resolver/lookup"
)

// resolvedValues is what extsvc resolve -o json prints.
type resolvedValues struct {
	Values   map[string]any     `json:"values"`
	Replaced []resolve.Replaced `json:"replaced"`
}

func newResolveCommand() *cobra.Command {
	var (
		vals        helm.Values
		output      output
		nameservers []string
	)
	cmd := &cobra.Command{
		Use:   "resolve",
		Short: "Replace the DNS names in values by their addresses",
		Long: `Print values with the addresses of today in place of the DNS names under addresses, for
clusters that may not run the resolver. Run it in a pipeline before each upgrade. resolve
merges the files as Helm does, asks DNS from this machine, applies resolver.allowedNames,
allowedCIDRs and deniedCIDRs, and removes the keys resolve and healthCheck, which need the
resolver.`,
		Example: `  extsvc resolve -f values.yaml | helm upgrade --install outside external-services -f -
  extsvc resolve -f values.yaml --nameserver 10.0.0.53:53
  extsvc resolve -f values.yaml -o json | jq -r '.replaced[] | .host + " " + (.addresses | join(","))'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := output.validate(); err != nil {
				return err
			}
			merged, err := helm.Merge(vals)
			if err != nil {
				return err
			}
			client := &lookup.Client{Servers: nameservers}
			if len(nameservers) == 0 {
				if client.Servers, err = lookup.Servers("/etc/resolv.conf"); err != nil {
					return err
				}
			}
			ask := func(ctx context.Context, host string, family corev1.IPFamily) (lookup.Answer, error) {
				return client.Lookup(ctx, host, family)
			}
			replaced, err := resolve.Values(cmd.Context(), merged, ask)
			if err != nil {
				return err
			}
			if output.format == "json" {
				return writeJSON(cmd.OutOrStdout(), resolvedValues{merged, replaced})
			}
			text, err := yaml.Marshal(merged)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), string(text))
			return err
		},
	}
	addValueFlags(cmd, &vals)
	cmd.Flags().StringSliceVar(&nameservers, "nameserver", nil, "name server to ask, as IP:port (default: those of this machine)")
	output.add(cmd, "values", "json")
	exits{ok: "the values are printed"}.describe(cmd)
	return cmd
}
