// Package environment is what tests of traffic run on, whatever cluster it is: pods, and
// hosts outside of the cluster, with commands that run in the network of either.
package environment

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"external-services/tests/internal/testenv"
	"external-services/tests/internal/traffic"
)

// Hosts are the pods and the hosts outside of a cluster. That is what one kind of cluster
// does otherwise than another.
type Hosts interface {
	// AddOutside adds a host outside the cluster with IP addresses and the DNS names that
	// stand for them.
	AddOutside(ctx context.Context, host string, ips []string, names ...string) error

	// AddPod adds a pod in a namespace, in which commands can be run.
	AddPod(ctx context.Context, pod, namespace string) error

	// AddServer adds a pod with servers and waits until it is ready.
	AddServer(ctx context.Context, server Server) error

	// RemovePod removes a pod and what runs in it.
	RemovePod(ctx context.Context, pod string) error

	// Command is a command to run in the network of a pod or a host outside. It ends when
	// ctx is done or the cluster is stopped.
	Command(ctx context.Context, host string, command ...string) *exec.Cmd

	// KubeconfigIn returns the path that a kubeconfig of this machine has in a pod.
	KubeconfigIn(ctx context.Context, pod, path string) (string, error)

	// FileIn returns the path that a file of this machine has in a pod.
	FileIn(ctx context.Context, pod, path string) (string, error)
}

// Server is a pod that Services select, with servers that answer with its name.
type Server struct {
	Name, Namespace string

	// Labels are what Services select it by; there must be one.
	Labels map[string]string

	// Ports are by the names of the container's ports.
	Ports map[string]Port
}

// Port is a TCP port with a server.
type Port struct {
	Number int

	// Protocol is tcp or http.
	Protocol string
}

// Cluster is a running cluster with hosts.
type Cluster struct {
	Hosts

	// Kubeconfig is the path of the kubeconfig of its administrator.
	Kubeconfig string

	// Directory is a folder whose content goes with the cluster.
	Directory string

	// DataPlane says whether there are hosts, pods, DNS and Service addresses; it
	// takes root. Otherwise LeftOut says why there are none.
	DataPlane bool
	LeftOut   string

	// IPv6 says whether pods and Services have IPv6 addresses.
	IPv6 bool
}

// Client returns a client of the API server, as its administrator.
func (c *Cluster) Client() (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1                           // the cluster serves nobody else
	config.WarningHandler = rest.NoWarnings{} // the tests know that Endpoints are deprecated
	return kubernetes.NewForConfig(config)
}

// Output runs a command in the network of a pod or a host outside and returns what
// it prints.
func (c *Cluster) Output(ctx context.Context, host string, command ...string) (string, error) {
	return Output(c.Command(ctx, host, command...))
}

// Serve starts a server on a host that answers every connection, or HTTP request, to
// an address with the name of the host. The protocol is tcp or http. It runs until the cluster is stopped or ctx is done.
func (c *Cluster) Serve(ctx context.Context, host, protocol, address string) error {
	probe, err := testenv.Binary("probe")
	if err != nil {
		return err
	}
	return c.Background(ctx, host, traffic.Listening, probe, "serve", protocol, address, host)
}

// readyTimeout is how long a command may take to be ready, which is far less than a second
// on an idle machine.
const readyTimeout = 2 * time.Minute

// Background starts a command on a host and waits until a line of its output
// contains ready. It runs until the cluster is stopped or ctx is done.
func (c *Cluster) Background(ctx context.Context, host, ready string, command ...string) error {
	cmd := c.Command(ctx, host, command...)
	output, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	started := make(chan error, 1)
	var once sync.Once
	go func() {
		var lines bytes.Buffer
		scanner := bufio.NewScanner(output)
		for scanner.Scan() {
			lines.WriteString(scanner.Text() + "\n")
			if strings.Contains(scanner.Text(), ready) {
				once.Do(func() { started <- nil })
				lines.Reset()
			}
		}
		err := errors.Join(scanner.Err(), cmd.Wait())
		once.Do(func() {
			started <- fmt.Errorf("%q on %s ended before it was ready: %v\n%s", command, host, err, lines.String())
		})
	}()
	select {
	case err := <-started:
		return err
	case <-time.After(readyTimeout):
		return fmt.Errorf("%q on %s is not ready after %s: no line of its output contains %q", command, host, readyTimeout, ready)
	}
}

// Resolve resolves a name in a pod.
func (c *Cluster) Resolve(ctx context.Context, pod, name string) (traffic.Resolution, error) {
	var resolution traffic.Resolution
	return resolution, c.probe(ctx, pod, &resolution, "resolve", name)
}

// SRV looks up the SRV records of a name in a pod, sorted by target.
func (c *Cluster) SRV(ctx context.Context, pod, name string) ([]traffic.Record, error) {
	var records []traffic.Record
	return records, c.probe(ctx, pod, &records, "srv", name)
}

// Connect opens connections from a pod, one after the other.
func (c *Cluster) Connect(ctx context.Context, pod string, count int, address string) (traffic.Answers, error) {
	var answers traffic.Answers
	return answers, c.probe(ctx, pod, &answers, "connect", fmt.Sprint(count), address)
}

// Get returns the body of an HTTP response, asked for from a pod.
func (c *Cluster) Get(ctx context.Context, pod, url string) (string, error) {
	probe, err := testenv.Binary("probe")
	if err != nil {
		return "", err
	}
	return c.Output(ctx, pod, probe, "get", url)
}

func (c *Cluster) probe(ctx context.Context, pod string, result any, args ...string) error {
	probe, err := testenv.Binary("probe")
	if err != nil {
		return err
	}
	text, err := c.Output(ctx, pod, append([]string{probe}, args...)...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), result)
}

// Load starts a load from a pod, which runs until it is stopped or comes to its bounds.
// It also ends when ctx is done, such as that of a test, when this process ends, and
// when the cluster is stopped.
func (c *Cluster) Load(ctx context.Context, pod string, options traffic.Options) (*traffic.Load, error) {
	probe, err := testenv.Binary("probe")
	if err != nil {
		return nil, err
	}
	return traffic.Start(c.Command(ctx, pod, probe), options)
}

// Output runs a command and returns what it prints.
func Output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}
