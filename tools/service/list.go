package service

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/pager"
)

// PageSize is how many objects a call asks for, as in kubectl get.
const PageSize = 500

// ListServices calls a function with each Service of a namespace, or of all namespaces if it is empty. The
// errors are those of the API server. The function may see an object twice: if the API server forgets the
// list while its pages are read, the rest comes in one call, with what is there by then.
func ListServices(ctx context.Context, client kubernetes.Interface, namespace string, each func(*corev1.Service)) error {
	return list(ctx, each, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return client.CoreV1().Services(namespace).List(ctx, o)
	})
}

// ListEndpointSlices is ListServices for EndpointSlices.
func ListEndpointSlices(ctx context.Context, client kubernetes.Interface, namespace string, each func(*discoveryv1.EndpointSlice)) error {
	return list(ctx, each, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return client.DiscoveryV1().EndpointSlices(namespace).List(ctx, o)
	})
}

// ListEndpoints is ListServices for Endpoints.
func ListEndpoints(ctx context.Context, client kubernetes.Interface, namespace string, each func(*Endpoints)) error {
	return list(ctx, each, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return client.CoreV1().Endpoints(namespace).List(ctx, o)
	})
}

// ListPods is ListServices for the pods of a selector.
func ListPods(ctx context.Context, client kubernetes.Interface, namespace, selector string, each func(*corev1.Pod)) error {
	return list(ctx, each, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		o.LabelSelector = selector
		return client.CoreV1().Pods(namespace).List(ctx, o)
	})
}

// ListNamespaces is ListServices for the namespaces themselves.
func ListNamespaces(ctx context.Context, client kubernetes.Interface, each func(*corev1.Namespace)) error {
	return list(ctx, each, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return client.CoreV1().Namespaces().List(ctx, o)
	})
}

// list reads a list in pages. Each object is copied out of its page, so that keeping one does not keep the
// page, and loses its managed fields, half of its size.
func list[T any](ctx context.Context, each func(*T), page pager.ListPageFunc) error {
	deliver := func(object runtime.Object) error {
		item := *any(object).(*T)
		any(&item).(metav1.Object).SetManagedFields(nil)
		each(&item)
		return nil
	}
	paged := &pager.ListPager{PageSize: PageSize, PageFn: page}
	err := paged.EachListItem(ctx, metav1.ListOptions{}, deliver)
	if !apierrors.IsResourceExpired(err) {
		return err
	}
	whole, err := page(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	return meta.EachListItem(whole, deliver)
}
