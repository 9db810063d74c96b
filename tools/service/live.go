package service

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	Secrets        = Resource{"secrets", "", "Secrets"}
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

	// Resolvers are those that were looked for, by their namespace and name, and Events what they wrote about the
	// Services in the last hour, the newest last.
	Resolvers map[Key]State
	Events    map[Key][]*corev1.Event

	routes  map[routeKey]*unstructured.Unstructured
	classes map[string]bool // IngressClasses, nil if they could not be listed

	// Missing are the namespaces that do not exist, sorted.
	Missing []string

	// Unread is what could not be read.
	Unread []Unread
}

// FromLive reads what a cluster has of the mappings that should be there. It lists Services and
// EndpointSlices, Endpoints in the namespaces in which an entry has some, and looks for namespaces without
// any of the Services. Whatever the user may not read is in Unread; the error is that of the context.
func FromLive(ctx context.Context, client kubernetes.Interface, desired []*Mapping, progress func(string)) (*Live, error) {
	l := &Live{
		Services: map[Key]*corev1.Service{}, Slices: map[Key][]*discoveryv1.EndpointSlice{},
		Named: map[Key]*discoveryv1.EndpointSlice{}, Legacy: map[Key]*Endpoints{},
	}
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
	l.read(ctx, Services, namespaces, progress, func(namespace string, count func()) error {
		return List(ctx, client.CoreV1().Services(namespace).List, func(o *corev1.Service) {
			if count(); entries[KeyOf(o)] {
				l.Services[KeyOf(o)] = o
			}
		})
	})
	l.read(ctx, EndpointSlices, namespaces, progress, func(namespace string, count func()) error {
		return List(ctx, client.DiscoveryV1().EndpointSlices(namespace).List, func(o *discoveryv1.EndpointSlice) {
			count()
			if key := ServiceOf(o); entries[key] {
				l.Slices[key] = insert(l.Slices[key], o)
			}
			if sliceNames[KeyOf(o)] {
				l.Named[KeyOf(o)] = o
			}
		})
	})
	l.read(ctx, LegacyObjects, withEndpoints, progress, func(namespace string, count func()) error {
		return List(ctx, client.CoreV1().Endpoints(namespace).List, func(o *Endpoints) {
			if count(); legacy[KeyOf(o)] {
				l.Legacy[KeyOf(o)] = o
			}
		})
	})
	l.findMissing(ctx, client, namespaces)
	return l, ctx.Err()
}

// insert adds a slice to those of a Service, in the order of their names. It replaces one that was listed before.
func insert(list []*discoveryv1.EndpointSlice, slice *discoveryv1.EndpointSlice) []*discoveryv1.EndpointSlice {
	at, listed := slices.BinarySearchFunc(list, slice.Name, func(o *discoveryv1.EndpointSlice, name string) int {
		return cmp.Compare(o.Name, name)
	})
	if listed {
		list[at] = slice
		return list
	}
	return slices.Insert(list, at, slice)
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
	list := func(ctx context.Context, o metav1.ListOptions) (*corev1.PodList, error) {
		o.LabelSelector = Pairs(selector)
		return client.CoreV1().Pods(namespace).List(ctx, o)
	}
	var pods []*corev1.Pod
	err := List(ctx, list, func(pod *corev1.Pod) { pods = append(pods, pod) })
	if l.CouldRead(PodObjects, namespace) {
		l.unread(PodObjects, "list", err, namespace)
	}
	return pods, err == nil
}

// unread notes an error of reading a resource, if there is one.
func (l *Live) unread(resource Resource, verb string, err error, namespaces ...string) {
	if err != nil {
		l.Unread = append(l.Unread, Unread{resource, verb, namespaces, err})
	}
}

// read lists a resource in some namespaces: one by one if there are few, and the whole cluster at once
// otherwise, if that is allowed. The list counts its objects.
func (l *Live) read(
	ctx context.Context, resource Resource, in map[string]bool, progress func(string),
	list func(namespace string, count func()) error,
) {
	if len(in) == 0 || ctx.Err() != nil {
		return
	}
	progress("list " + resource.Kind)
	total := 0
	count := func() {
		if total++; total%PageSize == 0 {
			progress(fmt.Sprintf("list %s: %d so far", resource.Kind, total))
		}
	}
	namespaces := slices.Sorted(maps.Keys(in))
	if len(in) > maxNamespaces {
		if err := list(metav1.NamespaceAll, count); !apierrors.IsForbidden(err) {
			l.unread(resource, "list", err, namespaces...)
			return
		}
	}
	var failed []string
	var last error
	for _, namespace := range namespaces {
		if err := list(namespace, count); err != nil {
			failed, last = append(failed, namespace), err
		}
	}
	l.unread(resource, "list", last, failed...)
}

// findMissing looks for the namespaces that have none of the Services, and may not exist.
func (l *Live) findMissing(ctx context.Context, client kubernetes.Interface, in map[string]bool) {
	suspects := maps.Clone(in)
	for key := range l.Services {
		delete(suspects, key.Namespace)
	}
	maps.DeleteFunc(suspects, func(namespace string, _ bool) bool { return !l.CouldRead(Services, namespace) })
	names := slices.Sorted(maps.Keys(suspects))
	if len(names) == 0 || ctx.Err() != nil {
		return
	}
	if len(names) > maxNamespaces {
		err := List(ctx, client.CoreV1().Namespaces().List, func(o *corev1.Namespace) { delete(suspects, o.Name) })
		if err == nil {
			l.Missing = slices.Sorted(maps.Keys(suspects))
		}
		l.unread(Namespaces, "list", err, names...)
		return
	}
	for _, namespace := range names {
		// A role for one namespace may allow to get it, but not to list all.
		_, err := client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			l.Missing = append(l.Missing, namespace)
		} else {
			l.unread(Namespaces, "get", err, namespace)
		}
	}
}
