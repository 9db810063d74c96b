// Package live reads the objects of a cluster that serve Services: one list for each
// kind, in pages, and never an object by itself.
package live

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// PageSize is how many objects a call asks for, as in kubectl get.
const PageSize = 500

// What manages the EndpointSlices that Kubernetes makes, as their label
// endpointslice.kubernetes.io/managed-by says.
const (
	// PodEndpoints makes those of the pods of a selector.
	PodEndpoints = "endpointslice-controller.k8s.io"
	// MirroredEndpoints makes those of an Endpoints object.
	MirroredEndpoints = "endpointslicemirroring-controller.k8s.io"
)

// Services calls a function with each Service of a namespace, or of every one where that
// is empty. The errors are those of the API server.
func Services(ctx context.Context, client kubernetes.Interface, namespace string, each func(*corev1.Service)) error {
	return pages(func(options metav1.ListOptions) (metav1.ListInterface, error) {
		list, err := client.CoreV1().Services(namespace).List(ctx, options)
		return list, deliver(err, list.Items, each)
	})
}

// EndpointSlices is Services for EndpointSlices.
func EndpointSlices(ctx context.Context, client kubernetes.Interface, namespace string, each func(*discoveryv1.EndpointSlice)) error {
	return pages(func(options metav1.ListOptions) (metav1.ListInterface, error) {
		list, err := client.DiscoveryV1().EndpointSlices(namespace).List(ctx, options)
		return list, deliver(err, list.Items, each)
	})
}

// Endpoints is Services for Endpoints.
//
//nolint:staticcheck // deprecated since Kubernetes 1.33 and rendered on request
func Endpoints(ctx context.Context, client kubernetes.Interface, namespace string, each func(*corev1.Endpoints)) error {
	return pages(func(options metav1.ListOptions) (metav1.ListInterface, error) {
		list, err := client.CoreV1().Endpoints(namespace).List(ctx, options)
		return list, deliver(err, list.Items, each)
	})
}

// Namespaces calls a function with each namespace.
func Namespaces(ctx context.Context, client kubernetes.Interface, each func(*corev1.Namespace)) error {
	return pages(func(options metav1.ListOptions) (metav1.ListInterface, error) {
		list, err := client.CoreV1().Namespaces().List(ctx, options)
		return list, deliver(err, list.Items, each)
	})
}

// deliver hands over the objects of a page, each in memory of its own: who keeps one
// does not keep the page.
func deliver[T any](err error, items []T, each func(*T)) error {
	if err != nil {
		return err
	}
	for i := range items {
		item := items[i]
		if object, ok := any(&item).(metav1.Object); ok {
			object.SetManagedFields(nil) // half of an object's size, and never asked for
		}
		each(&item)
	}
	return nil
}

func pages(list func(metav1.ListOptions) (metav1.ListInterface, error)) error {
	options := metav1.ListOptions{Limit: PageSize}
	for {
		page, err := list(options)
		if err != nil {
			return err
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return nil
		}
	}
}
