package service

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/pager"
)

// PageSize is how many objects a call asks for, as in kubectl get.
const PageSize = 500

// Lister is the method List of a client, such as client.CoreV1().Services("shop").List.
type Lister[L runtime.Object] func(context.Context, metav1.ListOptions) (L, error)

// List calls a function with each object of a list, which it reads in pages. Each is copied out of its page, so
// that keeping one does not keep the page, and loses its managed fields, half of its size. The function may see
// an object twice: if the API server forgets the list while its pages are read, the rest comes in one call, with
// what is there by then. The errors are those of the API server.
func List[T any, L runtime.Object](ctx context.Context, lister Lister[L], each func(*T)) error {
	page := func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return lister(ctx, o) }
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
