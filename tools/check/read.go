package check

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"external-services/tools/live"
)

// few is how many namespaces are listed one by one; of more, the whole cluster is listed
// once.
const few = 3

// A kind of object, as roles and messages call it.
type kind struct{ resource, group, name string }

var (
	services   = kind{"services", "", "Services"}
	epSlices   = kind{"endpointslices", "discovery.k8s.io", "EndpointSlices"}
	endpoints  = kind{"endpoints", "", "Endpoints"}
	namespaces = kind{"namespaces", "", "namespaces"}
)

// found is what the cluster has of the entries. It keeps only what belongs to one of
// them, so that its size is that of the release and not of the cluster.
type found struct {
	ctx      context.Context
	client   kubernetes.Interface
	wanted   []*wanted
	progress func(string)

	services map[Key]*corev1.Service
	slices   map[Key][]*discoveryv1.EndpointSlice // by their Service
	named    map[Key]*discoveryv1.EndpointSlice   // those of our names, by these

	//nolint:staticcheck // deprecated since Kubernetes 1.33 and rendered on request
	endpoints map[Key]*corev1.Endpoints // those of entries that want one

	missing  map[string]bool          // namespaces that do not exist
	unread   map[kind]map[string]bool // namespaces in which a kind could not be read
	findings []Finding
}

// read lists what there is.
func (f *found) read() {
	f.services = map[Key]*corev1.Service{}
	f.slices = map[Key][]*discoveryv1.EndpointSlice{}
	f.named = map[Key]*discoveryv1.EndpointSlice{}
	f.endpoints = map[Key]*corev1.Endpoints{} //nolint:staticcheck // see found
	f.missing = map[string]bool{}
	f.unread = map[kind]map[string]bool{}

	entries, sliceNames, legacy := map[Key]bool{}, map[Key]bool{}, map[Key]bool{}
	inNamespace, withEndpoints := map[string]bool{}, map[string]bool{}
	for _, w := range f.wanted {
		entries[w.Key] = true
		inNamespace[w.Namespace] = true
		if w.endpoints != nil {
			legacy[w.Key] = true
			withEndpoints[w.Namespace] = true
		}
		for _, slice := range w.slices {
			sliceNames[Key{Namespace: slice.Namespace, Name: slice.Name}] = true
		}
	}
	count := 0
	counted := func(k kind) {
		if count++; count%live.PageSize == 0 {
			f.progress(fmt.Sprintf("list %s: %d so far", k.name, count))
		}
	}
	f.list(services, inNamespace, func(namespace string) error {
		return live.Services(f.ctx, f.client, namespace, func(service *corev1.Service) {
			counted(services)
			if key := (Key{Namespace: service.Namespace, Name: service.Name}); entries[key] {
				f.services[key] = service
			}
		})
	})
	count = 0
	f.list(epSlices, inNamespace, func(namespace string) error {
		return live.EndpointSlices(f.ctx, f.client, namespace, func(slice *discoveryv1.EndpointSlice) {
			counted(epSlices)
			if key := serviceOf(slice); entries[key] {
				f.slices[key] = append(f.slices[key], slice)
			}
			if key := (Key{Namespace: slice.Namespace, Name: slice.Name}); sliceNames[key] {
				f.named[key] = slice
			}
		})
	})
	count = 0
	f.list(endpoints, withEndpoints, func(namespace string) error {
		//nolint:staticcheck // see found
		return live.Endpoints(f.ctx, f.client, namespace, func(o *corev1.Endpoints) {
			counted(endpoints)
			if key := (Key{Namespace: o.Namespace, Name: o.Name}); legacy[key] {
				f.endpoints[key] = o
			}
		})
	})
	f.lookForNamespaces(inNamespace)
}

