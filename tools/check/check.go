// Package check says whether the Services of a release, or of values, are in a cluster
// as they should be and where it routes their connections, and names what is wrong. It
// changes nothing.
package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"

	"external-services/tools/helm"
	"external-services/tools/plan"
)

// Key is the place of an entry in the cluster.
type Key = plan.Key

// Report is what a check finds.
type Report struct {
	// Release is the release that is checked, null where values are.
	Release *plan.Release `json:"release"`

	// Entries are those of the release or the values, by namespace and name.
	Entries []*Entry `json:"entries"`

	// Findings are what is wrong. Those of the whole release come first, then by
	// namespace and name.
	Findings []Finding `json:"findings"`
}

// Entry is a Service as it should be, and what the cluster makes of it.
type Entry struct {
	Key

	// Wanted is what the release or the values say.
	Wanted *plan.State `json:"wanted"`

	// Result is the gravest of the entry's findings.
	Result Result `json:"result"`

	// Endpoints are what the cluster routes the connections of the Service to. An
	// address stands once in each class.
	Endpoints []Endpoint `json:"endpoints"`

	// Missing are the addresses that are wanted and not routed to.
	Missing []string `json:"missing"`

	// Resolution is what DNS says about an ExternalName, null where it was not asked.
	Resolution *Resolution `json:"resolution"`

	// Probes are the connections that were tried.
	Probes []*Probe `json:"probes"`
}

// Endpoint is an address that the cluster routes to.
type Endpoint struct {
	Address string `json:"address"`
	Ready   bool   `json:"ready"`
	Class   Class  `json:"class"`
	Slice   string `json:"slice"` // the EndpointSlice that has it
}

// Class says whose an endpoint is.
type Class string

// The classes of endpoints.
const (
	// Ours is an address of the release or the values.
	Ours Class = "ours"
	// Pods is a pod of the Service's selector.
	Pods Class = "pods"
	// Stale is a pod of a selector that the Service no longer has.
	Stale Class = "stale"
	// Foreign is anybody else's.
	Foreign Class = "foreign"
)

// Result is how an entry does.
type Result string

// The results. Unknown is an entry of which something could not be read.
const (
	OK      Result = "ok"
	Unknown Result = "unknown"
	Warned  Result = "warning"
	Failed  Result = "error"
)

// Severity says whether connections fail or go wrong.
type Severity string

// The severities.
const (
	// Error: connections fail or go where they should not.
	Error Severity = "error"
	// Warning: they need not, or that could not be found out.
	Warning Severity = "warning"
)

// Code tells findings apart. Codes stay as they are from version to version.
type Code string

// The findings.
const (
	// ReleasePending: a helm was killed, or is still running.
	ReleasePending Code = "release-pending"
	// ReleaseFailed: the last helm upgrade failed, and may have changed some objects.
	ReleaseFailed Code = "release-failed"
	// NotChecked: something could not be read.
	NotChecked Code = "not-checked"
	// NamespaceMissing: the namespace does not exist.
	NamespaceMissing Code = "namespace-missing"
	// ServiceMissing: there is no Service of the name.
	ServiceMissing Code = "service-missing"
	// NotOwned: the Service belongs to nobody, or to somebody else.
	NotOwned Code = "not-owned"
	// Drift: an object is not what the release or the values say.
	Drift Code = "drift"
	// EndpointsMissing: EndpointSlices or Endpoints are not there.
	EndpointsMissing Code = "endpoints-missing"
	// ServiceLabelMissing: an EndpointSlice does not say which Service it is of.
	ServiceLabelMissing Code = "service-label-missing"
	// PortNameMismatch: no endpoint has a port of the name and protocol of the Service's.
	PortNameMismatch Code = "port-name-mismatch"
	// PodPortMissing: no pod has a container port of the name.
	PodPortMissing Code = "pod-port-missing"
	// StaleEndpoints: endpoints of pods are left from a selector that is gone.
	StaleEndpoints Code = "stale-endpoints"
	// ForeignEndpoints: endpoints are there that nobody asked for here.
	ForeignEndpoints Code = "foreign-endpoints"
	// NoReadyEndpoint: no address is ready.
	NoReadyEndpoint Code = "no-ready-endpoint"
	// NoPods: no pod of the selector is ready.
	NoPods Code = "no-pods"
	// ExternalNameIP: the name outside is an IP address, which DNS does not answer.
	ExternalNameIP Code = "external-name-ip"
	// ExternalNameUnresolvable: DNS does not know the name outside.
	ExternalNameUnresolvable Code = "external-name-unresolvable"
	// Unreachable: an address outside does not answer.
	Unreachable Code = "unreachable"
	// TLSFailed: an address does not speak TLS, or its certificate is not good.
	TLSFailed Code = "tls-failed"
	// HTTPFailed: an address does not answer an HTTP request, or with a server's error.
	HTTPFailed Code = "http-failed"
)

