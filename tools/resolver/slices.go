package resolver

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"external-services/tools/values"
)

// isOfResolver says whether a resolver wrote a slice, also if somebody took its label away.
func isOfResolver(slice *discoveryv1.EndpointSlice) bool {
	return slice.Labels[discoveryv1.LabelManagedBy] == values.ResolverManager || slice.Annotations[values.ResolverAnnotation] != ""
}

// isOwn says whether this resolver wrote a slice. One without the annotation is that of whoever has its entry.
func (r *Resolver) isOwn(slice *discoveryv1.EndpointSlice) bool {
	id := r.options.Config.String()
	return isOfResolver(slice) && cmp.Or(slice.Annotations[values.ResolverAnnotation], id) == id
}

// serviceOf is the name of the Service of a slice.
func serviceOf(slice *discoveryv1.EndpointSlice) string {
	if owner := metav1.GetControllerOf(slice); owner != nil && isOfResolver(slice) {
		return owner.Name
	}
	return slice.Labels[discoveryv1.LabelServiceName]
}

// group is what one slice holds: the addresses of one DNS name, or IP addresses of the values, of one
// family. The addressType of a slice cannot change.
type group = question

func (e endpoint) group() group {
	if e.origin.host == e.ip.String() {
		return group{family: e.origin.family}
	}
	return e.origin
}

func groupOf(slice *discoveryv1.EndpointSlice) group {
	return group{slice.Annotations[values.HostAnnotation], corev1.IPFamily(slice.AddressType)}
}

// layout puts endpoints into slices of a Service.
type layout struct {
	resolver string // namespace and name
	service  *corev1.Service
	entry    *values.Entry

	// taken says whether a slice of the namespace has a name, such as one of an entry that is called like it.
	taken func(name string) bool
	max   int // endpoints in a slice

	slices []*discoveryv1.EndpointSlice
}

// arrange returns the slices as they are to be, given those that are there: an endpoint stays in the slice
// that it is in, and a new one goes where there is room, so that as few slices as possible change.
func (l *layout) arrange(list []endpoint, present []*discoveryv1.EndpointSlice) []*discoveryv1.EndpointSlice {
	holds := map[string]int{} // the slice that has an endpoint
	for _, slice := range slices.SortedFunc(slices.Values(present), compareNames) {
		if !metav1.IsControlledBy(slice, l.service) {
			continue // of a Service that was deleted, as it soon will be
		}
		for _, e := range slice.Endpoints {
			for _, ip := range e.Addresses {
				holds[key(groupOf(slice), ip)] = len(l.slices)
			}
		}
		l.slices = append(l.slices, l.emptied(slice))
	}
	var added []endpoint
	for _, e := range list {
		i, ok := holds[key(e.group(), e.ip.String())]
		if !ok || !l.add(l.slices[i], e) {
			added = append(added, e)
		}
	}
	for _, e := range added {
		fits := func(slice *discoveryv1.EndpointSlice) bool { return groupOf(slice) == e.group() && l.add(slice, e) }
		if !slices.ContainsFunc(l.slices, fits) {
			slice := l.newSlice(e.group(), present)
			l.slices = append(l.slices, slice)
			l.add(slice, e)
		}
	}
	return l.slices
}

func key(g group, ip string) string { return fmt.Sprint(g, " ", ip) }

func compareNames(a, b *discoveryv1.EndpointSlice) int { return strings.Compare(a.Name, b.Name) }

func (l *layout) add(slice *discoveryv1.EndpointSlice, e endpoint) bool {
	if len(slice.Endpoints) >= l.max {
		return false
	}
	slice.Endpoints = append(slice.Endpoints, l.printed(e))
	return true
}

