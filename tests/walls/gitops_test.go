package walls

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/release"
	"external-services/tools/check"
)

// template is what helm template prints for values, but for the Pod of helm test: what
// Argo CD makes of the chart.
func (c *testCluster) template(t *testing.T, program, namespace string, files []string) []*unstructured.Unstructured {
	t.Helper()
	r := release.Of(t, program, "outside", namespace, c.Kubeconfig)
	out, err := r.Output(append(r.WithChart("template", files), "--skip-tests")...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return objects(t, out)
}

// objects are those of a stream of YAML documents.
func objects(t *testing.T, text string) (found []*unstructured.Unstructured) {
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

// resource is where the API server has objects of the kind of one.
func (c *testCluster) resource(t *testing.T, o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	kind := o.GroupVersionKind()
	mapping, err := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.client.Discovery())).RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return client.Resource(mapping.Resource), nil
	}
	return client.Resource(mapping.Resource).Namespace(o.GetNamespace()), nil
}

// apply applies an object on the server, as a GitOps controller does.
func (c *testCluster) apply(t *testing.T, o *unstructured.Unstructured, dryRun ...string) *unstructured.Unstructured {
	t.Helper()
	resource, err := c.resource(t, o)
	if err != nil {
		t.Fatal(err)
	}
	applied, err := resource.Apply(t.Context(), o.GetName(), o, metav1.ApplyOptions{FieldManager: "gitops", Force: true, DryRun: dryRun})
	if err != nil {
		t.Fatalf("apply %s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return applied
}

// Argo CD leaves out the kinds that the guide quotes; extsvc check says so, names the
// setting, and is content when they are there.
func TestArgoCDExclusions(t *testing.T) {
	var excluded []struct{ APIGroups, Kinds []string }
	if err := yaml.UnmarshalStrict([]byte(block(t, "walls.md", "yaml", "- EndpointSlice")), &excluded); err != nil || len(excluded) != 1 {
		t.Fatalf("%d items: %v", len(excluded), err)
	}
	for _, c := range clusters {
		t.Run(c.version, func(t *testing.T) {
			const namespace = "argocd-shop"
			c.namespace(t, namespace)
			files := values(t, `services:
- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}
- {name: legacy, addresses: [10.0.4.12], ports: [{port: 80}], endpointsKind: Endpoints}
- {name: alias, externalName: reports.corp.example}
`)
			var left []*unstructured.Unstructured
			for _, o := range c.template(t, "helm4", namespace, files) {
				kind := o.GroupVersionKind()
				if slices.Contains(excluded[0].APIGroups, kind.Group) && slices.Contains(excluded[0].Kinds, kind.Kind) {
					left = append(left, o)
					continue
				}
				c.apply(t, o)
			}
			if len(left) != 2 {
				t.Errorf("%d objects are excluded, want 2", len(left))
			}
			found := func() check.Report {
				var report check.Report
				out, err := extsvc(t, "check", "-n", namespace, "-f", files[0], "--kubeconfig", c.Kubeconfig, "-o", "json", "--no-resolve", "--exit-zero")
				if err == nil {
					err = json.Unmarshal([]byte(out), &report)
				}
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				return report
			}
			report := found()
			_, shown, _ := strings.Cut(block(t, "walls.md", "text", "(endpoints-missing)"), "What is wrong  ")
			shown, _, _ = strings.Cut(shown, "\n") // what follows is left out there
			shown = strings.ReplaceAll(shown, " shop/", " "+namespace+"/")
			if !slices.ContainsFunc(report.Findings, func(f check.Finding) bool { return f.What == shown }) {
				t.Errorf("the guide shows %q, and check says %v", shown, report.Findings)
			}
			if len(report.Findings) != 2 {
				t.Errorf("%d findings, want 2: %v", len(report.Findings), report.Findings)
			}
			for _, f := range report.Findings {
				if f.Code != check.EndpointsMissing || f.Severity != check.Error || !strings.Contains(f.Cause, "resource.exclusions") || !strings.Contains(strings.Join(f.Fix, " "), "argocd-cm") {
					t.Errorf("%+v", f)
				}
			}
			for _, o := range left {
				c.apply(t, o)
			}
			eventually(t, "check is content", func() error {
				if report := found(); len(report.Findings) > 0 {
					return fmt.Errorf("it finds %v", report.Findings)
				}
				return nil
			})
		})
	}
}

// What is applied again changes nothing: Flux and Argo CD, which compare by a dry run on
// the server, see no drift, also where Kubernetes adds fields, slices and mirrors. And what
// is rendered without a cluster is what Helm renders with one.
func TestNoDrift(t *testing.T) {
	for _, c := range clusters {
		for _, program := range programs {
			t.Run(c.version+"/"+program, func(t *testing.T) {
				namespace := "drift-" + program
				c.namespace(t, namespace)
				files := values(t, `services:
- {name: alias, externalName: reports.corp.example, ports: [{port: 80}]}
- {name: orders, addresses: [10.0.4.11, {ip: 10.0.4.12, ready: false}], ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP}]}
- {name: legacy, addresses: [10.0.4.13], ports: [{port: 80}], endpointsKind: Endpoints}
- {name: brokers, addresses: [{ip: 10.0.4.14, hostname: kafka-0}], ports: [{port: 9092}], headless: true}
- {name: both, addresses: [10.0.4.15], ports: [{port: 80, podPort: web}], backend: both, selector: {app: both}}
- {name: pods, ports: [{port: 80}], backend: cluster, selector: {app: pods}}
- {name: parked, addresses: [10.0.4.16], ports: [{port: 80}], selector: {app: parked}, sessionAffinity: ClientIP, trafficDistribution: PreferClose}
- {name: dual, addresses: [10.0.4.17, "2001:db8::17"], ports: [{port: 80, appProtocol: http}]}
`)
				r := release.Of(t, program, "outside", namespace, c.Kubeconfig)
				r.Do("install", files)
				eventually(t, "the controllers have made their slices", func() error {
					for _, name := range []string{"legacy", "both", "pods"} {
						slices, err := c.client.DiscoveryV1().EndpointSlices(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + name})
						if err != nil || len(slices.Items) == 0 || name == "both" && len(slices.Items) < 2 {
							return fmt.Errorf("%s has %d EndpointSlices: %v", name, len(slices.Items), err)
						}
					}
					return nil
				})
				rendered := c.template(t, program, namespace, files)
				out, err := r.Command("get", "manifest", r.Name).Output()
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(rendered, objects(t, string(out))); diff != "" {
					t.Errorf("rendered without and with the cluster (-without +with):\n%s", diff)
				}
				if len(rendered) != 15 {
					t.Errorf("%d objects, want 15", len(rendered))
				}
				for _, o := range rendered {
					resource, err := c.resource(t, o)
					if err != nil {
						t.Fatal(err)
					}
					live, err := resource.Get(t.Context(), o.GetName(), metav1.GetOptions{})
					if err != nil {
						t.Fatal(err)
					}
					again := c.apply(t, o, metav1.DryRunAll)
					live.SetManagedFields(nil)
					again.SetManagedFields(nil)
					if diff := cmp.Diff(live.Object, again.Object); diff != "" {
						t.Errorf("%s %s (-live +applied again):\n%s", o.GetKind(), o.GetName(), diff)
					}
				}
			})
		}
	}
}

// Who reads Endpoints only finds those of entries that ask for them.
func TestConsumersOfEndpoints(t *testing.T) {
	for _, c := range clusters {
		t.Run(c.version, func(t *testing.T) {
			const namespace = "consumers"
			c.namespace(t, namespace)
			release.Of(t, "helm", "outside", namespace, c.Kubeconfig).Do("install", values(t, `services:
- {name: slices, addresses: [10.0.4.11], ports: [{port: 80}]}
- {name: legacy, addresses: [10.0.4.11], ports: [{port: 80}], endpointsKind: Endpoints}
`))
			eventually(t, "the Endpoints are mirrored", func() error {
				mirrored, err := c.client.DiscoveryV1().EndpointSlices(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=legacy"})
				if err == nil && (len(mirrored.Items) != 1 || mirrored.Items[0].Endpoints[0].Addresses[0] != "10.0.4.11") {
					err = fmt.Errorf("there are %v", mirrored.Items)
				}
				return err
			})
			//nolint:staticcheck // what such a consumer reads
			legacy, err := c.client.CoreV1().Endpoints(namespace).Get(t.Context(), "legacy", metav1.GetOptions{})
			if err != nil || legacy.Subsets[0].Addresses[0].IP != "10.0.4.11" {
				t.Errorf("%v: %v", legacy, err)
			}
			//nolint:staticcheck // what such a consumer reads
			if _, err := c.client.CoreV1().Endpoints(namespace).Get(t.Context(), "slices", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("the Endpoints of an entry with EndpointSlices: %v, want that there are none", err)
			}
		})
	}
}
