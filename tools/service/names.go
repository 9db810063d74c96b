package service

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"external-services/tools/helm"
	"external-services/tools/values"
)

// The resources that tell of resolvers. Events are read in the core group: the role view of Kubernetes 1.34 does not
// allow to read those of events.k8s.io, which are the same.
var (
	EventObjects = Resource{"events", "", "Events"}
	Leases       = Resource{"leases", "coordination.k8s.io", "Leases"}
	ConfigMaps   = Resource{"configmaps", "", "ConfigMaps"}
)

// IsFollowed says whether a resolver writes endpoints of the mapping: those of the DNS names, and with a health check
// all.
func (m *Mapping) IsFollowed() bool { return m.Resolver != nil }

// Hosts are the DNS names that the resolver follows.
func (m *Mapping) Hosts() []string {
	var hosts []string
	for _, a := range m.Addresses {
		if a.Host != "" {
			hosts = append(hosts, a.Host)
		}
	}
	return hosts
}

// HostOf is the DNS name whose addresses a slice of the resolver holds, empty for IP addresses of the values.
func HostOf(slice *discoveryv1.EndpointSlice) string { return slice.Annotations[values.HostAnnotation] }

// State is what a cluster has of a resolver.
type State struct {
	// LeadingSince is since when a replica works. It is zero if none does, or if the Lease could not be read.
	LeadingSince time.Time

	// Config is the text of its configuration, nil if the ConfigMap does not exist or could not be read.
	Config *string
}

// leaseGrace is the age at which a Lease counts as left behind. Its holder renews it every 2 s, and another replica
// takes it over after 10 s.
const leaseGrace = 30 * time.Second

// ReadResolvers reads the Leases and configurations of resolvers, and the Events that they wrote about Services of the
// mappings. What the user may not read is in Unread.
func (l *Live) ReadResolvers(
	ctx context.Context, client kubernetes.Interface, resolvers []helm.Resolver, desired []*Mapping, progress func(string),
) {
	l.Resolvers, l.Events = map[Key]State{}, map[Key][]*corev1.Event{}
	for i := range resolvers {
		r := &resolvers[i]
		l.Resolvers[keyOf(r)] = State{l.readLease(ctx, client, r), l.readConfig(ctx, client, r)}
	}
	namespaces := map[string]bool{}
	for _, m := range desired {
		if len(m.Hosts()) > 0 && !l.IsMissing(m.Namespace) {
			namespaces[m.Namespace] = true
		}
	}
	l.read(ctx, EventObjects, namespaces, progress, func(namespace string, count func()) error {
		list := func(ctx context.Context, o metav1.ListOptions) (*corev1.EventList, error) {
			o.FieldSelector = "involvedObject.kind=Service,reportingComponent=" + values.ResolverManager
			return client.CoreV1().Events(namespace).List(ctx, o)
		}
		return List(ctx, list, func(e *corev1.Event) {
			count()
			key := Key{e.InvolvedObject.Namespace, e.InvolvedObject.Name}
			l.Events[key] = append(l.Events[key], e)
		})
	})
	for _, events := range l.Events {
		slices.SortStableFunc(events, func(a, b *corev1.Event) int { return lastSeen(a).Compare(lastSeen(b)) })
	}
}

func keyOf(r *helm.Resolver) Key { return Key{r.Namespace, r.Name} }

// IsStopped says whether no replica of a resolver works. One that was not looked for, or whose Lease could not be
// read, counts as working.
func (l *Live) IsStopped(r *helm.Resolver) bool {
	state, isKnown := l.Resolvers[keyOf(r)]
	return isKnown && state.LeadingSince.IsZero() && l.CouldRead(Leases, r.Namespace)
}

// readLease returns since when somebody holds the Lease of a resolver, zero if nobody does.
func (l *Live) readLease(ctx context.Context, client kubernetes.Interface, r *helm.Resolver) (since time.Time) {
	lease, err := client.CoordinationV1().Leases(r.Namespace).Get(ctx, r.Name, metav1.GetOptions{})
	if err != nil {
		l.unreadObject(Leases, err, r.Namespace)
		return time.Time{}
	}
	spec := lease.Spec
	if ptr.Deref(spec.HolderIdentity, "") == "" || spec.RenewTime == nil || spec.AcquireTime == nil || time.Since(spec.RenewTime.Time) > leaseGrace {
		return time.Time{}
	}
	return spec.AcquireTime.Time
}

// readConfig returns the configuration of a resolver, nil if its ConfigMap does not exist.
func (l *Live) readConfig(ctx context.Context, client kubernetes.Interface, r *helm.Resolver) *string {
	config, err := client.CoreV1().ConfigMaps(r.Namespace).Get(ctx, r.Name, metav1.GetOptions{})
	if err != nil {
		l.unreadObject(ConfigMaps, err, r.Namespace)
		return nil
	}
	return ptr.To(config.Data[values.ResolverConfigKey])
}

// unreadObject notes why an object of a namespace could not be read, unless it does not exist.
func (l *Live) unreadObject(resource Resource, err error, namespace string) {
	if !apierrors.IsNotFound(err) && l.CouldRead(resource, namespace) {
		l.unread(resource, "get", err, namespace)
	}
}

func lastSeen(e *corev1.Event) time.Time {
	if e.Series != nil {
		return e.Series.LastObservedTime.Time
	}
	return e.EventTime.Time
}

// NameEvent is the newest Event about the addresses of a DNS name in a family that has one of some reasons, nil if
// no Event has. Events from before the replica that works now took over do not count: it writes its own if their reason
// lasts.
func (l *Live) NameEvent(m *Mapping, host string, family corev1.IPFamily, reasons ...string) *corev1.Event {
	about := values.EventAction(host, family)
	since := l.Resolvers[keyOf(m.Resolver)].LeadingSince
	for _, e := range slices.Backward(l.Events[m.Key]) {
		if strings.HasPrefix(e.Action, about) && slices.Contains(reasons, e.Reason) && !lastSeen(e).Before(since) {
			return e
		}
	}
	return nil
}
