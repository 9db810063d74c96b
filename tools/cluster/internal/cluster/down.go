package cluster

import (
	"context"
	"fmt"
	"strings"

	"external-services/tools/cluster/internal/network"
	"external-services/tools/cluster/internal/process"
)

// remains is what a cluster has on the machine.
type remains struct {
	processes []process.Found
	network   network.Leftovers
	folder    bool
}

func (r remains) empty() bool {
	return len(r.processes) == 0 && r.network.Empty() && !r.folder
}

// String lists the remains, such as "4 processes, 2 network namespaces".
func (r remains) String() string {
	var parts []string
	for _, p := range []struct {
		count    int
		one, all string
	}{
		{len(r.processes), "process", "processes"},
		{len(r.network.Namespaces), "network namespace", "network namespaces"},
		{len(r.network.Links), "link", "links"},
		{len(r.network.Folders), "resolver configuration", "resolver configurations"},
	} {
		switch {
		case p.count == 1:
			parts = append(parts, "1 "+p.one)
		case p.count > 1:
			parts = append(parts, fmt.Sprintf("%d %s", p.count, p.all))
		}
	}
	if r.folder {
		parts = append(parts, "the state folder")
	}
	return strings.Join(parts, ", ")
}

// find returns what the cluster has on the machine. It looks at the machine and not at the record, so that it also
// finds what a run that was killed could not record.
func (c *Cluster) find() (r remains, err error) {
	if r.folder, err = c.dir.Exists(); err != nil {
		return r, err
	}
	if r.network, err = c.net.Find(); err != nil {
		return r, err
	}
	r.processes, err = process.Find(string(c.dir))
	return r, err
}

// Down takes the cluster down, and removes everything that it has on the machine. It reports whether there was
// anything to do.
func (c *Cluster) Down(ctx context.Context) (done bool, err error) {
	err = c.locked(ctx, func() error {
		found, err := c.find()
		if err != nil || found.empty() {
			return err
		}
		done = true
		removed, err := c.tearDown(ctx)
		if err != nil {
			return err
		}
		c.out.Line("removed %s", removed)
		return nil
	})
	return done, err
}

// tearDown removes everything and says what it was.
func (c *Cluster) tearDown(ctx context.Context) (remains, error) {
	r, err := c.stop(ctx)
	if err != nil {
		return r, err
	}
	if r.folder, err = c.dir.Exists(); err != nil {
		return r, err
	}
	return r, c.dir.Remove()
}

// stop ends the processes of the cluster and removes its network, and leaves its folder.
func (c *Cluster) stop(ctx context.Context) (r remains, err error) {
	if r.processes, err = process.KillAll(string(c.dir)); err != nil {
		return r, fmt.Errorf("end the processes of cluster %q: %w", c.name, err)
	}
	found, err := c.net.Find()
	if err != nil {
		return r, err
	}
	if err := c.warnOccupants(found.Namespaces...); err != nil {
		return r, err
	}
	if r.network, err = c.net.TearDown(ctx); err != nil {
		return r, fmt.Errorf("remove the network of cluster %q: %w", c.name, err)
	}
	return r, nil
}

// warnOccupants names the processes that somebody put into the cluster's namespaces by other means than Exec. They are
// not the cluster's to end. Their namespace loses its name and its links, and lasts as long as they do.
func (c *Cluster) warnOccupants(namespaces ...string) error {
	for _, ns := range namespaces {
		pids, err := network.Occupants(ns)
		if err != nil {
			return err
		}
		for _, pid := range pids {
			c.out.Line("left alone: process %d (%s) is in %s but was not started by this program", pid, process.CommandLine(pid), ns)
		}
	}
	return nil
}