// list lists a kind in some namespaces: one by one if they are few, and else, where that
// is allowed, in the whole cluster at once.
func (f *found) list(k kind, in map[string]bool, list func(namespace string) error) {
	if len(in) == 0 || f.ctx.Err() != nil {
		return
	}
	f.progress("list " + k.name)
	if len(in) > few {
		err := list(metav1.NamespaceAll)
		if err == nil {
			return
		}
		if !apierrors.IsForbidden(err) {
			f.couldNot("list", k, in, err)
			return
		}
	}
	failed := map[string]bool{}
	var why error
	for _, namespace := range slices.Sorted(maps.Keys(in)) {
		if err := list(namespace); err != nil {
			failed[namespace], why = true, err
		}
	}
	f.couldNot("list", k, failed, why)
}

// couldNot notes that a kind could not be read in some namespaces by a verb, and what
// follows.
func (f *found) couldNot(verb string, k kind, in map[string]bool, why error) {
	if len(in) == 0 {
		return
	}
	f.unread[k] = in
	names := slices.Sorted(maps.Keys(in))
	finding := Finding{Key{Namespace: names[0]}, NotChecked, Warning,
		fmt.Sprintf("The %s of %s could not be read (%s), so that nothing is said about them.", k.name, some(names), why),
		"", []string{"Check again when the API server answers."}}
	if len(names) > 1 {
		finding.Key = Key{}
	}
	if apierrors.IsForbidden(why) {
		group := `""`
		if k.group != "" {
			group = k.group
		}
		finding.Cause = fmt.Sprintf("The role of this user lacks the verb %s for %s. Kubernetes' own roles have endpoints and endpointslices for reading, and because of CVE-2021-25740 not for writing.", verb, k.resource)
		finding.Fix = []string{fmt.Sprintf("Grant the verb %s for the resource %s of the API group %s in %s.", verb, k.resource, group, some(names))}
	}
	f.findings = append(f.findings, finding)
}

// lookForNamespaces looks whether the namespaces exist that have none of the Services.
func (f *found) lookForNamespaces(in map[string]bool) {
	suspects := maps.Clone(in)
	for key := range f.services {
		delete(suspects, key.Namespace)
	}
	for namespace := range f.unread[services] {
		delete(suspects, namespace) // whether it has any is unknown
	}
	if len(suspects) == 0 || f.ctx.Err() != nil {
		return
	}
	if len(suspects) <= few {
		for namespace := range suspects {
			// A role for one namespace may get it and may not list all. Who may do neither
			// learns that the Services are missing, which is true as well.
			if _, err := f.client.CoreV1().Namespaces().Get(f.ctx, namespace, metav1.GetOptions{}); apierrors.IsNotFound(err) {
				f.missing[namespace] = true
			} else if err != nil {
				f.couldNot("get", namespaces, map[string]bool{namespace: true}, err)
			}
		}
	} else {
		there := map[string]bool{}
		err := live.Namespaces(f.ctx, f.client, func(o *corev1.Namespace) { there[o.Name] = true })
		if err != nil {
			f.couldNot("list", namespaces, suspects, err)
			return
		}
		for namespace := range suspects {
			f.missing[namespace] = !there[namespace]
		}
	}
	for _, namespace := range slices.Sorted(maps.Keys(f.missing)) {
		if !f.missing[namespace] {
			continue
		}
		f.findings = append(f.findings, Finding{Key{Namespace: namespace}, NamespaceMissing, Error,
			fmt.Sprintf("The namespace %s does not exist, and so none of the Services in it.", namespace),
			"It was deleted after the installation, or this is another cluster.",
			[]string{fmt.Sprintf("Run kubectl create namespace %s, and upgrade the release.", namespace)}})
	}
}

// couldRead says whether a kind was listed in a namespace.
func (f *found) couldRead(k kind, namespace string) bool { return !f.unread[k][namespace] }

// partly says whether something of a namespace could not be read.
func (f *found) partly(namespace string) bool {
	return slices.ContainsFunc([]kind{services, epSlices, endpoints}, func(k kind) bool { return !f.couldRead(k, namespace) })
}

// most is how many items a sentence lists.
const most = 5

// some joins a list and cuts a long one off, saying so.
func some(list []string) string {
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}
