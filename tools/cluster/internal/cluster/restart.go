package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"external-services/tools/cluster/internal/controlplane"
	"external-services/tools/cluster/internal/kube"
	"external-services/tools/cluster/internal/process"
	"external-services/tools/cluster/internal/progress"
	"external-services/tools/cluster/internal/state"
)

// Restart kills a component, which need not be running, and starts it again in the same way after the given time. It
// returns when the cluster is healthy, or after the timeout. When ctx ends in the meantime the component is started at
// once, so that the cluster is not left without it.
func (c *Cluster) Restart(ctx context.Context, name string, down, timeout time.Duration) error {
	if down < 0 {
		return fmt.Errorf("--down %s: use a time of 0s or more", down)
	}
	return c.locked(ctx, func() error {
		r, err := c.load()
		if err != nil {
			return err
		}
		component, err := componentOf(r, name)
		if err != nil {
			return fmt.Errorf("cluster %q: %w", c.name, err)
		}
		// The record outlives the binary, which the build of another one removes.
		if _, err := os.Stat(component.Binary); err != nil {
			return fmt.Errorf("%s cannot be started again, add --fresh to `cluster up%s`: %w", name, nameFlag(c.name), err)
		}
		if err := process.Kill(string(c.dir), component.PID, component.Started); err != nil {
			return fmt.Errorf("end %s: %w", name, err)
		}
		if down > 0 {
			c.out.Line("killed %s, which stays away for %s", name, down)
		}
		begin := time.Now()
		select {
		case <-ctx.Done():
		case <-time.After(down):
		}
		s := &starter{Cluster: c, begin: begin, record: r}
		if err := errors.Join(s.launch(component), c.dir.Save(r)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s was started again, and not waited for: %w", name, context.Cause(ctx))
		}
		ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not healthy within %s: raise --timeout on a slow machine", timeout))
		defer cancel()
		if err := s.recovered(ctx); err != nil {
			return fmt.Errorf("start %s again: %w", name, err)
		}
		c.out.Line("healthy %s after %s was killed", progress.Elapsed(time.Since(begin)), name)
		return nil
	})
}

// componentOf returns a component of the record, for changes too.
func componentOf(r *state.Record, name string) (*state.Component, error) {
	i := slices.IndexFunc(r.Components, func(c state.Component) bool { return c.Name == name })
	if i < 0 {
		names := make([]string, len(r.Components))
		for i, c := range r.Components {
			names[i] = c.Name
		}
		return nil, fmt.Errorf("there is no component %q: name one of %s", name, strings.Join(names, ", "))
	}
	return &r.Components[i], nil
}

// recovered waits until every component is healthy and the controllers do their work.
func (s *starter) recovered(ctx context.Context) error {
	err := s.wait(ctx, "the cluster to be healthy", func(ctx context.Context) error {
		status, err := s.Status(ctx)
		if err == nil && !status.Healthy {
			err = errors.New(status.Problem)
		}
		return err
	})
	if err != nil {
		return err
	}
	client, err := controlplane.Client(s.dir, s.record.Server)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	return s.controllersWork(ctx, client)
}

// controllersWork waits until a controller has made again what it keeps in every namespace. kube-controller-manager
// listens nowhere, and after an absence of the API server it takes some time to look at it again.
func (s *starter) controllersWork(ctx context.Context, client *kube.Client) error {
	// Nothing of an embedded cluster is in this namespace, so nobody misses the object.
	const object = "/api/v1/namespaces/kube-node-lease/configmaps/kube-root-ca.crt"
	deleted := false
	return s.wait(ctx, controlplane.ControllerManager+" to do its work", func(ctx context.Context) error {
		if !deleted {
			if err := client.Delete(ctx, object); err != nil {
				return err
			}
			deleted = true
		}
		_, err := client.Get(ctx, object)
		return err
	})
}
