package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"external-services/tools/cluster/internal/cluster"
)

func (a *app) status() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what a cluster consists of and whether it works",
		Long: `Say what a cluster consists of and whether it works.

The exit code is 0 when the cluster is up and healthy, and 1 otherwise.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			write, ok := map[string]func(io.Writer, *cluster.Status) error{"text": writeText, "json": writeJSON}[output]
			if !ok {
				return fmt.Errorf("output %q: use text or json", output)
			}
			c, err := a.open()
			if err != nil {
				return err
			}
			status, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := write(a.stdout, status); err != nil {
				return err
			}
			if !status.Healthy {
				return &exitError{code: exitFailure}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "form of the output: text or json")
	return cmd
}

func writeJSON(w io.Writer, s *cluster.Status) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(s)
}

func writeText(w io.Writer, s *cluster.Status) error {
	health := "healthy"
	if !s.Healthy {
		health = s.Problem
	}
	var b strings.Builder
	fmt.Fprintf(&b, "cluster %q: %s, %s\n", s.Name, s.State, health)
	for _, field := range [][2]string{
		{"kubernetes", s.Versions["kubernetes"]}, {"server", s.Server}, {"kubeconfig", s.Kubeconfig}, {"directory", s.Directory},
	} {
		if field[1] != "" {
			fmt.Fprintf(&b, "%-10s  %s\n", field[0], field[1])
		}
	}
	for _, l := range s.LeftOut {
		fmt.Fprintf(&b, "left out    %s: %s (%s); to have it: %s\n", l.What, l.Why, l.Effect, l.Fix)
	}

	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if len(s.Components) > 0 {
		fmt.Fprint(table, "\nCOMPONENT\tVERSION\tPID\tHEALTH\n")
	}
	for _, c := range s.Components {
		health := "healthy"
		if !c.Healthy {
			health = c.Problem
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", c.Name, c.Version, c.PID, health)
	}
	if len(s.Hosts) > 0 {
		fmt.Fprint(table, "\nHOST\tKIND\tADDRESSES\tNAMESPACE\tDNS\n")
	}
	for _, h := range s.Hosts {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", h.Name, h.Kind, joinAddrs(h.IPs), orDash(h.Namespace), orDash(strings.Join(h.DNS, ",")))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func joinAddrs(ips []netip.Addr) string {
	texts := make([]string, len(ips))
	for i, ip := range ips {
		texts[i] = ip.String()
	}
	return strings.Join(texts, ",")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
