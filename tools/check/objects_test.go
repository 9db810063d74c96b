package check

import (
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"external-services/tools/findings"
	"external-services/tools/helm"
)

// A check of a cluster from the list of its objects to the exit code.
func TestObjects(t *testing.T) {
	desired := rendered(t, web)
	objects := &helm.Result{}
	for _, m := range desired {
		objects.Services = append(objects.Services, m.Service)
		objects.EndpointSlices = append(objects.EndpointSlices, m.Slices...)
	}
	stored := asStored(desired).Services[desired[0].Key]
	client := fake.NewClientset(stored, desired[0].Slices[0])
	check := func(client *fake.Clientset, names ...string) (*Report, error) {
		return Objects(t.Context(), client, objects, release, Options{Entries: names, Progress: func(string) {}})
	}
	if r, err := check(client); err != nil || r.ExitCode() != findings.ExitOK || r.Entries[0].Result != OK {
		t.Errorf("healthy: %v: %+v", err, r)
	}
	if r, err := check(fake.NewClientset()); err != nil || r.ExitCode() != findings.ExitErrors || r.Entries[0].Result != Failed ||
		len(r.Findings) != 1 || r.Findings[0].Code != findings.NamespaceMissing {
		t.Errorf("no namespace: %v: %+v", err, r)
	}
	if _, err := check(client, "other"); err == nil {
		t.Error("no error for the name of no entry")
	}
	client.PrependReactor("list", "endpointslices", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(discoveryv1.Resource("endpointslices"), "", nil)
	})
	if r, err := check(client); err != nil || r.ExitCode() != findings.ExitNotice || r.Entries[0].Result != Unknown ||
		len(r.Findings) != 1 || r.Findings[0].Code != findings.NotChecked {
		t.Errorf("forbidden: %v: %+v", err, r)
	}
}
