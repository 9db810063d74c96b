package importer

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// pageSize is how many objects one call of the API server lists.
const pageSize = 500

// Live reads the Services, Endpoints and EndpointSlices of a namespace, or of all of them
// where it is empty. It lists each of the three in pages, and keeps of a page only what can
// be imported. Progress is told after each page.
func (o *Objects) Live(ctx context.Context, client kubernetes.Interface, namespace string, progress func(kind string, count int)) error {
	o.sources["the namespace "+namespace] = true
	if namespace == "" {
		delete(o.sources, "the namespace ")
		o.sources["all namespaces"] = true
	}
	const from = "the cluster"
	if err := pages(ctx, "services", namespace, progress, func(list metav1.ListOptions) (metav1.ListInterface, int, error) {
		page, err := client.CoreV1().Services(namespace).List(ctx, list)
		if err != nil {
			return nil, 0, err
		}
		for i := range page.Items {
			service := page.Items[i].DeepCopy() // so that the page can go
			if selectsPods(service) && !o.Selectors {
				service = &corev1.Service{
					ObjectMeta: metav1.ObjectMeta{Name: service.Name, Namespace: service.Namespace, UID: service.UID},
					Spec:       corev1.ServiceSpec{Selector: service.Spec.Selector},
				}
			}
			if err := o.addLive(service, from); err != nil {
				return nil, 0, err
			}
		}
		return page, len(page.Items), nil
	}); err != nil {
		return err
	}
	if err := pages(ctx, "endpoints", namespace, progress, func(list metav1.ListOptions) (metav1.ListInterface, int, error) {
		page, err := client.CoreV1().Endpoints(namespace).List(ctx, list) //nolint:staticcheck // what there is to import
		if err != nil {
			return nil, 0, err
		}
		for i := range page.Items {
			if o.endpointsMadeByController(&page.Items[i]) {
				o.made++
			} else if err := o.addLive(page.Items[i].DeepCopy(), from); err != nil {
				return nil, 0, err
			}
		}
		return page, len(page.Items), nil
	}); err != nil {
		return err
	}
	return pages(ctx, "endpointslices", namespace, progress, func(list metav1.ListOptions) (metav1.ListInterface, int, error) {
		page, err := client.DiscoveryV1().EndpointSlices(namespace).List(ctx, list)
		if err != nil {
			return nil, 0, err
		}
		for i := range page.Items {
			if o.sliceMadeByController(&page.Items[i]) {
				o.made++
			} else if err := o.addLive(page.Items[i].DeepCopy(), from); err != nil {
				return nil, 0, err
			}
		}
		return page, len(page.Items), nil
	})
}

// addLive adds an object of a page. One that changed while the pages were read can be on
// two of them, when the list has to begin again; the later one counts.
func (o *Objects) addLive(object metav1.Object, from string) error {
	key := keyOf(object)
	switch object.(type) {
	case *corev1.Service:
		if _, ok := o.services[key]; ok {
			delete(o.services, key)
			o.read["Service"]--
		}
	case *legacyEndpoints:
		if _, ok := o.endpoints[key]; ok {
			delete(o.endpoints, key)
			o.read["Endpoints"]--
		}
	case *discoveryv1.EndpointSlice:
		if _, ok := o.slices[key]; ok {
			delete(o.slices, key)
			o.read["EndpointSlice"]--
		}
	}
	return o.add(object, from)
}

// pages lists a kind of object in pages. Where the API server has forgotten the state of
// the first page, which it keeps for some minutes, the rest comes in one call.
func pages(ctx context.Context, kind, namespace string, progress func(string, int), list func(metav1.ListOptions) (metav1.ListInterface, int, error)) error {
	options := metav1.ListOptions{Limit: pageSize}
	for total := 0; ; {
		page, count, err := list(options)
		if apierrors.IsResourceExpired(err) && options.Continue != "" {
			options, total = metav1.ListOptions{}, 0
			continue
		}
		where := "the namespace " + namespace
		if namespace == "" {
			where = "all namespaces"
		}
		if apierrors.IsForbidden(err) {
			return fmt.Errorf("list the %s of %s: %w: ask for the permission to list services, endpoints and endpointslices, or import what somebody else exports: kubectl get services,endpoints,endpointslices -o yaml", kind, where, err)
		}
		if err != nil {
			return fmt.Errorf("list the %s of %s: %w", kind, where, err)
		}
		total += count
		if progress != nil {
			progress(kind, total)
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
