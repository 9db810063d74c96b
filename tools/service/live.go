package service

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// maxNamespaces is how many namespaces are listed one by one. For more, the whole cluster is listed once.
const maxNamespaces = 3

// Resource is a kind of object, in the words of roles and of messages.
type Resource struct{ Name, Group, Kind string }

// The resources that are read.
var (
	Services       = Resource{"services", "", "Services"}
	EndpointSlices = Resource{"endpointslices", "discovery.k8s.io", "EndpointSlices"}
	LegacyObjects  = Resource{"endpoints", "", "Endpoints"}
	Namespaces     = Resource{"namespaces", "", "namespaces"}
	PodObjects     = Resource{"pods", "", "pods"}
)

// Unread is a resource that could not be read in some namespaces.
type Unread struct {
	Resource
	Verb       string
	Namespaces []string
	Err        error
}

// Live is what a cluster has of some mappings: only what belongs to them, so that its size is that of the
// release and not of the cluster.
type Live struct {
	Services map[Key]*corev1.Service
	Slices   map[Key][]*discoveryv1.EndpointSlice // by the Service that they name, in the order of their names
	Named    map[Key]*discoveryv1.EndpointSlice   // those with a name of the mappings, by that
	Legacy   map[Key]*Endpoints

	// Missing are the namespaces that do not exist, sorted.
	Missing []string

	// Unread is what could not be read.
	Unread []Unread
}

// FromLive reads what a cluster has of the mappings that should be there. It lists Services and
// EndpointSlices, Endpoints in the namespaces in which an entry has some, and looks for namespaces without
// any of the Services. Whatever the user may not read is in Unread; the error is that of the context.
func FromLive(ctx context.Context, client kubernetes.Interface, desired []*Mapping, progress func(string)) (*Live, error) {
	r := &reader{ctx: ctx, client: client, progress: progress, Live: &Live{
		Services: map[Key]*corev1.Service{}, Named: map[Key]*discoveryv1.EndpointSlice{}, Legacy: map[Key]*Endpoints{},
	}}
	entries, sliceNames, legacy := map[Key]bool{}, map[Key]bool{}, map[Key]bool{}
	namespaces, withEndpoints := map[string]bool{}, map[string]bool{}
	for _, m := range desired {
		entries[m.Key], namespaces[m.Namespace] = true, true
		if m.Endpoints != nil {
			legacy[m.Key], withEndpoints[m.Namespace] = true, true
		}
		for _, slice := range m.Slices {
			sliceNames[KeyOf(slice)] = true
		}
	}
	slicesOf := map[Key]map[string]*discoveryv1.EndpointSlice{}
	r.list(Services, namespaces, func(namespace string) error {
		return ListServices(ctx, client, namespace, counted(r, Services, func(o *corev1.Service) {
			if entries[KeyOf(o)] {
				r.Services[KeyOf(o)] = o
			}
		}))
	})
	r.list(EndpointSlices, namespaces, func(namespace string) error {
		return ListEndpointSlices(ctx, client, namespace, counted(r, EndpointSlices, func(o *discoveryv1.EndpointSlice) {
			if key := ServiceOf(o); entries[key] {
				if slicesOf[key] == nil {
					slicesOf[key] = map[string]*discoveryv1.EndpointSlice{}
				}
				slicesOf[key][o.Name] = o
			}
			if sliceNames[KeyOf(o)] {
				r.Named[KeyOf(o)] = o
			}
		}))
	})
	r.list(LegacyObjects, withEndpoints, func(namespace string) error {
		return ListEndpoints(ctx, client, namespace, counted(r, LegacyObjects, func(o *Endpoints) {
			if legacy[KeyOf(o)] {
				r.Legacy[KeyOf(o)] = o
			}
		}))
	})
	r.Slices = map[Key][]*discoveryv1.EndpointSlice{}
	for key, byName := range slicesOf {
		for _, name := range slices.Sorted(maps.Keys(byName)) {
			r.Slices[key] = append(r.Slices[key], byName[name])
		}
	}
	r.findMissing(namespaces)
	return r.Live, ctx.Err()
}

