package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"

	"github.com/spf13/cobra"
)

func (a *app) addPod() *cobra.Command {
	var namespace string
	cmd := &cobra.Command{
		Use:   "add-pod NAME",
		Short: "Add a network namespace that stands for a pod",
		Long: `Add a network namespace that stands for a pod.

It has an address of the cluster's pod network, its default route leads to the node, and its /etc/resolv.conf is the one
that a kubelet would write. Run commands in it by "cluster exec". There is no Pod object in the Kubernetes API.`,
		Example: `  cluster add-pod app --namespace shop
  cluster exec app -- getent hosts orders`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.open()
			if err != nil {
				return err
			}
			host, err := c.AddPod(cmd.Context(), args[0], namespace)
			if err != nil {
				return err
			}
			return a.printf("pod %q has %s\n", host.Name, joinAddrs(host.IPs))
		},
	}
	cmd.Flags().StringVar(&namespace, "namespace", "default", "Kubernetes namespace whose Services it finds by their bare names")
	return cmd
}

func (a *app) addOutside() *cobra.Command {
	var ips, names []string
	cmd := &cobra.Command{
		Use:   "add-outside NAME --ip IP [--ip IP...] [--dns NAME...]",
		Short: "Add a network namespace that stands for a host outside the cluster",
		Long: `Add a network namespace that stands for a host outside the cluster.

The node and the pods reach it at its addresses. It does not use the cluster's DNS. The names given by --dns resolve to
its addresses in the cluster's DNS, as names outside the cluster do in a real one.`,
		Example: `  cluster add-outside legacy-db --ip 192.168.50.206 --ip 2001:db8::206 --dns db.corp.example
  cluster exec legacy-db -- python3 -m http.server 8080`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			addrs := make([]netip.Addr, len(ips))
			for i, text := range ips {
				ip, err := netip.ParseAddr(text)
				if err != nil {
					return fmt.Errorf("--ip %q: use an IP address such as 192.168.50.206 or 2001:db8::206", text)
				}
				addrs[i] = ip
			}
			c, err := a.open()
			if err != nil {
				return err
			}
			host, err := c.AddOutside(cmd.Context(), args[0], addrs, names)
			if err != nil {
				return err
			}
			return a.printf("outside host %q has %s\n", host.Name, joinAddrs(host.IPs))
		},
	}
	cmd.Flags().StringSliceVar(&ips, "ip", nil, "IPv4 or IPv6 address of the host (repeatable)")
	cmd.Flags().StringSliceVar(&names, "dns", nil, "name of the host in the cluster's DNS (repeatable)")
	return cmd
}

func (a *app) exec() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec NAME -- COMMAND [ARG...]",
		Short: "Run a command on the node, a pod or an outside host",
		Long: `Run a command in the network namespace of the node (named "node"), a pod or an outside host.

Input, output, signals and the exit code are those of the command. The exit code is 127 when there is no such command,
and 125 when it could not be run for another reason. What the command leaves running is ended when the cluster goes
down.`,
		Example: `  cluster exec node -- nft list ruleset
  cluster exec app -- curl -s http://orders.shop/`,
		Args: func(_ *cobra.Command, args []string) error {
			// Without interspersed flags the separator is one of the arguments.
			if len(args) == 2 && args[1] == "--" || len(args) < 2 {
				return &exitError{exitExec, errors.New("name a host and a command: cluster exec NAME -- COMMAND [ARG...]")}
			}
			return nil
		},
		DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			host, command := args[0], args[1:]
			if command[0] == "--" {
				command = command[1:]
			}
			c, err := a.open()
			if err == nil {
				err = c.Exec(host, command)
			}
			if errors.Is(err, exec.ErrNotFound) {
				return &exitError{exitNotFound, err}
			}
			return &exitError{exitExec, err}
		},
	}
	// What follows the name of the host is the command's, also what looks like a flag.
	cmd.Flags().SetInterspersed(false)
	return cmd
}
