package service

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tools/helm"
)

// Endpoints is the older kind of object for addresses, before EndpointSlices.
//
//lint:ignore SA1019 deprecated since Kubernetes 1.33; the chart renders it on request, and people have it
type Endpoints = corev1.Endpoints

// Key is the place of a Service in the cluster.
type Key struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// String prints the key as namespace/name, or as the name if it has no namespace.
func (k Key) String() string { return strings.TrimPrefix(k.Namespace+"/"+k.Name, "/") }

// Compare orders keys by namespace and name.
func (k Key) Compare(other Key) int {
	return cmp.Or(cmp.Compare(k.Namespace, other.Namespace), cmp.Compare(k.Name, other.Name))
}

// KeyOf is the key of an object.
func KeyOf(object metav1.Object) Key { return Key{object.GetNamespace(), object.GetName()} }

// ServiceOf is the Service that an EndpointSlice names in its label.
func ServiceOf(slice *discoveryv1.EndpointSlice) Key {
	return Key{slice.Namespace, slice.Labels[discoveryv1.LabelServiceName]}
}

// FromRendered reads the mappings of what the chart renders, or of a release's manifest.
func FromRendered(objects *helm.Result) map[Key]*Mapping {
	endpointSlices := map[Key][]*discoveryv1.EndpointSlice{}
	for _, slice := range objects.EndpointSlices {
		endpointSlices[ServiceOf(slice)] = append(endpointSlices[ServiceOf(slice)], slice)
	}
	endpoints := map[Key]*Endpoints{}
	for _, o := range objects.Endpoints {
		endpoints[KeyOf(o)] = o
	}
	mappings := map[Key]*Mapping{}
	for _, service := range objects.Services {
		key := KeyOf(service)
		mappings[key] = NewMapping(service, endpointSlices[key], endpoints[key])
	}
	for _, object := range objects.Routes {
		if m := mappings[KeyOf(object)]; m != nil {
			m.Routes = append(m.Routes, newRoute(object))
		}
	}
	for i := range objects.Resolvers {
		resolver := &objects.Resolvers[i]
		for j := range resolver.Config.Entries {
			entry := &resolver.Config.Entries[j]
			if m := mappings[Key{entry.Namespace, entry.Name}]; m != nil {
				m.follow(resolver, entry)
			}
		}
	}
	return mappings
}

// Sorted lists mappings by namespace and name.
func Sorted(mappings map[Key]*Mapping) []*Mapping {
	return slices.SortedFunc(maps.Values(mappings), func(a, b *Mapping) int { return a.Key.Compare(b.Key) })
}
