// Package cluster takes clusters up and down, and says how they are.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"external-services/tools/cluster/internal/lock"
	"external-services/tools/cluster/internal/network"
	"external-services/tools/cluster/internal/process"
	"external-services/tools/cluster/internal/progress"
	"external-services/tools/cluster/internal/state"
)

// Cluster is a cluster of the current user, which may or may not be up.
type Cluster struct {
	name string
	dir  state.Dir
	net  *network.Network
	env  []string
	out  *progress.Printer
}

// Open returns the cluster of that name. What its commands do is told to out, which may be nil.
func Open(name string, out *progress.Printer) (*Cluster, error) {
	dir, err := state.DirOf(name)
	if err != nil {
		return nil, err
	}
	env := environment(dir)
	return &Cluster{name: name, dir: dir, net: network.New(name, env), env: env, out: out}, nil
}

// environment is that of every program of the cluster. It is small on purpose: a component must not, for one, try to
// reach the API server through the proxy that HTTPS_PROXY names.
func environment(dir state.Dir) []string {
	path := os.Getenv("PATH")
	// kube-proxy runs nft, which is where the PATH of an ordinary user may not lead.
	for _, sbin := range []string{"/usr/sbin", "/sbin"} {
		path = strings.TrimPrefix(path+":"+sbin, ":")
	}
	return []string{"PATH=" + path, process.Marker(string(dir))}
}

// locked runs f while no other process changes the cluster.
func (c *Cluster) locked(ctx context.Context, f func() error) (err error) {
	l, err := c.lock(ctx, c.dir.Lock(), "cluster "+c.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Release(), removeEmpty(state.Parent())) }()
	return f()
}

// lock takes the lock on a file in the folder of all clusters.
func (c *Cluster) lock(ctx context.Context, path, what string) (*lock.Lock, error) {
	for {
		if err := state.EnsurePrivate(filepath.Dir(path)); err != nil {
			return nil, err
		}
		l, err := lock.Acquire(ctx, path, func(pid int) {
			c.out.Line("waiting for %s, which is changing %s", lock.Holder(pid), what)
		})
		// Whoever gives back the last lock removes the folder too.
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return l, err
	}
}

// removeEmpty removes a folder unless something is in it.
func removeEmpty(dir string) error {
	err := os.Remove(dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return nil
	}
	return fmt.Errorf("remove the empty folder of clusters: %w", err)
}

// ErrDown is returned where a cluster must be up and is not.
type ErrDown struct{ Name string }

func (e *ErrDown) Error() string {
	return fmt.Sprintf("cluster %q is not up: start it by `cluster up%s`", e.Name, nameFlag(e.Name))
}

// nameFlag is what names the cluster on the command line, which is nothing for the default one.
func nameFlag(name string) string {
	if name == DefaultName {
		return ""
	}
	return " --name " + name
}

// DefaultName is the name of the cluster of a user who names none.
const DefaultName = "default"

// load returns the record of a cluster that is up.
func (c *Cluster) load() (*state.Record, error) {
	r, err := c.dir.Load()
	if errors.Is(err, state.ErrNoRecord) || err == nil && r.Phase != state.PhaseUp {
		return nil, &ErrDown{c.name}
	}
	return r, err
}

// Kubeconfig returns the path and the content of the administrator's kubeconfig file.
func (c *Cluster) Kubeconfig() (path string, content []byte, err error) {
	if _, err := c.load(); err != nil {
		return "", nil, err
	}
	if content, err = os.ReadFile(c.dir.Kubeconfig()); err != nil {
		return "", nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	return c.dir.Kubeconfig(), content, nil
}
