// Package manifests renders the chart to objects of the Kubernetes API as a GitOps program
// does, and finds where an API server keeps them.
package manifests

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/release"
)

// Template is what helm template prints for values files, without the Pod of helm test:
// what Argo CD makes of the chart.
func Template(t testing.TB, r release.Release, files []string) []*unstructured.Unstructured {
	t.Helper()
	out, err := r.Output(append(r.WithChart("template", files), "--skip-tests")...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return Parse(t, out)
}

// Parse returns the objects of a stream of YAML documents.
func Parse(t testing.TB, text string) (found []*unstructured.Unstructured) {
	t.Helper()
	for _, document := range strings.Split("\n"+text, "\n---\n") {
		var o unstructured.Unstructured
		if err := yaml.UnmarshalStrict([]byte(document), &o.Object); err != nil {
			t.Fatal(err)
		}
		if len(o.Object) > 0 {
			found = append(found, &o)
		}
	}
	return found
}

// Resource is where the API server of a kubeconfig has objects of the kind of one. The error
// is for a kind that it does not know.
func Resource(t testing.TB, kubeconfig string, o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	kind := o.GroupVersionKind()
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kinds))
	mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return client.Resource(mapping.Resource), nil
	}
	return client.Resource(mapping.Resource).Namespace(o.GetNamespace()), nil
}
