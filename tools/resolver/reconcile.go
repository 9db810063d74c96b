package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"external-services/tools/values"
)

// written is what was last written for an entry, to tell a change by somebody else from one of ours.
type written struct {
	endpoints endpoints
	list      []endpoint
	entry     *values.Entry
	service   types.UID
}

// Reconcile brings the slices of one Service in step with what is known: it asks neither DNS nor the
// addresses. Only the leader does.
func (r *Resolver) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	key, settings := request.NamespacedName, r.settings.Load()
	since := r.leadsSince.Load()
	if settings == nil || since == nil {
		return ctrl.Result{RequeueAfter: firstWriteRetry}, nil
	}
	var service corev1.Service
	if err := r.caches[key.Namespace].Get(ctx, key, &service); err != nil || service.DeletionTimestamp != nil {
		r.forget(key) // the slices go with the Service
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	own, others, err := r.slicesOf(ctx, &service)
	if err != nil {
		return ctrl.Result{}, err
	}
	entry := settings.entries[key]
	if isRetired(entry, &service, own, others) {
		r.forget(key)
		return ctrl.Result{}, r.removeSlices(ctx, &service, own, others)
	}

	last := r.remembered(key, own, *since)
	list, drained := last.endpoints.update(input{
		entry: entry, families: service.Spec.IPFamilies, others: readyFamilies(others), now: time.Now(),
		answer: func(q question) answer {
			found, _ := r.follower.answerTo(q)
			return found
		},
		refuses: settings.filter.Refuses,
		healthy: func(ip netip.Addr) bool { return r.health.isHealthy(key, ip) },
	})
	layout := layout{resolver: r.options.Config.String(), service: &service, entry: entry, max: settings.maxPerSlice}
	layout.taken = func(name string) bool {
		var slice discoveryv1.EndpointSlice
		return r.caches[key.Namespace].Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: name}, &slice) == nil
	}
	changes, err := r.writeSlices(ctx, own, layout.arrange(list, own))
	if changes > 0 && last.entry == entry && last.service == service.UID && slices.Equal(last.list, list) {
		r.announce(&service, SliceRestored, "", "An EndpointSlice of the resolver was changed or deleted by somebody else, and was restored.")
	}
	if err != nil {
		return ctrl.Result{}, r.writeFailed(&service, err)
	}
	last.list, last.entry, last.service = list, entry, service.UID
	last.endpoints.wrote()
	r.health.check(key, entry, list)
	r.noteWritten(key, service.Spec.IPFamilies, list)
	return requeueAt(drained, settings.min), nil
}

// writeFailed tells that slices were refused, and returns the error, for the write to be tried again.
func (r *Resolver) writeFailed(service *corev1.Service, err error) error {
	if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
		r.announce(service, WriteFailed, err.Error(), fmt.Sprintf("The EndpointSlices cannot be written: %v.", err))
	}
	return err
}

// noteWritten counts the addresses of an entry, and how long a change took to be written.
func (r *Resolver) noteWritten(key types.NamespacedName, families []corev1.IPFamily, list []endpoint) {
	r.metrics.written(key, families, list)
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.changed[key]; ok {
		r.metrics.changeToWrite.Observe(time.Since(at).Seconds())
		delete(r.changed, key)
	}
}

// isRetired says whether the slices of a Service are no longer for an entry: it is gone from the values, the
// pods have taken over, or the Service is an alias. An entry whose pods have taken over stays without slices:
// an old server outside does not come back into use when the pods fail.
func isRetired(entry *values.Entry, service *corev1.Service, own, others []*discoveryv1.EndpointSlice) bool {
	return entry == nil || service.Spec.Type == corev1.ServiceTypeExternalName ||
		entry.Backend == values.Cluster && (len(own) == 0 || len(readyFamilies(others)) > 0)
}

// removeSlices removes the slices of a Service once it has another ready endpoint: until then they are
// better than none, if the values lost the entry by accident.
func (r *Resolver) removeSlices(ctx context.Context, service *corev1.Service, own, others []*discoveryv1.EndpointSlice) error {
	if len(own) == 0 || service.Spec.Type != corev1.ServiceTypeExternalName && len(readyFamilies(others)) == 0 {
		return nil
	}
	if _, err := r.writeSlices(ctx, own, nil); err != nil {
		return r.writeFailed(service, err)
	}
	return nil
}