// newSlice is a slice under the first free name.
func (l *layout) newSlice(g group, present []*discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	taken := func(name string) bool {
		has := func(slice *discoveryv1.EndpointSlice) bool { return slice.Name == name }
		return slices.ContainsFunc(present, has) || slices.ContainsFunc(l.slices, has) || l.taken(name)
	}
	slice := &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressType(g.family)}
	slice.Namespace = l.service.Namespace
	for n := 0; slice.Name == "" || taken(slice.Name); n++ {
		slice.Name = fmt.Sprintf("%s-dns-%s-%d", l.service.Name, strings.ToLower(string(g.family)), n)
	}
	if g.host != "" {
		slice.Annotations = map[string]string{values.HostAnnotation: g.host}
	}
	return l.emptied(slice)
}

// emptied is a slice as the resolver writes it, without endpoints. Labels of the Service are not copied:
// by a tracking label Argo CD would delete the slice (https://github.com/argoproj/argo-cd/issues/10456).
// The owner reference does not block: OpenShift asks more permissions for one that does.
func (l *layout) emptied(slice *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	out := slice.DeepCopy()
	out.Endpoints = nil
	out.Ports = l.ports()
	metav1.SetMetaDataAnnotation(&out.ObjectMeta, values.ResolverAnnotation, l.resolver)
	metav1.SetMetaDataLabel(&out.ObjectMeta, discoveryv1.LabelServiceName, l.service.Name)
	metav1.SetMetaDataLabel(&out.ObjectMeta, discoveryv1.LabelManagedBy, values.ResolverManager)
	out.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "v1", Kind: "Service", Name: l.service.Name, UID: l.service.UID, Controller: ptr.To(true),
	}}
	return out
}

func (l *layout) ports() []discoveryv1.EndpointPort {
	var ports []discoveryv1.EndpointPort
	for _, p := range l.entry.Ports {
		port := discoveryv1.EndpointPort{
			Name: ptr.To(p.Name), Port: ptr.To(int32(p.Port)),
			Protocol: ptr.To(cmp.Or(corev1.Protocol(p.Protocol), corev1.ProtocolTCP)),
		}
		if p.AppProtocol != "" {
			port.AppProtocol = ptr.To(p.AppProtocol)
		}
		ports = append(ports, port)
	}
	return ports
}

// printed is an endpoint as the chart prints one in endpointslice.yaml.
func (l *layout) printed(e endpoint) discoveryv1.Endpoint {
	out := discoveryv1.Endpoint{Addresses: []string{e.ip.String()}}
	switch {
	case e.ready:
		out.Conditions.Ready = ptr.To(true)
	case e.draining:
		out.Conditions = discoveryv1.EndpointConditions{Ready: ptr.To(false), Serving: ptr.To(true), Terminating: ptr.To(true)}
	case ptr.Deref(l.entry.PublishNotReadyAddresses, false):
		out.Conditions = discoveryv1.EndpointConditions{Ready: ptr.To(true), Serving: ptr.To(false)}
	default:
		out.Conditions.Ready = ptr.To(false)
	}
	if e.hostname != "" {
		out.Hostname = ptr.To(e.hostname)
	}
	if e.zone == "" {
		return out
	}
	out.Zone = ptr.To(e.zone)
	if d := l.entry.TrafficDistribution; d == values.PreferClose || d == values.PreferSameZone {
		// kube-proxy reads the hints, which the EndpointSlice controller writes for pods only
		out.Hints = &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: e.zone}}}
	}
	return out
}

// same says whether a slice needs no write. The order of endpoints says nothing, and labels and annotations
// of others stay.
func same(present, desired *discoveryv1.EndpointSlice) bool {
	byAddress := func(a, b discoveryv1.Endpoint) int { return slices.Compare(a.Addresses, b.Addresses) }
	return equality.Semantic.DeepEqual(
		slices.SortedFunc(slices.Values(present.Endpoints), byAddress), slices.SortedFunc(slices.Values(desired.Endpoints), byAddress),
	) && equality.Semantic.DeepEqual(present.Ports, desired.Ports) && equality.Semantic.DeepEqual(present.ObjectMeta, desired.ObjectMeta)
}
