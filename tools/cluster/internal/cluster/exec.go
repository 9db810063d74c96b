package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"external-services/tools/cluster/internal/dataplane"
	"external-services/tools/cluster/internal/network"
	"external-services/tools/cluster/internal/process"
)

// Exec runs a command on the node, a pod or an outside host. It takes the place of the calling program, so that input,
// output, signals and the exit code are the command's own, and returns only when it fails.
func (c *Cluster) Exec(host string, command []string) error {
	r, err := c.loadDataPlane()
	if err != nil {
		return err
	}
	namespace := c.net.Node()
	if host != dataplane.NodeName {
		h, ok := r.Host(host)
		if !ok {
			names := []string{dataplane.NodeName}
			for _, h := range r.Hosts {
				names = append(names, h.Name)
			}
			return fmt.Errorf("cluster %q has no pod or outside host %q: it has %s", c.name, host, strings.Join(names, ", "))
		}
		namespace = c.networkNamespace(h)
	}
	// The program that enters the namespace would report a missing command by an exit code that says nothing.
	if _, err := exec.LookPath(command[0]); err != nil {
		return fmt.Errorf("run %q on %s: %w", command[0], host, err)
	}
	args, err := network.Command(namespace, command)
	if err != nil {
		return err
	}
	// With the marker, what the command leaves running is ended when the cluster goes down.
	env := append(os.Environ(), process.Marker(string(c.dir)))
	if err := syscall.Exec(args[0], args, env); err != nil {
		return fmt.Errorf("run %q on %s: %w", command[0], host, err)
	}
	return nil
}
