// Package embedded starts the embedded cluster of tools/cluster and the hosts
// around it, for the tests and the demo.
package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"external-services/tests/internal/environment"
	"external-services/tests/internal/testenv"
)

// Cluster is a running embedded cluster.
type Cluster struct {
	environment.Cluster
	name string
	lock *os.File
	off  bool // the data plane is left out on purpose
}

// Option is a choice about the cluster that Start starts.
type Option struct{ flags []string }

// Kubernetes chooses the version of Kubernetes, such as v1.34.4 or 1.34. The default is
// the newest.
func Kubernetes(version string) Option { return Option{[]string{"--kubernetes", version}} }

// WithoutDataPlane leaves out everything but the control plane, also where the machine
// permits more.
func WithoutDataPlane() Option { return Option{[]string{"--data-plane", "off"}} }

// Start starts the cluster of a name afresh and writes what it does to progress. An
// older one of the name is taken down first, unless it is another process of this user
// that has started it: then Start waits until that process has stopped it or ended.
func Start(ctx context.Context, name string, progress io.Writer, options ...Option) (*Cluster, error) {
	file, err := lock(ctx, name, progress)
	if err != nil {
		return nil, err
	}
	c := &Cluster{name: name, lock: file}
	c.Hosts, c.IPv6 = c, true
	args := []string{"up", "--fresh"}
	for _, option := range options {
		args = append(args, option.flags...)
		c.off = c.off || slices.Contains(option.flags, "off")
	}
	up := c.command(ctx, args...)
	up.Stdout, up.Stderr = progress, progress
	if err := up.Run(); err != nil {
		return nil, errors.Join(file.Close(), fmt.Errorf("start the embedded cluster %q: %w", name, err))
	}
	path, err := c.output(ctx, "kubeconfig", "--path")
	if err != nil {
		return nil, err
	}
	c.Kubeconfig = strings.TrimSpace(path)
	text, err := c.output(ctx, "status", "-o", "json")
	if err != nil {
		return nil, err
	}
	var status struct {
		Directory string `json:"directory"`
		DataPlane bool   `json:"dataPlane"`
		LeftOut   []struct {
			What   string `json:"what"`
			Effect string `json:"effect"`
			Why    string `json:"why"`
			Fix    string `json:"fix"`
		} `json:"leftOut"`
	}
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		return nil, fmt.Errorf("read the status of the embedded cluster: %w", err)
	}
	c.Directory, c.DataPlane = status.Directory, status.DataPlane
	for _, part := range status.LeftOut {
		c.LeftOut += fmt.Sprintf("left out: %s (%s): %s; %s\n", part.What, part.Why, part.Effect, part.Fix)
	}
	return c, nil
}

// Stop removes the cluster and everything around it.
func (c *Cluster) Stop(ctx context.Context) error {
	_, err := c.output(ctx, "down")
	return errors.Join(err, c.lock.Close())
}

// NotProven says what the tests could not prove on this cluster.
func (c *Cluster) NotProven() string {
	if c.DataPlane || c.off {
		return ""
	}
	return "that names resolve and connections arrive.\n" + c.LeftOut
}

// lock waits until no other process of this user uses the cluster of a name. The lock
// goes with the process, also when that is killed.
func lock(ctx context.Context, name string, progress io.Writer) (*os.File, error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("external-services-%s-%d.lock", name, os.Getuid()))
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for waiting := false; ; waiting = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !waiting {
			fmt.Fprintf(progress, "Another process uses the embedded cluster %q: waiting for its end.\n", name)
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), file.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// AddOutside adds a host outside the cluster with IP addresses and the DNS names
// that stand for them.
func (c *Cluster) AddOutside(ctx context.Context, host string, ips []string, names ...string) error {
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
func (c *Cluster) AddPod(ctx context.Context, pod, namespace string) error {
	_, err := c.output(ctx, "add-pod", pod, "--namespace", namespace)
	return err
}

// AddBackend adds a pod in a namespace, with its network and a ready Pod object. The labels,
// of which there must be one, are what Services select it by; ports maps the names of TCP
// ports to their numbers. The namespace must exist.
func (c *Cluster) AddBackend(ctx context.Context, pod, namespace string, labels map[string]string, ports map[string]int) error {
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
func (c *Cluster) SetReady(ctx context.Context, pod string, ready bool) error {
	_, err := c.output(ctx, "set-pod", pod, fmt.Sprintf("--ready=%t", ready))
	return err
}

// RemovePod removes a pod: its Pod object if it has one, what runs in it, and its network.
func (c *Cluster) RemovePod(ctx context.Context, pod string) error {
	_, err := c.output(ctx, "remove-pod", pod)
	return err
}

// AddServer adds a pod of AddBackend and starts its servers.
func (c *Cluster) AddServer(ctx context.Context, server environment.Server) error {
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
func (c *Cluster) KubeconfigIn(_ context.Context, _, path string) (string, error) { return path, nil }

// FileIn is the path itself, too.
func (c *Cluster) FileIn(_ context.Context, _, path string) (string, error) { return path, nil }

// Restart kills a component, such as kube-apiserver, and starts it again in the same way
// after the time down. It returns when the cluster is healthy again.
func (c *Cluster) Restart(ctx context.Context, component string, down time.Duration) error {
	_, err := c.output(ctx, "restart", component, "--down", down.String())
	return err
}

// Command is a command to run in the network of a pod or a host outside.
func (c *Cluster) Command(ctx context.Context, host string, command ...string) *exec.Cmd {
	return c.command(ctx, append([]string{"exec", host, "--"}, command...)...)
}

func (c *Cluster) command(ctx context.Context, args ...string) *exec.Cmd {
	cluster := testenv.Path(".bin", "cluster") // its absence is the error of Run
	cmd := exec.CommandContext(ctx, cluster, append([]string{"--name", c.name}, args...)...)
	cmd.Dir = testenv.Root()
	return cmd
}

func (c *Cluster) output(ctx context.Context, args ...string) (string, error) {
	return environment.Output(c.command(ctx, args...))
}
