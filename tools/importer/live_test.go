package importer_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"

	"external-services/tools/importer"
	"external-services/tools/service"
)

// A cluster becomes the same entries as the manifests of its objects, also if a list delivers them twice.
func TestReadCluster(t *testing.T) {
	const text = `
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Endpoints, metadata: {name: db, namespace: shop}, subsets: [{addresses: [{ip: 10.0.4.11}], ports: [{port: 80}]}]}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: db-abc, namespace: shop, labels: {kubernetes.io/service-name: db,
  endpointslice.kubernetes.io/managed-by: endpointslicemirroring-controller.k8s.io}}, endpoints: [{addresses: [10.0.4.11]}], ports: [{port: 80}]}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {selector: {app: web}, ports: [{port: 80}]}}`
	want := importTexts(t, importer.Options{}, false, map[string]string{"in.yaml": text})
	manifests, broken := service.FromManifests("in.yaml", []byte(text))
	if broken != nil {
		t.Fatal(broken)
	}
	var objects []runtime.Object
	for _, m := range manifests {
		objects = append(objects, m.Object.(runtime.Object))
	}
	client := fake.NewClientset(objects...)
	o := importer.NewObjects()
	for range 2 {
		if err := o.ReadCluster(t.Context(), client, "shop", nil); err != nil {
			t.Fatal(err)
		}
	}
	got, err := importer.Import(o, importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want.Values, got.Values = nil, nil // they name where the objects are from
	want.Read.EndpointSlices = 0       // the cluster's is not kept, as Kubernetes created it
	if diff := cmp.Diff(want, got); len(got.Entries) != 1 || diff != "" {
		t.Errorf("%d entries (-manifests +cluster):\n%s", len(got.Entries), diff)
	}

	client.PrependReactor("list", "endpoints", func(kubetesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "endpoints"}, "", nil)
	})
	err = importer.NewObjects().ReadCluster(t.Context(), client, "", nil)
	if err == nil || !strings.HasPrefix(err.Error(), "list endpoints of all namespaces: ") || !strings.Contains(err.Error(), "ask for permission to list services, endpoints and endpointslices") {
		t.Error(err)
	}
}