// slicesOf returns the resolver's slices of a Service, and the others.
func (r *Resolver) slicesOf(ctx context.Context, service *corev1.Service) (own, others []*discoveryv1.EndpointSlice, err error) {
	var list discoveryv1.EndpointSliceList
	if err := r.listSlices(ctx, client.ObjectKeyFromObject(service), &list); err != nil {
		return nil, nil, err
	}
	for i := range list.Items {
		if slice := &list.Items[i]; r.isOwn(slice) {
			own = append(own, slice)
		} else {
			others = append(others, slice)
		}
	}
	return own, others, nil
}

// readyFamilies are the families in which slices have a ready endpoint.
func readyFamilies(list []*discoveryv1.EndpointSlice) map[corev1.IPFamily]bool {
	families := map[corev1.IPFamily]bool{}
	for _, slice := range list {
		isReady := func(e discoveryv1.Endpoint) bool { return ptr.Deref(e.Conditions.Ready, true) }
		if slices.ContainsFunc(slice.Endpoints, isReady) {
			families[corev1.IPFamily(slice.AddressType)] = true
		}
	}
	return families
}

// remembered is what is known of an entry: at first, what its slices had when this replica became the leader.
func (r *Resolver) remembered(key types.NamespacedName, own []*discoveryv1.EndpointSlice, since time.Time) *written {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entries[key] == nil {
		r.entries[key] = &written{endpoints: endpoints{}}
		for _, slice := range own {
			for _, ip := range r.entries[key].endpoints.read(slice, since) {
				r.health.expect(key, ip)
			}
		}
	}
	return r.entries[key]
}

// forget ends what the leader does for an entry whose slices are no longer to be written.
func (r *Resolver) forget(key types.NamespacedName) {
	r.mu.Lock()
	last := r.entries[key]
	delete(r.entries, key)
	delete(r.changed, key)
	r.mu.Unlock()
	if last != nil {
		r.health.check(key, nil, nil)
		r.metrics.written(key, nil, nil)
	}
}

// writeSlices writes the slices that differ, and returns how many it wrote. One that is refused stops no
// other. New endpoints come before old ones go.
func (r *Resolver) writeSlices(ctx context.Context, present, desired []*discoveryv1.EndpointSlice) (int, error) {
	var failed []error
	written := 0
	count := func(verb string, err error) {
		r.metrics.sliceWrites.WithLabelValues(resultOf(err)).Inc()
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", verb, err))
			return
		}
		written++
	}
	for _, slice := range desired {
		switch old := sliceNamed(present, slice.Name); {
		case len(slice.Endpoints) == 0:
		case old == nil:
			count("create", r.client.Create(ctx, slice))
		case !same(old, slice):
			count("update", r.client.Update(ctx, slice))
		}
	}
	for _, old := range present {
		if slice := sliceNamed(desired, old.Name); slice == nil || len(slice.Endpoints) == 0 {
			count("delete", client.IgnoreNotFound(r.client.Delete(ctx, old)))
		}
	}
	return written, errors.Join(failed...)
}

func sliceNamed(list []*discoveryv1.EndpointSlice, name string) *discoveryv1.EndpointSlice {
	for _, slice := range list {
		if slice.Name == name {
			return slice
		}
	}
	return nil
}

// resultOf is the label of a write's result. A conflict is a copy that was out of date, and is tried again.
func resultOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return "conflict"
	case apierrors.IsForbidden(err):
		return "forbidden"
	}
	return "error"
}

// requeueAt is when to look again for an address that has drained. The next answer comes before that, if
// the name answers with other addresses each time, and takes it along in one write.
func requeueAt(drained time.Time, interval time.Duration) ctrl.Result {
	if drained.IsZero() {
		return ctrl.Result{}
	}
	return ctrl.Result{RequeueAfter: max(time.Until(drained), 0) + interval + 2*time.Second}
}
