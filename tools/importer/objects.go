// Package importer writes values for the chart external-services from Services that are
// there already: hand-written manifests, or the live objects of a cluster.
//
// What an entry carries means the same when the chart renders it: the same names, ports
// and addresses are reached in the same way. What the chart has no place for, a comment
// beside the entry names with the reason, and an entry that would mean something else
// stands as a comment itself. So nothing is left out silently.
package importer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"external-services/charts"
)

//nolint:staticcheck // deprecated since Kubernetes 1.33, and what there is to import
type legacyEndpoints = corev1.Endpoints

// Objects are what was read, ready to be imported.
type Objects struct {
	// DefaultNamespace is the namespace of objects that name none. Empty, they are
	// imported without one, for the release namespace.
	DefaultNamespace string

	// Selectors also imports Services that select pods, with the backend cluster. It has
	// to be set before Live reads.
	Selectors bool

	services  map[types.NamespacedName]item[*corev1.Service]
	endpoints map[types.NamespacedName]item[*legacyEndpoints]
	slices    map[types.NamespacedName]item[*discoveryv1.EndpointSlice]

	sources map[string]bool
	read    map[string]int // how many objects of a kind
	made    int            // how many of them a controller made of others
	others  map[string]int // how many objects of the kinds that are not imported
	left    []leftOut
	unknown map[types.NamespacedName][]string // the unknown fields of the objects of a Service
}

// item is an object and where it is from.
type item[T metav1.Object] struct {
	object T
	from   string // such as mysql.yaml:12
}

// leftOut is an object that is not imported.
type leftOut struct {
	object string // its kind, namespace and name
	why    string
	loss   bool // whether it is what import is for
}

// NewObjects returns an empty collection.
func NewObjects() *Objects {
	return &Objects{
		services:  map[types.NamespacedName]item[*corev1.Service]{},
		endpoints: map[types.NamespacedName]item[*legacyEndpoints]{},
		slices:    map[types.NamespacedName]item[*discoveryv1.EndpointSlice]{},
		sources:   map[string]bool{},
		read:      map[string]int{},
		others:    map[string]int{},
		unknown:   map[types.NamespacedName][]string{},
	}
}

// add adds an object. The error says which two documents have different objects of one
// name: which of them counts would depend on the order in which they are read.
func (o *Objects) add(object metav1.Object, from string) error {
	if object.GetNamespace() == "" {
		object.SetNamespace(o.DefaultNamespace)
	}
	slim(object)
	switch object := object.(type) {
	case *corev1.Service:
		return put(o, o.services, "Service", object, from)
	case *legacyEndpoints:
		return put(o, o.endpoints, "Endpoints", object, from)
	case *discoveryv1.EndpointSlice:
		return put(o, o.slices, "EndpointSlice", object, from)
	}
	return fmt.Errorf("%s: %T is no object to import", from, object)
}

func put[T metav1.Object](o *Objects, into map[types.NamespacedName]item[T], kind string, object T, from string) error {
	if object.GetName() == "" {
		return fmt.Errorf("%s: the %s has no name: write metadata.name", from, kind)
	}
	key := keyOf(object)
	if old, ok := into[key]; ok {
		if equality.Semantic.DeepEqual(old.object, object) {
			return nil
		}
		return fmt.Errorf("%s and %s both have the %s %s, with different contents: leave one of the two out", old.from, from, kind, name(key))
	}
	into[key] = item[T]{object, from}
	o.read[kind]++
	return nil
}

// slim takes away what the API server, kubectl and Helm write for themselves, before
// thousands of objects are kept.
func slim(object metav1.Object) {
	object.SetManagedFields(nil)
	annotations := object.GetAnnotations()
	for key := range annotations {
		if ignoredAnnotations[key] {
			delete(annotations, key)
		}
	}
}

var ignoredAnnotations = map[string]bool{
	corev1.LastAppliedConfigAnnotation:      true,
	corev1.EndpointsLastChangeTriggerTime:   true,
	"endpoints.kubernetes.io/over-capacity": true,
	"kubectl.kubernetes.io/restartedAt":     true,
}

func keyOf(object metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
}

func name(key types.NamespacedName) string {
	if key.Namespace == "" {
		return key.Name
	}
	return key.String()
}

// stored says whether an object is as the API server stores it, with fields that it set.
func stored(object metav1.Object) bool {
	return object.GetUID() != "" || object.GetResourceVersion() != ""
}

const (
	endpointsController = "endpointslice-controller.k8s.io"
	mirroringController = "endpointslicemirroring-controller.k8s.io"
	skipMirror          = "endpointslice.kubernetes.io/skip-mirror"
)

