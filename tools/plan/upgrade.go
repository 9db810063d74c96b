package plan

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
)

// Options say which release is upgraded to what.
type Options struct {
	Cluster helm.ClusterOptions
	Release string

	// Chart is the folder or archive of the chart to upgrade to, by default the embedded one.
	Chart string

	Values helm.Values
	Reuse  helm.Reuse

	// Progress is called with what is being done.
	Progress func(what string)
}

// Upgrade plans the upgrade of a release, or its installation if it is not installed. It reads Helm's storage,
// and of the mappings that change the Services, EndpointSlices, Endpoints, pods and namespaces. Everything but
// the storage may be forbidden: then a finding says what could not be read.
func Upgrade(ctx context.Context, o Options) (*Plan, error) {
	cluster, err := helm.Connect(o.Cluster)
	if err != nil {
		return nil, err
	}
	o.Progress("read the release")
	deployed, err := cluster.Deployed(o.Release)
	if err != nil && !errors.Is(err, helm.ErrNoRelease) {
		return nil, err
	}
	before, after, err := render(cluster, deployed, o)
	if err != nil {
		return nil, err
	}
	p := compare(before, after)
	if p.Release = deployed; deployed == nil {
		p.Release = &helm.Deployed{Name: o.Release, Namespace: cluster.Namespace}
	}
	return p, p.look(ctx, cluster.Client, cluster.Dynamic, o.Progress)
}

// render returns the objects of the release and those of the new values. Deployed is nil if the release is not
// installed.
func render(cluster *helm.Cluster, deployed *helm.Deployed, o Options) (before, after *helm.Result, err error) {
	chart, vals, err := helm.OpenWith(o.Chart, o.Values)
	if err != nil {
		return nil, nil, err
	}
	before = &helm.Result{}
	if deployed != nil {
		if o.Chart == "" && deployed.Chart() != chart.Name() {
			return nil, nil, fmt.Errorf("release %q is of the chart %s: set --chart to its folder or archive", o.Release, deployed.Chart())
		}
		if before, err = deployed.Mappings(); err != nil {
			return nil, nil, err
		}
	}
	after, err = cluster.Upgrade(chart, o.Release, deployed, vals, o.Reuse)
	return before, after, err
}

// look adds the findings, with what the cluster has of the mappings that change.
func (p *Plan) look(ctx context.Context, client kubernetes.Interface, routes dynamic.Interface, progress func(string)) error {
	var desired []*service.Mapping
	for _, c := range p.Changes {
		if c.After != nil {
			desired = append(desired, c.After)
		}
	}
	var err error
	if p.live, err = service.FromLive(ctx, client, desired, progress); err != nil {
		return err
	}
	p.live.ReadRoutes(ctx, routes, desired, progress)
	p.checkChanges()
	for _, c := range p.Changes {
		if c.After == nil || p.live.IsMissing(c.Namespace) {
			continue
		}
		p.checkOwners(c)
		p.checkStale(c)
		if reachesOtherPods(c.Before, c.After) {
			progress("list pods")
			if pods, ok := p.live.ReadPods(ctx, client, c.Namespace, c.After.Selector); ok {
				p.checkPods(c, pods)
			}
		}
	}
	if p.Release.Blocked {
		p.Findings = append(p.Findings, service.ReleaseFindings(p.Release)...)
	}
	p.Findings = append(p.Findings, p.live.Findings()...)
	findings.Sort(p.Findings)
	return ctx.Err()
}
