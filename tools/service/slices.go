package service

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"external-services/charts"
	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/values"
)

// What manages the EndpointSlices that Kubernetes creates, as their label
// endpointslice.kubernetes.io/managed-by says.
const (
	PodEndpoints      = "endpointslice-controller.k8s.io"          // those of the pods of a selector
	MirroredEndpoints = "endpointslicemirroring-controller.k8s.io" // those of an Endpoints object
)

// SkipMirror is the label of an Endpoints object that is not to be mirrored into EndpointSlices.
const SkipMirror = "endpointslice.kubernetes.io/skip-mirror"

// ManagedBy is the label of an Endpoints object that Kubernetes created for a selector, and of the
// EndpointSlices that mirror it, since Kubernetes 1.33.
const ManagedBy = "endpoints.kubernetes.io/managed-by"

// Class says where the endpoints of an EndpointSlice come from.
type Class string

// The classes.
const (
	Own      Class = "own"      // an entry of the values
	Followed Class = "followed" // the resolver, for an entry that it follows
	Pods     Class = "pods"     // the pods of the Service's selector
	Stale    Class = "stale"    // what the Service had before: pods of a selector, or addresses of the entry
	Left     Class = "left"     // the resolver, for an entry that it no longer follows
	Foreign  Class = "foreign"  // someone else
)

// SelectsPods says whether a Service selects pods: not with a parked selector, which matches none.
func SelectsPods(service *corev1.Service) bool {
	_, parked := service.Spec.Selector[parkedLabel]
	return HasSelector(service) && !parked
}

// HasSelector says whether Kubernetes maintains the endpoints of a Service.
func HasSelector(service *corev1.Service) bool {
	return len(service.Spec.Selector) > 0 && service.Spec.Type != corev1.ServiceTypeExternalName
}

// IsMirrored says whether Kubernetes mirrored a slice from an Endpoints object.
func IsMirrored(slice *discoveryv1.EndpointSlice) bool {
	return slice.Labels[discoveryv1.LabelManagedBy] == MirroredEndpoints
}

// OfPods says whether Kubernetes created a slice for the pods of a selector.
func OfPods(slice *discoveryv1.EndpointSlice) bool {
	return slice.Labels[discoveryv1.LabelManagedBy] == PodEndpoints
}

// OfResolver says whether the resolver wrote a slice.
func OfResolver(slice *discoveryv1.EndpointSlice) bool {
	return slice.Labels[discoveryv1.LabelManagedBy] == values.ResolverManager
}

// OfChart says whether the chart rendered a slice.
func OfChart(slice *discoveryv1.EndpointSlice) bool {
	return slice.Labels[discoveryv1.LabelManagedBy] == charts.Dir
}

// Classify says where the endpoints of a slice of a Service come from, among all of its slices. Desired
// is the mapping that the entry should be, and service the live one.
func Classify(slice *discoveryv1.EndpointSlice, all []*discoveryv1.EndpointSlice, service *corev1.Service, desired *Mapping) Class {
	isOwn := func(other *discoveryv1.EndpointSlice) bool { return other.Name == slice.Name }
	switch {
	case slices.ContainsFunc(desired.Slices, isOwn), desired.Endpoints != nil && IsMirrored(slice) && !SelectsPods(service):
		return Own
	case OfResolver(slice) && desired.IsFollowed():
		return Followed
	case OfResolver(slice):
		return Left
	case OfPods(slice) && SelectsPods(service):
		return Pods
	case StaleBecause(slice, all) != "":
		return Stale
	}
	return Foreign
}

// StaleBecause is the finding about a slice that the Service should no longer have, empty for one that nobody knows.
func StaleBecause(slice *discoveryv1.EndpointSlice, all []*discoveryv1.EndpointSlice) findings.Code {
	switch {
	case OfPods(slice), IsMirrored(slice) && mirrorsPods(slice, all):
		return findings.StaleEndpoints
	case IsMirrored(slice) && helm.IsOfChart(slice): // the labels are those of the Endpoints object
		return findings.StaleEndpointsObject
	case OfChart(slice):
		return findings.StaleNotPruned
	}
	return ""
}

// mirrorsPods says whether a slice mirrors the Endpoints object that Kubernetes created for a selector:
// it does so as soon as the selector is gone (https://github.com/kubernetes/kubernetes/issues/103804).
func mirrorsPods(slice *discoveryv1.EndpointSlice, all []*discoveryv1.EndpointSlice) bool {
	return slice.Labels[ManagedBy] != "" || slices.ContainsFunc(all, func(other *discoveryv1.EndpointSlice) bool {
		return OfPods(other) && len(other.Endpoints) > 0
	})
}
