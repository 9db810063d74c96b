package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"external-services/tools/cluster/internal/cluster"
	"external-services/tools/cluster/internal/dataplane"
)

func (a *app) addPod() *cobra.Command {
	var (
		o             cluster.PodOptions
		labels, ports []string
	)
	cmd := &cobra.Command{
		Use:   "add-pod NAME [--label KEY=VALUE... [--port NAME=NUMBER...]]",
		Short: "Add a network namespace for a pod",
		Long: `Add a network namespace for a pod.

It has an address of the cluster's pod network, its default route is the node, and its /etc/resolv.conf is the one
that a kubelet would write. Run commands in it by "cluster exec".

Without --label there is no Pod object in the Kubernetes API. With it there is one of that name, in a namespace that
must exist. It is ready, so the pod becomes an endpoint of the Services that select it.`,
		Example: `  cluster add-pod app --namespace shop
  cluster exec app -- getent hosts orders

  cluster add-pod orders-0 --namespace shop --label app=orders --port http=8080
  cluster exec orders-0 -- python3 -m http.server 8080`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.Labels, err = parseLabels(labels); err != nil {
				return err
			}
			if o.Ports, err = parsePorts(ports); err != nil {
				return err
			}
			c, err := a.open()
			if err != nil {
				return err
			}
			host, err := c.AddPod(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			return a.printf("pod %q has %s\n", host.Name, joinAddrs(host.IPs))
		},
	}
	cmd.Flags().StringVar(&o.Namespace, "namespace", "default", "Kubernetes namespace whose Services it finds by their bare names")
	cmd.Flags().StringSliceVar(&labels, "label", nil, "label of its Pod object (repeatable)")
	cmd.Flags().StringSliceVar(&ports, "port", nil, "named TCP port of its Pod object (repeatable)")
	return cmd
}

// parseLabels reads labels of the form KEY=VALUE. The API server says whether they are valid.
func parseLabels(texts []string) (map[string]string, error) {
	labels := make(map[string]string, len(texts))
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("--label %q: use KEY=VALUE such as app=orders", text)
		}
		if _, ok := labels[key]; ok {
			return nil, fmt.Errorf("label %q is named twice", key)
		}
		labels[key] = value
	}
	return labels, nil
}

// parsePorts reads ports of the form NAME=NUMBER. The API server says whether the names are valid.
func parsePorts(texts []string) ([]dataplane.Port, error) {
	var ports []dataplane.Port
	for _, text := range texts {
		name, number, _ := strings.Cut(text, "=")
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil || port == 0 || name == "" {
			return nil, fmt.Errorf("--port %q: use NAME=NUMBER such as http=8080", text)
		}
		ports = append(ports, dataplane.Port{Name: name, Number: int(port)})
	}
	return ports, nil
}

func (a *app) setPod() *cobra.Command {
	var ready bool
	cmd := &cobra.Command{
		Use:   "set-pod NAME --ready=true|false",
		Short: "Say in the Kubernetes API whether a pod with labels is ready",
		Long: `Say in the Kubernetes API whether a pod is ready, as a kubelet does after a readiness probe.

The pod must have been added with --label. While it is not ready, Services do not send to it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("ready") {
				return errors.New("nothing to set: add --ready=true or --ready=false")
			}
			c, err := a.open()
			if err != nil {
				return err
			}
			return c.SetPodReady(cmd.Context(), args[0], ready)
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", true, "whether the pod is ready")
	return cmd
}

func (a *app) removePod() *cobra.Command {
	return &cobra.Command{
		Use:   "remove-pod NAME",
		Short: "Remove a pod, its Pod object and what runs in it",
		Long: `Remove a pod: its Pod object if it has one, the processes that "cluster exec" started in it, and its network.

It is not an error if the Pod object was deleted before, as with its namespace.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.open()
			if err != nil {
				return err
			}
			return c.RemovePod(cmd.Context(), args[0])
		},
	}
}

func (a *app) addOutside() *cobra.Command {
	var ips, names []string
	cmd := &cobra.Command{
		Use:   "add-outside NAME --ip IP [--ip IP...] [--dns NAME...]",
		Short: "Add a network namespace for a host outside the cluster",
		Long: `Add a network namespace for a host outside the cluster.

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
and 125 when it could not be run for another reason. Processes that the command leaves running end when the cluster goes
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