// Finding is something that is wrong.
type Finding struct {
	// Key is the entry; without a name it is the namespace, and empty the whole release.
	Key
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`

	// What says what is wrong, in one sentence.
	What string `json:"what"`

	// Cause is what it probably comes from, empty where What says it.
	Cause string `json:"cause,omitempty"`

	// Fix says what to do, one step each.
	Fix []string `json:"fix"`
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: %s (%s): %s", f.of(), f.Severity, f.Code, f.What)
}

// of is what the finding is about.
func (f Finding) of() string {
	switch {
	case f.Key == Key{}:
		return "the release"
	case f.Name == "":
		return "the namespace " + f.Namespace
	}
	return f.Key.String()
}

// Exit codes of extsvc check; 1 is an error of its own.
const (
	ExitHealthy  = 0
	ExitWarnings = 2
	ExitErrors   = 3
)

// ExitCode is the exit code that tells scripts what was found.
func (r *Report) ExitCode() int {
	code := ExitHealthy
	for _, f := range r.Findings {
		if f.Severity == Error {
			return ExitErrors
		}
		code = ExitWarnings
	}
	return code
}

// Has says whether the report has a finding of a code for an entry.
func (r *Report) Has(code Code, key Key) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Code == code && f.Key == key })
}

// Options say what is checked, and how.
type Options struct {
	Cluster helm.ClusterOptions

	// Release is the name of the release. With FromValues it may be empty.
	Release string

	// FromValues says that Values and Chart are what is wanted, and not what Helm has
	// stored of the release. Chart is a folder or archive, by default the one that is
	// built in.
	FromValues bool
	Values     helm.Values
	Chart      string

	// Entries are the names, or namespaces and names as in shop/orders, of the entries to
	// check; empty are all.
	Entries []string

	Probe ProbeOptions

	// Progress, where it is not nil, is called with what is being done.
	Progress func(what string)
}

// Run checks a release or values. It reads Helm's storage, unless there are values, and
// lists the Services and EndpointSlices, the Endpoints where some are wanted, and the
// namespaces where one seems to be missing. All but the storage may be forbidden; a
// finding then says so.
func Run(ctx context.Context, o Options) (*Report, error) {
	cluster, err := helm.Connect(o.Cluster)
	if err != nil {
		return nil, err
	}
	client, err := cluster.Client()
	if err != nil {
		return nil, err
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.FromValues {
		o.Progress("render the values")
		objects, err := renderValues(cluster, o)
		if err != nil {
			return nil, err
		}
		return Objects(ctx, client, objects, nil, o)
	}
	o.Progress("read the release")
	deployed, err := cluster.Deployed(o.Release)
	switch {
	case errors.Is(err, helm.ErrNoRelease):
		return nil, fmt.Errorf("there is no release %q in the namespace %s: look for its name and namespace with helm list -A, or check values with -f FILE", o.Release, cluster.Namespace)
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("read the release %q: %w: ask for the permission to list what Helm stores it in, or check its values with -f FILE", o.Release, err)
	case err != nil:
		return nil, fmt.Errorf("read the release %q: %w", o.Release, err)
	}
	objects, err := helm.DecodeMappings(deployed.Manifest())
	if err != nil {
		return nil, fmt.Errorf("read the manifest of the release %q: %w", o.Release, err)
	}
	release := &plan.Release{Name: o.Release, Namespace: cluster.Namespace, Revision: deployed.Revision, Status: deployed.Status}
	return Objects(ctx, client, objects, release, o)
}

func renderValues(cluster *helm.Cluster, o Options) (*helm.Result, error) {
	vals, err := helm.Merge(o.Values)
	if err != nil {
		return nil, err
	}
	chart, err := helm.Open(o.Chart)
	if err != nil {
		return nil, err
	}
	return cluster.Upgrade(chart, cmp.Or(o.Release, "release-name"), nil, vals, helm.Reuse{})
}

// Objects checks the objects of entries against a cluster. The release is nil where they
// are of no release: whose they are in the cluster is not looked at then.
func Objects(ctx context.Context, client kubernetes.Interface, objects *helm.Result, release *plan.Release, o Options) (*Report, error) {
	wanted, err := wantedOf(objects, o.Entries)
	if err != nil {
		return nil, err
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	report := &Report{Release: release, Findings: []Finding{}, Entries: []*Entry{}}
	if release != nil {
		report.Findings = append(report.Findings, releaseFindings(release)...)
	}
	found := &found{ctx: ctx, client: client, wanted: wanted, progress: o.Progress}
	found.read()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	report.Findings = append(report.Findings, found.findings...)
	report.Entries, found.findings = assessAll(wanted, found, release)
	report.Findings = append(report.Findings, found.findings...)
	report.Findings = append(report.Findings, o.Probe.run(ctx, wanted, report.Entries, o.Progress)...)
	return report.finish(found), ctx.Err()
}

// finish puts the findings in order, and says how each entry does.
func (r *Report) finish(f *found) *Report {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return compareKeys(a.Key, b.Key) })
	worst := map[Key]Result{}
	for _, finding := range r.Findings {
		if finding.Severity == Error {
			worst[finding.Key] = Failed
		} else if worst[finding.Key] == "" {
			worst[finding.Key] = Warned
		}
	}
	for _, e := range r.Entries {
		e.Result = cmp.Or(worst[e.Key], OK)
		switch {
		case worst[Key{Namespace: e.Namespace}] == Failed:
			e.Result = Failed
		case e.Result == OK && f.partly(e.Namespace):
			e.Result = Unknown
		}
	}
	return r
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// releaseFindings says what Helm thinks of a release.
func releaseFindings(r *plan.Release) []Finding {
	switch r.Status {
	case "deployed", "superseded":
		return nil
	case "failed":
		return []Finding{{Key{}, ReleaseFailed, Warning,
			fmt.Sprintf("The revision %d of the release %s failed, and may have changed some of its objects.", r.Revision, r.Name), "",
			[]string{fmt.Sprintf("Upgrade once more, or run helm rollback %s -n %s. What is wrong with it is in helm status %s -n %s.", r.Name, r.Namespace, r.Name, r.Namespace)}}}
	}
	return []Finding{{Key{}, ReleasePending, Warning,
		fmt.Sprintf("The release %s is %s: a helm is still running or was killed.", r.Name, r.Status), "",
		[]string{
			"Wait for the helm that is running, if there is one.",
			fmt.Sprintf("If it was killed, extsvc plan %s -n %s says how to go on.", r.Name, r.Namespace),
		}}}
}

// wanted is an entry as it should be.
type wanted struct {
	Key
	state   *plan.State
	service *corev1.Service
	slices  []*discoveryv1.EndpointSlice

	//nolint:staticcheck // deprecated since Kubernetes 1.33 and rendered on request
	endpoints *corev1.Endpoints
}

// wantedOf reads the entries of objects, by namespace and name. Names, where there are
// some, are those of the entries that count; the error is about one that no entry has.
func wantedOf(objects *helm.Result, names []string) ([]*wanted, error) {
	states := plan.States(objects)
	byKey := map[Key]*wanted{}
	for _, service := range objects.Services {
		key := Key{Namespace: service.Namespace, Name: service.Name}
		byKey[key] = &wanted{Key: key, state: states[key], service: service}
	}
	for _, slice := range objects.EndpointSlices {
		if w := byKey[serviceOf(slice)]; w != nil {
			w.slices = append(w.slices, slice)
		}
	}
	for _, endpoints := range objects.Endpoints {
		if w := byKey[Key{Namespace: endpoints.Namespace, Name: endpoints.Name}]; w != nil {
			w.endpoints = endpoints
		}
	}
	for _, name := range names {
		has := false
		for key := range byKey {
			has = has || name == key.Name || name == key.String()
		}
		if !has {
			return nil, fmt.Errorf("there is no entry %q: write the name of one, or namespace and name as in shop/orders", name)
		}
	}
	if len(names) > 0 {
		maps.DeleteFunc(byKey, func(key Key, _ *wanted) bool {
			return !slices.Contains(names, key.Name) && !slices.Contains(names, key.String())
		})
	}
	return slices.SortedFunc(maps.Values(byKey), func(a, b *wanted) int { return compareKeys(a.Key, b.Key) }), nil
}

// serviceOf is the Service that an EndpointSlice says it is of.
func serviceOf(slice *discoveryv1.EndpointSlice) Key {
	return Key{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
}

func (w *wanted) isAlias() bool { return w.service.Spec.Type == corev1.ServiceTypeExternalName }
