// Package kind is the kind cluster that ci/kind/cluster.sh makes, for the same tests as
// the embedded cluster: pods are real ones, servers in the cluster are Deployments, and
// a host outside is a container on the cluster's docker network, in whose network
// programs of this machine run.
package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"

	"external-services/tests/internal/testenv"
)

// Variable is the environment variable that says that there is such a cluster: it has the
// path of the file that ci/kind/cluster.sh describes it in.
const Variable = "EXTERNAL_SERVICES_KIND"

// description is that file.
type description struct {
	Kubeconfig string // the administrator's
	Kubectl    string // the program
	Network    string // the docker network, and the label of containers that go with it
	Nodes      []string
	Names      string // the hosts file of the DNS server outside
	Directory  string
	IPv6       bool
	Client     string // the images
	Server     string
	BusyBox    string
}

// Cluster is the running kind cluster.
type Cluster struct {
	testenv.Cluster
	made   description
	client kubernetes.Interface

	// stopped is done when the cluster is stopped, with which its commands end.
	stopped context.Context
	stop    context.CancelFunc

	mu      sync.Mutex
	outside map[string]int     // the hosts outside, with the process whose network they have
	pods    map[string]string  // the pods' namespaces
	copies  map[[2]string]bool // the pods and paths of copyIn
}

// Open returns the cluster that Variable names.
func Open(ctx context.Context) (*Cluster, error) {
	text, err := os.ReadFile(os.Getenv(Variable))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Variable, err)
	}
	c := &Cluster{outside: map[string]int{}, pods: map[string]string{}, copies: map[[2]string]bool{}}
	if err := json.Unmarshal(text, &c.made); err != nil {
		return nil, fmt.Errorf("%s: %w", os.Getenv(Variable), err)
	}
	c.Hosts, c.DataPlane = c, true
	c.Kubeconfig, c.IPv6 = c.made.Kubeconfig, c.made.IPv6
	if c.Directory, err = os.MkdirTemp(c.made.Directory, "tests-"); err != nil {
		return nil, err
	}
	c.stopped, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	c.client, err = c.Client()
	return c, err
}

// BusyBoxImage returns the repository and the tag of the image of BusyBox that the nodes
// have.
func (c *Cluster) BusyBoxImage() (repository, tag string) {
	repository, tag, _ = strings.Cut(c.made.BusyBox, ":")
	return repository, tag
}

// Stop ends the hosts outside and their names. The cluster itself is the script's.
func (c *Cluster) Stop(ctx context.Context) error {
	c.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	var failed []error
	for host := range c.outside {
		_, err := testenv.Output(exec.CommandContext(ctx, "docker", "rm", "--force", "--volumes", container(host)))
		failed = append(failed, err)
	}
	return errors.Join(append(failed, os.WriteFile(c.made.Names, nil, 0o644), os.RemoveAll(c.Directory))...)
}

// NotProven is nothing: a test that this cluster cannot run says so itself.
func (c *Cluster) NotProven() string { return "" }

// container is the name of the container of a host outside.
func container(host string) string { return "external-services-out-" + host }

// AddOutside starts a container on the docker network, which does nothing. Its network gets
// the addresses, and the nodes of the cluster get routes to it.
func (c *Cluster) AddOutside(ctx context.Context, host string, ips []string, names ...string) error {
	_, err := testenv.Output(exec.CommandContext(ctx, "docker", "run", "--detach", "--name", container(host),
		"--network", c.made.Network, "--label", c.made.Network, c.made.Client))
	if err != nil {
		return err
	}
	format := fmt.Sprintf(`{{.State.Pid}} {{with index .NetworkSettings.Networks %q}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}`, c.made.Network)
	text, err := testenv.Output(exec.CommandContext(ctx, "docker", "inspect", "--format", format, container(host)))
	if err != nil {
		return err
	}
	var process int
	var four, six string
	if n, err := fmt.Sscan(text, &process, &four, &six); n < 2 {
		return fmt.Errorf("the container of %s has no address: %q: %v", host, text, err)
	}
	c.mu.Lock()
	c.outside[host] = process
	c.mu.Unlock()
	for _, ip := range ips {
		address, err := netip.ParseAddr(ip)
		if err != nil {
			return err
		}
		prefix, via := netip.PrefixFrom(address, address.BitLen()).String(), four
		add := []string{"ip", "address", "add", prefix, "dev", "eth0"}
		if address.Is6() {
			if six == "" {
				continue // without IPv6, nothing asks for it
			}
			add, via = append(add, "nodad"), six
		}
		if _, err := c.Output(ctx, host, add...); err != nil {
			return err
		}
		for _, node := range c.made.Nodes {
			if _, err := testenv.Output(exec.CommandContext(ctx, "docker", "exec", node, "ip", "route", "replace", prefix, "via", via)); err != nil {
				return err
			}
		}
	}
	return c.addNames(ips, names)
}

