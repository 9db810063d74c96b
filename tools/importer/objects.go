// Package importer writes values for the chart external-services from Services that exist: in manifests, or in
// a cluster.
//
// An entry means the same as the objects that it was read from: its name reaches the same addresses on the same
// ports. Whatever the chart cannot do is a finding and a comment above the entry, and an entry that would behave
// differently is commented out. So nothing is left out silently.
package importer

import (
	"cmp"
	"errors"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tools/findings"
	"external-services/tools/service"
)

// Objects are the objects to import.
type Objects struct {
	// DefaultNamespace is the namespace of objects without one. Without it, they stay without one, for the
	// release namespace.
	DefaultNamespace string

	// Selectors imports also the Services that select pods, with the backend cluster. Set it before reading.
	Selectors bool

	// Strict neither mends what is plainly meant nor reads on after a document that cannot be read. Set it before
	// reading.
	Strict bool

	byKind        map[string]map[service.Key]service.Manifest // Services, Endpoints and EndpointSlices
	created       map[string]map[service.Key]bool             // by kind, what Kubernetes created from other objects
	outdated      []findings.Finding                          // about EndpointSlices of a version that is gone
	otherKinds    map[string]int                              // how many objects are not for import
	encrypted     map[string]int                              // how many of these SOPS encrypted
	routes        []route                                     // to Services
	broken        []error                                     // about documents that cannot be read
	brokenOf      map[service.Key][]string                    // about objects of a Service that cannot be read
	commented     []comment                                   // that have endpoints
	unknownFields map[service.Key][]string                    // of the objects of a Service
	sources       map[string]bool
}

const (
	kindService   = "Service"
	kindEndpoints = "Endpoints"
	kindSlice     = "EndpointSlice"
)

// NewObjects returns an empty collection.
func NewObjects() *Objects {
	return &Objects{
		byKind:        map[string]map[service.Key]service.Manifest{kindService: {}, kindEndpoints: {}, kindSlice: {}},
		created:       map[string]map[service.Key]bool{kindEndpoints: {}, kindSlice: {}},
		otherKinds:    map[string]int{},
		encrypted:     map[string]int{},
		unknownFields: map[service.Key][]string{},
		brokenOf:      map[service.Key][]string{},
		sources:       map[string]bool{},
	}
}

// service returns a Service, or nil if it was not read.
func (o *Objects) service(key service.Key) *corev1.Service {
	svc, _ := o.byKind[kindService][key].Object.(*corev1.Service)
	return svc
}

// ReadManifests adds the objects of a manifest. A document that cannot be read is a finding, or with Strict an
// error. So is the second of two different objects of one name, since which of them counts would depend on the
// order: neither is imported.
func (o *Objects) ReadManifests(name string, text []byte) error {
	o.sources[name] = true
	o.readComments(name, string(text))
	manifests, broken := service.FromManifests(name, text)
	for _, m := range manifests {
		if m.Object.GetNamespace() == "" {
			m.Object.SetNamespace(o.DefaultNamespace)
		}
		if _, isOther := m.Object.(*metav1.ObjectMeta); isOther {
			o.addOther(m)
		} else if err := o.add(m); err != nil {
			broken = append(broken, err)
		}
	}
	for _, err := range broken {
		if o.Strict {
			return err
		}
		var ofService *service.BrokenError
		if !errors.As(err, &ofService) || ofService.Kind == kindService {
			o.broken = append(o.broken, err)
			continue
		}
		key := ofService.Service
		key.Namespace = cmp.Or(key.Namespace, o.DefaultNamespace)
		o.brokenOf[key] = append(o.brokenOf[key], err.Error())
	}
	return nil
}

func notRead(why string) findings.Finding {
	return findings.New(findings.NotRead, "", "", findings.Args{"why": why})
}

