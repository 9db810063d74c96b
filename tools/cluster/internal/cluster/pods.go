package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"external-services/tools/cluster/internal/controlplane"
	"external-services/tools/cluster/internal/dataplane"
	"external-services/tools/cluster/internal/kube"
	"external-services/tools/cluster/internal/network"
	"external-services/tools/cluster/internal/process"
	"external-services/tools/cluster/internal/state"
)

// PodOptions say what a pod is in the Kubernetes API.
type PodOptions struct {
	// Namespace is its Kubernetes namespace.
	Namespace string
	// Labels are those of its Pod object, which Services select by. Without them there is no Pod object.
	Labels map[string]string
	// Ports are those that its Pod object names.
	Ports []dataplane.Port
}

// AddPod adds a network namespace that stands for a pod, in which nothing runs but what Exec starts. With labels it
// adds a ready Pod object with the pod's addresses too, so that it becomes an endpoint of the Services that select it.
func (c *Cluster) AddPod(ctx context.Context, name string, o PodOptions) (state.Host, error) {
	if err := state.ValidateLabel("namespace", o.Namespace); err != nil {
		return state.Host{}, err
	}
	if len(o.Ports) > 0 && len(o.Labels) == 0 {
		return state.Host{}, errors.New("only a pod with labels has ports: add --label")
	}
	host := state.Host{Name: name, Kind: state.KindPod, Namespace: o.Namespace, Labels: o.Labels}
	err := c.addHost(ctx, &host, o.Ports)
	return host, err
}

// SetPodReady says in the Kubernetes API that a pod is ready, or is not.
func (c *Cluster) SetPodReady(ctx context.Context, name string, ready bool) error {
	return c.locked(ctx, func() error {
		r, host, err := c.pod(name)
		if err != nil {
			return err
		}
		if !hasObject(host) {
			return fmt.Errorf("pod %q has no Pod object: add it with --label", name)
		}
		client, err := controlplane.Client(c.dir, r.Server)
		if err != nil {
			return err
		}
		defer client.CloseIdleConnections()
		return dataplane.SetPodStatus(ctx, client, host, ready)
	})
}

// RemovePod removes a pod: its Pod object, the processes that run in it, and its network.
func (c *Cluster) RemovePod(ctx context.Context, name string) error {
	return c.locked(ctx, func() error {
		r, host, err := c.pod(name)
		if err != nil {
			return err
		}
		if err := c.removeObject(ctx, r, host); err != nil {
			return err
		}
		if err := c.killIn(c.networkNamespace(host)); err != nil {
			return fmt.Errorf("end the processes of pod %q: %w", name, err)
		}
		if err := c.net.RemoveHost(ctx, c.networkHost(host)); err != nil {
			return fmt.Errorf("remove pod %q: %w", name, err)
		}
		r.Hosts = slices.DeleteFunc(r.Hosts, func(h state.Host) bool { return h.Name == name })
		return c.dir.Save(r)
	})
}

// pod returns the record of the cluster and a pod in it.
func (c *Cluster) pod(name string) (*state.Record, state.Host, error) {
	r, err := c.loadDataPlane()
	if err != nil {
		return nil, state.Host{}, err
	}
	host, ok := r.Host(name)
	if !ok || host.Kind != state.KindPod {
		return nil, state.Host{}, fmt.Errorf("cluster %q has no pod %q: `cluster status%s` lists them", c.name, name, nameFlag(c.name))
	}
	return r, host, nil
}

// killIn ends the cluster's processes in a network namespace, which may be gone.
func (c *Cluster) killIn(ns string) error {
	names, err := network.Namespaces()
	if err != nil || !slices.Contains(names, ns) {
		return err
	}
	_, err = process.KillAmong(string(c.dir), func() ([]int, error) { return network.Occupants(ns) })
	if err != nil {
		return err
	}
	return c.warnOccupants(ns)
}

// hasObject reports whether the host has a Pod object.
func hasObject(h state.Host) bool { return len(h.Labels) > 0 }

// createObject creates the Pod object of a host that has one. What an earlier call that was killed left of it is
// removed first.
func (c *Cluster) createObject(ctx context.Context, r *state.Record, host state.Host, ports []dataplane.Port) error {
	if !hasObject(host) {
		return nil
	}
	client, err := controlplane.Client(c.dir, r.Server)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if err := c.waitForServiceAccount(ctx, client, host.Namespace); err != nil {
		return err
	}
	if err := dataplane.RemovePod(ctx, client, host); err != nil {
		return err
	}
	return dataplane.CreatePod(ctx, client, host, ports)
}

// removeObject removes the Pod object of a host that has one.
func (c *Cluster) removeObject(ctx context.Context, r *state.Record, host state.Host) error {
	if !hasObject(host) {
		return nil
	}
	client, err := controlplane.Client(c.dir, r.Server)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	return dataplane.RemovePod(ctx, client, host)
}

// waitForServiceAccount waits until a namespace has its default ServiceAccount, without which it refuses pods.
func (c *Cluster) waitForServiceAccount(ctx context.Context, client *kube.Client, namespace string) error {
	path := "/api/v1/namespaces/" + namespace
	if _, err := client.Get(ctx, path); kube.IsStatus(err, http.StatusNotFound) {
		return fmt.Errorf("there is no namespace %q: create it first", namespace)
	} else if err != nil {
		return err
	}
	return poll(ctx, func() error {
		_, err := client.Get(ctx, path+"/serviceaccounts/default")
		return err
	})
}
