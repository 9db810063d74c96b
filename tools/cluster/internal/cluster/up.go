package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"external-services/tools/cluster/internal/build"
	"external-services/tools/cluster/internal/network"
	"external-services/tools/cluster/internal/progress"
	"external-services/tools/cluster/internal/state"
)

// Mode says whether a cluster gets a data plane.
type Mode string

// The modes.
const (
	// ModeAuto makes a data plane where the machine permits it.
	ModeAuto Mode = "auto"
	// ModeOn makes one, or fails.
	ModeOn Mode = "on"
	// ModeOff makes none.
	ModeOff Mode = "off"
)

// Modes are all the modes.
var Modes = []Mode{ModeAuto, ModeOn, ModeOff}

// UpOptions say how to take a cluster up.
type UpOptions struct {
	// DataPlane says whether to make a data plane.
	DataPlane Mode
	// Zones are DNS zones outside, each with the IP address of an outside host whose DNS server CoreDNS asks.
	Zones map[string]string
	// Fresh takes down a cluster that is up already.
	Fresh bool
	// Timeout is how long the components may take to be ready.
	Timeout time.Duration
	// Build says where the components come from.
	Build build.Options
}

// UpResult is a cluster that is up.
type UpResult struct {
	Record *state.Record
	// AlreadyUp says that nothing was done.
	AlreadyUp bool
	// Took is how long the start took, without the building of the components.
	Took time.Duration
	// Proxy is the proxy that programs which use the environment's settings would reach the API server through, and
	// nil when there is none. It cannot lead there.
	Proxy *url.URL
}

// Up takes the cluster up, and returns when it is ready for use. When it fails, or ctx ends, what it started is ended
// again; the logs stay when a component failed.
func (c *Cluster) Up(ctx context.Context, o UpOptions) (result UpResult, err error) {
	if !slices.Contains(Modes, o.DataPlane) {
		return result, fmt.Errorf("data plane %q: use one of %q", o.DataPlane, Modes)
	}
	if o.Build.Kubernetes != "" {
		// It is too late to say so when a cluster of another version was removed.
		if err := build.Check(o.Build); err != nil {
			return result, err
		}
	}
	err = c.locked(ctx, func() error {
		result.Record, err = c.alreadyUp(ctx, o)
		if err != nil || result.Record != nil {
			result.AlreadyUp = true
			return err
		}
		obstacle, err := c.obstacle(ctx, o.DataPlane)
		if err != nil {
			return err
		}
		binaries, err := build.Ensure(ctx, o.Build)
		if err != nil {
			return err
		}
		begin := time.Now()
		result.Record, err = c.start(ctx, binaries, obstacle, o)
		result.Took = time.Since(begin)
		return err
	})
	if err != nil {
		return result, err
	}
	result.Proxy, err = proxyFor(result.Record.Server)
	return result, err
}

// alreadyUp returns the record of a healthy cluster that can stay. Otherwise it removes what there is of a cluster and
// returns nil.
func (c *Cluster) alreadyUp(ctx context.Context, o UpOptions) (*state.Record, error) {
	found, err := c.find()
	if err != nil || found.empty() {
		return nil, err
	}
	why := "removing the cluster that is up"
	if !o.Fresh {
		status, err := c.Status(ctx)
		if err != nil {
			// A record that cannot be read is no reason to refuse a new start.
			status = &Status{Problem: err.Error()}
		}
		if status.Healthy {
			return status.record, c.matches(status.record, o)
		}
		why = "removing what an earlier start left: " + status.Problem
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	c.out.Line("%s", why)
	removed, err := c.tearDown(ctx)
	if err != nil {
		return nil, err
	}
	c.out.Line("removed %s", removed)
	return nil, nil
}

// matches says whether a cluster that is up has the data plane and the version that are asked for.
func (c *Cluster) matches(r *state.Record, o UpOptions) error {
	if version := r.Versions["kubernetes"]; o.Build.Kubernetes != "" && !build.IsVersion(version, o.Build.Kubernetes) {
		return fmt.Errorf("cluster %q is up with Kubernetes %s: add --fresh to start it again", c.name, version)
	}
	if o.DataPlane == ModeOn && r.DataPlane == nil {
		return fmt.Errorf("cluster %q is up without a data plane: add --fresh to start it again", c.name)
	}
	if o.DataPlane == ModeOff && r.DataPlane != nil {
		return fmt.Errorf("cluster %q is up with a data plane: add --fresh to start it again", c.name)
	}
	return nil
}

// obstacle returns why there will be no data plane, or nil when there will be one.
func (c *Cluster) obstacle(ctx context.Context, mode Mode) (*network.Obstacle, error) {
	if mode == ModeOff {
		return &network.Obstacle{Why: "--data-plane is off", Fix: "leave out that flag"}, nil
	}
	obstacle := c.net.Probe(ctx)
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if mode == ModeOn && obstacle != nil {
		return nil, fmt.Errorf("a data plane is not possible: %s: %s, or do without by --data-plane=off", obstacle.Why, obstacle.Fix)
	}
	return obstacle, nil
}

// start starts a cluster of which nothing is there. On failure it stops what it started.
func (c *Cluster) start(ctx context.Context, binaries build.Components, obstacle *network.Obstacle, o UpOptions) (*state.Record, error) {
	versions := binaries.Versions()
	c.out.Line("starting cluster %q: Kubernetes %s", c.name, versions["kubernetes"])
	if err := c.dir.Create(); err != nil {
		return nil, err
	}
	s := &starter{Cluster: c, binaries: binaries, zones: o.Zones, begin: time.Now(), record: &state.Record{
		Name:      c.name,
		Phase:     state.PhaseStarting,
		StartedAt: time.Now().UTC().Truncate(time.Second),
		Versions:  versions,
	}}
	err := c.dir.Save(s.record)
	if err == nil {
		timed, cancel := context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("not ready within %s: raise --timeout on a slow machine", o.Timeout))
		defer cancel()
		err = s.run(timed, obstacle)
		// A step that was cut short says no more than that.
		if cause := context.Cause(timed); err != nil && cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
	}
	if err == nil {
		s.record.Phase = state.PhaseUp
		err = c.dir.Save(s.record)
	}
	switch {
	case err == nil:
		return s.record, nil
	case ctx.Err() != nil:
		c.out.Line("removing what was started")
		// What is to be removed must be removed, however little time there is.
		_, err := c.tearDown(context.WithoutCancel(ctx))
		return nil, errors.Join(fmt.Errorf("cluster %q was not started: %w", c.name, context.Cause(ctx)), err)
	}
	return nil, errors.Join(err, c.abandon(ctx, s.record))
}

// abandon takes down what a failed start left, but for its logs.
func (c *Cluster) abandon(ctx context.Context, r *state.Record) error {
	if _, err := c.stop(ctx); err != nil {
		return err
	}
	r.Phase, r.Components, r.DataPlane = state.PhaseFailed, nil, nil
	return c.dir.Save(r)
}

// elapsed is how long the start took so far.
func (s *starter) elapsed() string { return progress.Elapsed(time.Since(s.begin)) }

// proxyFor returns the proxy that the environment's settings choose for a URL.
func proxyFor(server string) (*url.URL, error) {
	req, err := http.NewRequest(http.MethodGet, server, nil)
	if err != nil {
		return nil, err
	}
	proxy, err := http.ProxyFromEnvironment(req)
	if err != nil {
		return nil, fmt.Errorf("read the environment's proxy settings: %w", err)
	}
	return proxy, nil
}