// addOther adds an object of a kind or version that is not imported.
func (o *Objects) addOther(m service.Manifest) {
	isRoute := !o.Strict && o.addRoute(m)
	switch {
	case m.IsEncrypted && isImported(m.Kind):
		o.broken = append(o.broken, fmt.Errorf("%s: the %s %s is encrypted with SOPS: decrypt it with sops --decrypt",
			m.From, m.Kind, service.KeyOf(m.Object)))
		return
	case m.IsEncrypted:
		o.encrypted[m.Kind]++
		return
	case isRoute:
		return
	case m.GroupVersionKind().Group != discoveryv1.GroupName:
		o.otherKinds[m.Kind]++
		return
	}
	key := service.KeyOf(m.Object)
	o.outdated = append(o.outdated, withoutService(m, service.Key{Namespace: key.Namespace},
		"Kubernetes 1.25 removed "+m.APIVersion+": write apiVersion: discovery.k8s.io/v1, and zone instead of topology"))
}

func (o *Objects) add(m service.Manifest) error {
	if m.Object.GetName() == "" {
		return fmt.Errorf("%s: the %s has no name: set metadata.name", m.From, m.Kind)
	}
	key, of := service.KeyOf(m.Object), ""
	old, isKnown := o.byKind[m.Kind][key]
	o.keep(m)
	switch object := m.Object.(type) {
	case *service.Endpoints:
		of = " of the Endpoints"
	case *discoveryv1.EndpointSlice:
		key, of = service.ServiceOf(object), " of the EndpointSlice "+object.Name
	}
	if isKnown && !equality.Semantic.DeepEqual(old.Object, m.Object) {
		err := fmt.Errorf("%s and %s both have the %s %s, and differ: leave out one of them", old.From, m.From, m.Kind, service.KeyOf(m.Object))
		if o.Strict {
			return err
		}
		o.brokenOf[key] = append(o.brokenOf[key], err.Error())
	}
	for _, field := range m.UnknownFields {
		o.unknownFields[key] = append(o.unknownFields[key], field+of)
	}
	return nil
}

// keep adds an object, or replaces it, without what the API server, kubectl and Helm write for themselves.
func (o *Objects) keep(m service.Manifest) {
	m.Object.SetManagedFields(nil)
	maps.DeleteFunc(m.Object.GetAnnotations(), func(key, _ string) bool { return internalAnnotations[key] })
	o.byKind[m.Kind][service.KeyOf(m.Object)] = m
}

var internalAnnotations = map[string]bool{
	corev1.LastAppliedConfigAnnotation:      true,
	corev1.EndpointsLastChangeTriggerTime:   true,
	"endpoints.kubernetes.io/over-capacity": true,
	"kubectl.kubernetes.io/restartedAt":     true,
}

func isImported(kind string) bool {
	return kind == kindService || kind == kindEndpoints || kind == kindSlice
}

// isStored says whether an object is from an API server, with the fields that it fills in.
func isStored(object metav1.Object) bool {
	return object.GetUID() != "" || object.GetResourceVersion() != ""
}

// isCreatedSlice says whether Kubernetes created a slice from other objects: the pods of a Service, or an
// Endpoints object that was read. Slices of pods at a Service without a selector are left from an earlier one.
func (o *Objects) isCreatedSlice(slice *discoveryv1.EndpointSlice) bool {
	key := service.ServiceOf(slice)
	switch {
	case service.IsMirrored(slice):
		_, isRead := o.byKind[kindEndpoints][key]
		return isRead
	case service.OfPods(slice):
		svc := o.service(key)
		return svc == nil || service.HasSelector(svc)
	}
	return isAPIServer(key) && slice.Name == key.Name
}

// isCreatedEndpoints is isCreatedSlice for Endpoints. A lock for leader election has no addresses.
func (o *Objects) isCreatedEndpoints(endpoints *service.Endpoints) bool {
	key := service.KeyOf(endpoints)
	svc := o.service(key)
	return svc != nil && service.HasSelector(svc) && isStored(endpoints) || isAPIServer(key) ||
		endpoints.Annotations["control-plane.alpha.kubernetes.io/leader"] != ""
}

// isAPIServer says whether a Service is that of the API server.
func isAPIServer(key service.Key) bool {
	return key == service.Key{Namespace: metav1.NamespaceDefault, Name: "kubernetes"}
}
