package service

import (
	"context"
	"slices"
	"strings"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"external-services/tools/helm"
	"external-services/tools/values"
)

// Resources of the resolver.
var (
	Events = Resource{"events", "events.k8s.io", "Events"}
	Leases = Resource{"leases", "coordination.k8s.io", "Lease"}
)

// Hosts are the DNS names of the entry that the resolver follows.
func (m *Mapping) Hosts() []string {
	var hosts []string
	for _, a := range m.Addresses {
		if a.Host != "" {
			hosts = append(hosts, a.Host)
		}
	}
	return hosts
}

// HostOf is the DNS name whose addresses a slice of the resolver holds, empty for IP addresses.
func HostOf(slice *discoveryv1.EndpointSlice) string { return slice.Annotations[values.HostAnnotation] }

// leaseGrace is how late a Lease may be renewed: its holder does so every 2 s.
const leaseGrace = 30 * time.Second

// IsRunning says whether a resolver is at work: somebody holds its Lease. What may not be read is in Unread, and
// counts as running.
func (l *Live) IsRunning(ctx context.Context, client kubernetes.Interface, resolver helm.Resolver) bool {
	lease, err := client.CoordinationV1().Leases(resolver.Namespace).Get(ctx, resolver.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false
	}
	if err != nil {
		l.unread(Leases, "get", err, resolver.Namespace)
		return true
	}
	renewed := lease.Spec.RenewTime
	return ptr.Deref(lease.Spec.HolderIdentity, "") != "" && renewed != nil && time.Since(renewed.Time) < leaseGrace
}

// ReadEvents lists what the resolver wrote about Services of a namespace, the newest last. Kubernetes keeps Events
// for an hour. If it cannot, it says so in Unread.
func (l *Live) ReadEvents(ctx context.Context, client kubernetes.Interface, namespace string) []*eventsv1.Event {
	var list []*eventsv1.Event
	err := List(ctx, client.EventsV1().Events(namespace).List, func(e *eventsv1.Event) {
		if e.ReportingController == values.ResolverManager && e.Regarding.Kind == "Service" {
			list = append(list, e)
		}
	})
	l.unread(Events, "list", err, namespace)
	slices.SortStableFunc(list, func(a, b *eventsv1.Event) int { return lastSeen(a).Compare(lastSeen(b)) })
	return list
}

func lastSeen(e *eventsv1.Event) time.Time {
	if e.Series != nil {
		return e.Series.LastObservedTime.Time
	}
	return e.EventTime.Time
}

// NameEvent is the newest Event about a DNS name of a Service that has one of some reasons, nil if there is none. The
// action of such an Event begins with the name.
func NameEvent(events []*eventsv1.Event, service, host string, reasons ...string) *eventsv1.Event {
	for _, e := range slices.Backward(events) {
		if e.Regarding.Name == service && strings.HasPrefix(e.Action, host+" ") && slices.Contains(reasons, e.Reason) {
			return e
		}
	}
	return nil
}
