package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Obstacle is why this machine, or this user, cannot have a data plane.
type Obstacle struct {
	// Why names the obstacle.
	Why string
	// Fix says what to do about it.
	Fix string
}

// probeLink begins the names of the links that Probe makes.
const probeLink = "probe"

// Probe tries, in a network namespace that is gone when it returns, whether a data plane is possible. It returns nil
// when it is.
func (n *Network) Probe(ctx context.Context) *Obstacle {
	if os.Geteuid() != 0 {
		return &Obstacle{"not root", "run it as root"}
	}
	if o := missingTool(Tool); o != nil {
		return o
	}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		// Programs that are started from this thread are in the new namespace too.
		if err := n.ip(ctx, "link", "add", probeLink+"0", "type", "veth", "peer", "name", probeLink+"1"); err != nil {
			return err
		}
		if err := (sysctl{"ipv4/ip_forward", "1"}).set(); err != nil {
			return err
		}
		cmd, err := n.tool(ctx, "nft", "add table ip probe; add chain ip probe c { type nat hook postrouting priority 0; }")
		if err != nil {
			return err
		}
		return run(cmd)
	})
	if err != nil {
		return &Obstacle{err.Error(), "run it on a Linux machine, or in a container, that permits network namespaces, veth links and nftables"}
	}
	return nil
}

// missingTool names the first of the programs that a data plane needs and that find does not find.
func missingTool(find func(name string) (path string, err error)) *Obstacle {
	for _, tool := range []struct{ name, debianPackage string }{{"ip", "iproute2"}, {"nft", "nftables"}} {
		if _, err := find(tool.name); err != nil {
			return &Obstacle{err.Error(), fmt.Sprintf("install %s (Debian package %s)", tool.name, tool.debianPackage)}
		}
	}
	return nil
}

// HasIPv6 reports whether the kernel has IPv6. New namespaces have it then, even where the machine itself has it off.
func HasIPv6() (bool, error) {
	_, err := os.Stat("/proc/sys/net/ipv6")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
