package importer

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"external-services/tools/service"
)

// ReadCluster adds the Services, Endpoints and EndpointSlices of a namespace, or of all namespaces if it is
// empty. It keeps only what can be imported, so that its memory does not depend on the pods of the cluster. A
// list may deliver an object twice: the last one counts.
func (o *Objects) ReadCluster(
	ctx context.Context, client kubernetes.Interface, namespace string, progress func(kind string, count int),
) error {
	r := &clusterReader{Objects: o, ctx: ctx, progress: progress}
	r.from = "the namespace " + namespace
	if namespace == "" {
		r.from = "all namespaces"
	}
	o.sources[r.from] = true
	if err := list(r, "services", client.CoreV1().Services(namespace).List, func(svc *corev1.Service) {
		if service.HasSelector(svc) && !o.Selectors {
			svc = &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Name: svc.Name, Namespace: svc.Namespace},
				Spec:       corev1.ServiceSpec{Selector: svc.Spec.Selector},
			}
		}
		r.add(kindService, svc, false)
	}); err != nil {
		return err
	}
	if err := list(r, "endpoints", client.CoreV1().Endpoints(namespace).List, func(endpoints *service.Endpoints) {
		r.add(kindEndpoints, endpoints, o.isCreatedEndpoints(endpoints))
	}); err != nil {
		return err
	}
	return list(r, "endpointslices", client.DiscoveryV1().EndpointSlices(namespace).List, func(slice *discoveryv1.EndpointSlice) {
		r.add(kindSlice, slice, o.isCreatedSlice(slice))
	})
}

type clusterReader struct {
	*Objects
	ctx      context.Context
	from     string
	progress func(kind string, count int)
}

func (r *clusterReader) add(kind string, object metav1.Object, isCreated bool) {
	if isCreated {
		r.created[kind][service.KeyOf(object)] = true
		return
	}
	r.keep(service.Manifest{TypeMeta: metav1.TypeMeta{Kind: kind}, Object: object}) // From no file
}

const askForPermission = "ask for permission to list services, endpoints and endpointslices, or import with -f what " +
	"somebody else exports: kubectl get services,endpoints,endpointslices -o yaml"

func list[T any, L runtime.Object](r *clusterReader, kind string, lister service.Lister[L], each func(*T)) error {
	count := 0
	err := service.List(r.ctx, lister, func(object *T) {
		if count++; count%service.PageSize == 0 && r.progress != nil {
			r.progress(kind, count)
		}
		each(object)
	})
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("list %s of %s: %w: %s", kind, r.from, err, askForPermission)
	}
	if err != nil {
		return fmt.Errorf("list %s of %s: %w", kind, r.from, err)
	}
	return nil
}