// serviceOf is the Service that a slice belongs to.
func serviceOf(slice *discoveryv1.EndpointSlice) types.NamespacedName {
	return types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
}

// sliceMadeByController says whether a controller made a slice of what else there is: of
// the pods of a Service, or of an Endpoints object that was read too. The slices of pods
// which a Service without a selector has are left from when it had one.
func (o *Objects) sliceMadeByController(slice *discoveryv1.EndpointSlice) bool {
	key := serviceOf(slice)
	switch slice.Labels[discoveryv1.LabelManagedBy] {
	case mirroringController:
		_, ok := o.endpoints[key]
		return ok
	case endpointsController:
		service, ok := o.services[key]
		return !ok || selectsPods(service.object)
	}
	return isKubernetes(key) && slice.Name == key.Name
}

// endpointsMadeByController says the same of an Endpoints object.
func (o *Objects) endpointsMadeByController(endpoints *legacyEndpoints) bool {
	key := keyOf(endpoints)
	service, ok := o.services[key]
	return ok && selectsPods(service.object) && stored(endpoints) || isKubernetes(key) ||
		endpoints.Annotations["control-plane.alpha.kubernetes.io/leader"] != "" // a lock, without addresses
}

func selectsPods(service *corev1.Service) bool {
	return len(service.Spec.Selector) > 0 && service.Spec.Type != corev1.ServiceTypeExternalName
}

// isKubernetes says whether an object is the API server's own.
func isKubernetes(key types.NamespacedName) bool {
	return key == types.NamespacedName{Namespace: metav1.NamespaceDefault, Name: "kubernetes"}
}

// ofRelease says whether a Service is of a release of this chart.
func ofRelease(service *corev1.Service) bool {
	return service.Labels["app.kubernetes.io/name"] == charts.Dir && service.Annotations["meta.helm.sh/release-name"] != ""
}

// source is a Service and what leads outside from it.
type source struct {
	service   *corev1.Service
	endpoints *legacyEndpoints
	slices    []*discoveryv1.EndpointSlice // in the order of their names
	unknown   []string                     // fields that the API does not have
}

// gather puts the objects of each Service together, in the order of their names and
// namespaces, and leaves out what is not to be imported.
func (o *Objects) gather() (sources []*source, left []leftOut) {
	left = slices.Clone(o.left)
	skip := func(kind string, key types.NamespacedName, loss bool, why string) {
		left = append(left, leftOut{kind + " " + name(key), why, loss})
	}
	byKey := map[types.NamespacedName]*source{}
	imported := map[types.NamespacedName]bool{}
	for _, key := range sortedKeys(o.services) {
		service := o.services[key].object
		imported[key] = false
		switch {
		case isKubernetes(key):
			skip("Service", key, false, "is the API server's own")
		case service.DeletionTimestamp != nil:
			skip("Service", key, false, "is being deleted")
		case ofRelease(service):
			skip("Service", key, false, "is of a Helm release of this chart already")
		case selectsPods(service) && !o.Selectors:
			skip("Service", key, false, "reaches pods by its selector; with --selectors it becomes an entry with the backend cluster")
		default:
			imported[key] = true
			s := &source{service: service, unknown: o.unknown[key]}
			byKey[key] = s
			sources = append(sources, s)
		}
	}
	made := o.made
	for _, key := range sortedKeys(o.endpoints) {
		endpoints := o.endpoints[key].object
		wanted, known := imported[key]
		switch {
		case o.endpointsMadeByController(endpoints):
			made++
		case wanted:
			byKey[key].endpoints = endpoints
		case !known:
			skip("Endpoints", key, len(endpoints.Subsets) > 0, "no Service of its name was read")
		}
	}
	for _, key := range sortedKeys(o.slices) {
		slice := o.slices[key].object
		service := serviceOf(slice)
		wanted, known := imported[service]
		switch {
		case o.sliceMadeByController(slice):
			made++
		case wanted:
			byKey[service].slices = append(byKey[service].slices, slice)
		case service.Name == "":
			skip("EndpointSlice", key, true, "has no label kubernetes.io/service-name, and so belongs to no Service")
		case !known:
			skip("EndpointSlice", key, true, "its Service "+name(service)+" was not read")
		}
	}
	if made > 0 {
		left = append(left, leftOut{fmt.Sprintf("%d Endpoints and EndpointSlices", made), "controllers made them of other objects", false})
	}
	return sources, left
}

func sortedKeys[T any](objects map[types.NamespacedName]T) []types.NamespacedName {
	return slices.SortedFunc(maps.Keys(objects), func(a, b types.NamespacedName) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Namespace, b.Namespace))
	})
}
