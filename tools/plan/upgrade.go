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
	var applier helm.Applier
	if deployed != nil {
		applier = flux(before)
		dropAdded(deployed, before, after)
	}
	p := compare(before, after)
	p.applier = applier
	if p.Release = deployed; deployed == nil {
		p.Release = &helm.Deployed{Name: o.Release, Namespace: cluster.Namespace}
	}
	if err := p.look(ctx, cluster.Client, cluster.Dynamic, o.Progress); err != nil {
		return nil, err
	}
	return p, p.otherApplier()
}

// flux is the HelmRelease that the objects of a release name, empty if none does.
func flux(objects *helm.Result) helm.Applier {
	for _, o := range objects.Services {
		if applier := helm.ApplierOf(o); applier.Program == helm.Flux {
			return applier
		}
	}
	return helm.Applier{}
}

// otherApplier is the error of a plan for a release that there is not, while the objects of its entries are there: a
// program that makes no releases applied them, and an upgrade is not what changes them.
func (p *Plan) otherApplier() error {
	if p.Release.Revision > 0 {
		return nil
	}
	for _, c := range p.Changes {
		live := p.live.Services[c.Key]
		if live == nil || !helm.IsOfChart(live) || helm.OwnerOf(live).Release != "" {
			continue
		}
		by := "somebody applies its Services without Helm, such as " + c.Key.String()
		if applier := helm.ApplierOf(live); applier.Program == helm.ArgoCD {
			by = applier.String() + " applies its Services"
		}
		return fmt.Errorf("there is no release %q in namespace %s, and %s: to see what other values change, compare them: "+
			"extsvc plan --from OLD.yaml -f NEW.yaml", p.Release.Name, p.Release.Namespace, by)
	}
	return nil
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
		p.Findings = append(p.Findings, service.ReleaseFindings(p.Release, p.applier)...)
	}
	p.Findings = append(p.Findings, p.live.Findings()...)
	findings.Sort(p.Findings)
	return ctx.Err()
}
