package testenv

import (
	"context"
	"os/exec"
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