// CouldRead says whether a resource was read in a namespace.
func (l *Live) CouldRead(resource Resource, namespace string) bool {
	return !slices.ContainsFunc(l.Unread, func(u Unread) bool {
		return u.Resource == resource && slices.Contains(u.Namespaces, namespace)
	})
}

// IsMissing says whether a namespace does not exist.
func (l *Live) IsMissing(namespace string) bool {
	_, missing := slices.BinarySearch(l.Missing, namespace)
	return missing
}

// ReadPods lists the pods of a selector in a namespace. If it cannot, it says so in Unread and returns false.
func (l *Live) ReadPods(ctx context.Context, client kubernetes.Interface, namespace string, selector map[string]string) ([]*corev1.Pod, bool) {
	var pods []*corev1.Pod
	err := ListPods(ctx, client, namespace, Pairs(selector), func(pod *corev1.Pod) { pods = append(pods, pod) })
	if err != nil && l.CouldRead(PodObjects, namespace) {
		l.Unread = append(l.Unread, Unread{PodObjects, "list", []string{namespace}, err})
	}
	return pods, err == nil
}

// reader reads a Live.
type reader struct {
	*Live
	ctx      context.Context
	client   kubernetes.Interface
	progress func(string)
}

// counted is a function for each object of a list, with progress after every page.
func counted[T any](r *reader, resource Resource, each func(*T)) func(*T) {
	count := 0
	return func(object *T) {
		if count++; count%PageSize == 0 {
			r.progress(fmt.Sprintf("list %s: %d so far", resource.Kind, count))
		}
		each(object)
	}
}

// list lists a resource in some namespaces: one by one if there are few, and the whole cluster at once
// otherwise, if that is allowed.
func (r *reader) list(resource Resource, in map[string]bool, list func(namespace string) error) {
	if len(in) == 0 || r.ctx.Err() != nil {
		return
	}
	r.progress("list " + resource.Kind)
	namespaces := slices.Sorted(maps.Keys(in))
	if len(in) > maxNamespaces {
		err := list(metav1.NamespaceAll)
		if err == nil {
			return
		}
		if !apierrors.IsForbidden(err) {
			r.Unread = append(r.Unread, Unread{resource, "list", namespaces, err})
			return
		}
	}
	unread := Unread{Resource: resource, Verb: "list"}
	for _, namespace := range namespaces {
		if err := list(namespace); err != nil {
			unread.Namespaces, unread.Err = append(unread.Namespaces, namespace), err
		}
	}
	if unread.Err != nil {
		r.Unread = append(r.Unread, unread)
	}
}

// findMissing looks for the namespaces that have none of the Services, and may not exist.
func (r *reader) findMissing(in map[string]bool) {
	suspects := maps.Clone(in)
	for key := range r.Services {
		delete(suspects, key.Namespace)
	}
	maps.DeleteFunc(suspects, func(namespace string, _ bool) bool { return !r.CouldRead(Services, namespace) })
	names := slices.Sorted(maps.Keys(suspects))
	if len(names) == 0 || r.ctx.Err() != nil {
		return
	}
	if len(names) <= maxNamespaces {
		for _, namespace := range names {
			// A role for one namespace may allow to get it, but not to list all.
			_, err := r.client.CoreV1().Namespaces().Get(r.ctx, namespace, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				r.Missing = append(r.Missing, namespace)
			} else if err != nil {
				r.Unread = append(r.Unread, Unread{Namespaces, "get", []string{namespace}, err})
			}
		}
		return
	}
	exists := map[string]bool{}
	if err := ListNamespaces(r.ctx, r.client, func(o *corev1.Namespace) { exists[o.Name] = true }); err != nil {
		r.Unread = append(r.Unread, Unread{Namespaces, "list", names, err})
		return
	}
	r.Missing = slices.DeleteFunc(names, func(namespace string) bool { return exists[namespace] })
}
