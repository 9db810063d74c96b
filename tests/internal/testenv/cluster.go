package testenv

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

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
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// Dynamic returns a client for kinds that Client does not have.
func (c *Cluster) Dynamic() (dynamic.Interface, error) {
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	return dynamic.NewForConfig(config)
}

func (c *Cluster) config() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1                           // the cluster serves nobody else
	config.WarningHandler = rest.NoWarnings{} // the tests know that Endpoints are deprecated
	return config, nil
}

// Output runs a command in the network of a pod or a host outside and returns what
// it prints.
func (c *Cluster) Output(ctx context.Context, host string, command ...string) (string, error) {
	return Output(c.Command(ctx, host, command...))
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

// Output runs a command and returns what it prints.
func Output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}
