// Package check says whether the Services of a release, or of values, are in a cluster as they should be and
// where it routes their connections, and what is wrong. It changes nothing.
package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
)

// Report is the result of a check.
type Report struct {
	// Release is the release that is checked, null for values.
	Release *helm.Deployed `json:"release"`

	// Entries are the mappings of the release or the values, by namespace and name.
	Entries []*Entry `json:"entries"`

	// Findings are what is wrong. Those of the release come first, the others by namespace and name.
	Findings []findings.Finding `json:"findings"`

	applier helm.Applier
}

// Entry is a mapping as it should be, and what the cluster does with it.
type Entry struct {
	service.Key

	// Desired is the mapping of the release or the values.
	Desired *service.Mapping `json:"desired"`

	// Result is the most severe of the entry's findings.
	Result Result `json:"result"`

	// Endpoints are what the cluster routes the connections of the Service to. Each address is listed once per
	// class.
	Endpoints []Endpoint `json:"endpoints"`

	// Missing are the desired addresses that the cluster does not route to.
	Missing []string `json:"missing"`

	// Resolution is what DNS answers for an ExternalName, null if it was not asked.
	Resolution *Resolution `json:"resolution"`

	// Probes are the connections that were tried.
	Probes []*Probe `json:"probes"`
}

// Endpoint is an address that the cluster routes to.
type Endpoint struct {
	Address string        `json:"address"`
	Ready   bool          `json:"ready"`
	Class   service.Class `json:"class"`
	Slice   string        `json:"slice"` // the EndpointSlice that has it
}

// Result says how healthy an entry is.
type Result string

// The results. Unknown is an entry of which something could not be read.
const (
	OK      Result = "ok"
	Unknown Result = "unknown"
	Warned  Result = "warning"
	Failed  Result = "error"
)

// ExitCode is the exit code of extsvc check.
func (r *Report) ExitCode() int { return findings.ExitCode(r.Findings) }

// Options say what is checked, and how.
type Options struct {
	Cluster helm.ClusterOptions

	// Release is the name of the release. With FromValues it may be empty.
	Release string

	// FromValues checks Values and Chart instead of what Helm has stored of the release. Chart is a folder or
	// archive, by default the embedded chart.
	FromValues bool
	Values     helm.Values
	Chart      string

	// Entries are the names, or namespaces and names such as shop/orders, of the entries to check. Empty means
	// all.
	Entries []string

	Probe ProbeOptions

	// Routes reads what is in front of the entries. Run sets it.
	Routes dynamic.Interface

	// Progress is called with what is being done.
	Progress func(what string)
}

// Run checks a release or values. It reads Helm's storage, unless there are values, and lists Services and
// EndpointSlices, Endpoints if an entry has some, the kinds of routes that entries have, and namespaces if one seems to
// be missing. If a resolver follows entries, it reads its Lease, its ConfigMap and its Events. Everything but the
// storage may be forbidden: then a finding says what could not be read.
func Run(ctx context.Context, o Options) (*Report, error) {
	cluster, objects, release, err := read(o)
	if err != nil {
		return nil, err
	}
	o.Routes = cluster.Dynamic
	return Objects(ctx, cluster.Client, objects, release, o)
}

// Names are the names of all entries, sorted.
func Names(o Options) ([]string, error) {
	_, objects, _, err := read(o)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, service := range objects.Services {
		names = append(names, service.Name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// read connects, and returns the desired objects, with their release unless they are those of values.
func read(o Options) (cluster *helm.Cluster, objects *helm.Result, release *helm.Deployed, err error) {
	if cluster, err = helm.Connect(o.Cluster); err != nil {
		return nil, nil, nil, err
	}
	if o.FromValues {
		o.Progress("render the values")
		objects, err = render(cluster, o)
		return cluster, objects, nil, err
	}
	o.Progress("read the release")
	if release, err = cluster.Deployed(o.Release); err == nil {
		objects, err = release.Mappings()
	}
	return cluster, objects, release, err
}

func render(cluster *helm.Cluster, o Options) (*helm.Result, error) {
	chart, vals, err := helm.OpenWith(o.Chart, o.Values)
	if err != nil {
		return nil, err
	}
	return cluster.Upgrade(chart, cmp.Or(o.Release, "release-name"), nil, vals, helm.Reuse{})
}

// Objects checks objects against a cluster. The release is nil for objects of no release: then only their chart
// is compared, not their owner.
func Objects(
	ctx context.Context, client kubernetes.Interface, objects *helm.Result, release *helm.Deployed, o Options,
) (*Report, error) {
	desired, err := selectEntries(service.FromRendered(objects), o.Entries)
	if err != nil {
		return nil, err
	}
	live, err := service.FromLive(ctx, client, desired, o.Progress)
	if err != nil {
		return nil, err
	}
	live.ReadRoutes(ctx, o.Routes, desired, o.Progress)
	resolvers := o.resolvers(objects.Resolvers, desired)
	live.ReadResolvers(ctx, client, resolvers, desired, o.Progress)
	report := assess(desired, live, release)
	report.checkResolvers(live, resolvers)
	report.Findings = append(report.Findings, live.Findings()...)
	o.Probe.run(ctx, report, o.Progress)
	report.finish(live)
	return report, ctx.Err()
}

// selectEntries sorts the mappings, and leaves out those that the names do not name, if there are any.
func selectEntries(mappings map[service.Key]*service.Mapping, names []string) ([]*service.Mapping, error) {
	all := service.Sorted(mappings)
	isNamed := func(m *service.Mapping, name string) bool { return name == m.Name || name == m.Key.String() }
	for _, name := range names {
		if !slices.ContainsFunc(all, func(m *service.Mapping) bool { return isNamed(m, name) }) {
			return nil, fmt.Errorf("no entry is named %q: use a name, or a namespace and name such as shop/orders", name)
		}
	}
	return slices.DeleteFunc(all, func(m *service.Mapping) bool {
		return len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool { return isNamed(m, name) })
	}), nil
}

// finish sorts the findings, and sets the results of the entries.
func (r *Report) finish(live *service.Live) {
	findings.Sort(r.Findings)
	worst := map[service.Key]Result{}
	for i, f := range r.Findings {
		r.Findings[i].Effect = "" // that of an upgrade
		if key := (service.Key{Namespace: f.Namespace, Name: f.Entry}); worst[key] != Failed {
			worst[key] = Result(f.Severity)
		}
	}
	for _, e := range r.Entries {
		e.Result = cmp.Or(worst[e.Key], OK)
		switch {
		case worst[service.Key{Namespace: e.Namespace}] == Failed:
			e.Result = Failed
		case e.Result == OK && slices.ContainsFunc(live.Unread, e.needs):
			e.Result = Unknown
		}
	}
}

// needs says whether the result of the entry depends on something that could not be read.
func (e *Entry) needs(u service.Unread) bool {
	switch u.Resource {
	case service.Leases, service.ConfigMaps:
		return false // of the resolver, about which there is a finding
	case service.EventObjects:
		return len(e.Desired.Hosts()) > 0 && slices.Contains(u.Namespaces, e.Namespace)
	}
	return slices.Contains(u.Namespaces, e.Namespace)
}