// addNames makes the DNS server outside know names.
func (c *Cluster) addNames(ips, names []string) error {
	if len(names) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err := os.ReadFile(c.made.Names)
	if err != nil {
		return err
	}
	for _, ip := range ips {
		text = fmt.Appendf(text, "%s %s\n", ip, strings.Join(names, " "))
	}
	// The server sees the file as it was or as it will be. It looks five times a second.
	temporary := c.made.Names + ".new"
	if err := os.WriteFile(temporary, text, 0o644); err != nil {
		return err
	}
	if err := os.Rename(temporary, c.made.Names); err != nil {
		return err
	}
	time.Sleep(400 * time.Millisecond)
	return nil
}

// Command runs in the network of a host outside with the files of this machine, and in a
// pod with those of its image, in which the programs have the paths that they have here.
func (c *Cluster) Command(ctx context.Context, host string, command ...string) *exec.Cmd {
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(c.stopped, cancel)
	c.mu.Lock()
	process, outside := c.outside[host]
	namespace := c.pods[host]
	c.mu.Unlock()
	if outside {
		return exec.CommandContext(ctx, "nsenter", append([]string{fmt.Sprintf("--net=/proc/%d/ns/net", process), "--"}, command...)...)
	}
	return exec.CommandContext(ctx, c.made.Kubectl, append([]string{
		"--kubeconfig", c.Kubeconfig, "--namespace", namespace, "exec", "--stdin", "--quiet", host, "--",
	}, command...)...)
}

// KubeconfigIn writes a copy into the pod, which reaches the API server as pods do.
func (c *Cluster) KubeconfigIn(ctx context.Context, pod, path string) (string, error) {
	return c.copyIn(ctx, pod, path, clientConfig)
}

// FileIn writes a copy into the pod.
func (c *Cluster) FileIn(ctx context.Context, pod, path string) (string, error) {
	return c.copyIn(ctx, pod, path, os.ReadFile)
}

// copyIn writes what is read from a file into a pod, once.
func (c *Cluster) copyIn(ctx context.Context, pod, path string, read func(path string) ([]byte, error)) (string, error) {
	inside := "/tmp/" + strings.ReplaceAll(strings.Trim(path, "/"), "/", "-")
	c.mu.Lock()
	copied := c.copies[[2]string{pod, path}]
	c.mu.Unlock()
	if copied {
		return inside, nil
	}
	content, err := read(path)
	if err != nil {
		return "", err
	}
	// As an argument, which arrives with the request: standard input is a stream of its
	// own, and one that breaks off looks to the program like its end.
	cmd := c.Command(ctx, pod, "sh", "-c", `umask 077 && printf %s "$1" >"$0"`, inside, string(content))
	if _, err := testenv.Output(cmd); err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.copies[[2]string{pod, path}] = true
	return inside, nil
}

// namespaceOf returns the namespace of a pod of this package.
func (c *Cluster) namespaceOf(pod string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	namespace, ok := c.pods[pod]
	if !ok {
		return "", fmt.Errorf("there is no pod %q", pod)
	}
	return namespace, nil
}

func (c *Cluster) setNamespace(pod, namespace string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pods[pod] = namespace
}
