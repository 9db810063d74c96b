package testenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Embedded is a running embedded cluster of tools/cluster, with the hosts around it.
type Embedded struct {
	Cluster
	name string
	lock *os.File
	off  bool // the data plane is left out on purpose
}

// Option is a choice about the cluster that Start starts.
type Option struct{ flags []string }

// Kubernetes chooses the version of Kubernetes, such as v1.34.4 or 1.34. The default is
// the newest.
func Kubernetes(version string) Option { return Option{[]string{"--kubernetes", version}} }

// Zone lets CoreDNS ask the DNS server of an outside host for a zone.
func Zone(zone, ip string) Option { return Option{[]string{"--zone", zone + "=" + ip}} }

// WithoutDataPlane leaves out everything but the control plane, also where the machine
// permits more.
func WithoutDataPlane() Option { return Option{[]string{"--data-plane", "off"}} }

// Start starts the embedded cluster of a name afresh and writes what it does to progress. An
// older one of the name is taken down first, unless it is another process of this user
// that has started it: then Start waits until that process has stopped it or ended.
func Start(ctx context.Context, name string, progress io.Writer, options ...Option) (*Embedded, error) {
	file, err := lock(ctx, name, progress)
	if err != nil {
		return nil, err
	}
	c := &Embedded{name: name, lock: file}
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
	if err := c.readStatus(ctx); err != nil {
		return nil, errors.Join(err, c.Stop(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// readStatus asks the running cluster where its kubeconfig is and what it has.
func (c *Embedded) readStatus(ctx context.Context) error {
	path, err := c.output(ctx, "kubeconfig", "--path")
	if err != nil {
		return err
	}
	c.Kubeconfig = strings.TrimSpace(path)
	text, err := c.output(ctx, "status", "-o", "json")
	if err != nil {
		return err
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
		return fmt.Errorf("read the status of the embedded cluster: %w", err)
	}
	c.Directory, c.DataPlane = status.Directory, status.DataPlane
	for _, part := range status.LeftOut {
		c.LeftOut += fmt.Sprintf("left out: %s (%s): %s; %s\n", part.What, part.Why, part.Effect, part.Fix)
	}
	return nil
}

// Stop removes the cluster and everything around it.
func (c *Embedded) Stop(ctx context.Context) error {
	_, err := c.output(ctx, "down")
	return errors.Join(err, c.lock.Close())
}

// NotProven says what the tests could not prove on this cluster.
func (c *Embedded) NotProven() string {
	if c.DataPlane || c.off {
		return ""
	}
	return "that names resolve and connections arrive.\n" + c.LeftOut
}

// Restart kills a component, such as kube-apiserver, and starts it again in the same way
// after the time down. It returns when the cluster is healthy again.
func (c *Embedded) Restart(ctx context.Context, component string, down time.Duration) error {
	_, err := c.output(ctx, "restart", component, "--down", down.String())
	return err
}

func (c *Embedded) command(ctx context.Context, args ...string) *exec.Cmd {
	cluster := Path(".bin", "cluster") // its absence is the error of Run
	cmd := exec.CommandContext(ctx, cluster, append([]string{"--name", c.name}, args...)...)
	cmd.Dir = Root()
	return cmd
}

func (c *Embedded) output(ctx context.Context, args ...string) (string, error) {
	return Output(c.command(ctx, args...))
}
