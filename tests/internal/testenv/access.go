package testenv

import (
	"errors"
	"fmt"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// WaitForAccess waits until a service account may do something, or may not: the API server learns of roles and
// bindings by watches of its own.
func WaitForAccess(t testing.TB, client kubernetes.Interface, namespace, account string, what authorizationv1.ResourceAttributes, allowed bool) {
	t.Helper()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: "system:serviceaccount:" + namespace + ":" + account, ResourceAttributes: &what,
	}}
	Eventually(t, fmt.Sprintf("%s may %+v: %t", account, what, allowed), func() error {
		answer, err := client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
		if err == nil && answer.Status.Allowed != allowed {
			err = errors.New("not yet")
		}
		return err
	})
}
