package testenv

import (
	"context"
	"fmt"
	"os/exec"
)

// AddOutside adds a host outside the cluster with IP addresses and the DNS names
// that stand for them.
func (c *Embedded) AddOutside(ctx context.Context, host string, ips []string, names ...string) error {
	args := []string{"add-outside", host}
	for _, ip := range ips {
		args = append(args, "--ip", ip)
	}
	for _, name := range names {
		args = append(args, "--dns", name)
	}
	_, err := c.output(ctx, args...)
	return err
}

// AddPod adds the network of a pod in a namespace.
func (c *Embedded) AddPod(ctx context.Context, pod, namespace string) error {
	_, err := c.output(ctx, "add-pod", pod, "--namespace", namespace)
	return err
}

// AddBackend adds a pod in a namespace, with its network and a ready Pod object. The labels,
// of which there must be one, are what Services select it by; ports maps the names of TCP
// ports to their numbers. The namespace must exist.
func (c *Embedded) AddBackend(ctx context.Context, pod, namespace string, labels map[string]string, ports map[string]int) error {
	if len(labels) == 0 {
		return fmt.Errorf("pod %q has no labels, so no Service can select it: use AddPod", pod)
	}
	args := []string{"add-pod", pod, "--namespace", namespace}
	for key, value := range labels {
		args = append(args, "--label", key+"="+value)
	}
	for name, number := range ports {
		args = append(args, "--port", fmt.Sprintf("%s=%d", name, number))
	}
	_, err := c.output(ctx, args...)
	return err
}

// SetReady says in the Kubernetes API whether a pod of AddBackend is ready.
func (c *Embedded) SetReady(ctx context.Context, pod string, ready bool) error {
	_, err := c.output(ctx, "set-pod", pod, fmt.Sprintf("--ready=%t", ready))
	return err
}

// RemovePod removes a pod: its Pod object if it has one, what runs in it, and its network.
func (c *Embedded) RemovePod(ctx context.Context, pod string) error {
	_, err := c.output(ctx, "remove-pod", pod)
	return err
}

// AddServer adds a pod of AddBackend and starts its servers.
func (c *Embedded) AddServer(ctx context.Context, server Server) error {
	numbers := map[string]int{}
	for name, port := range server.Ports {
		numbers[name] = port.Number
	}
	if err := c.AddBackend(ctx, server.Name, server.Namespace, server.Labels, numbers); err != nil {
		return err
	}
	for _, port := range server.Ports {
		if err := c.Serve(ctx, server.Name, port.Protocol, fmt.Sprintf(":%d", port.Number)); err != nil {
			return err
		}
	}
	return nil
}

// KubeconfigIn is the path itself: pods have the machine's files.
func (c *Embedded) KubeconfigIn(_ context.Context, _, path string) (string, error) { return path, nil }

// FileIn is the path itself, too.
func (c *Embedded) FileIn(_ context.Context, _, path string) (string, error) { return path, nil }

// Command is a command to run in the network of a pod or a host outside.
func (c *Embedded) Command(ctx context.Context, host string, command ...string) *exec.Cmd {
	return c.command(ctx, append([]string{"exec", host, "--"}, command...)...)
}
