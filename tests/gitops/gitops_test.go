package gitops

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/guides"
	"external-services/tests/internal/manifests"
	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
	"external-services/tools/check"
	"external-services/tools/findings"
)

// apply applies an object on the server, as a GitOps controller does.
func apply(t *testing.T, s *testenv.APIServer, o *unstructured.Unstructured, dryRun ...string) *unstructured.Unstructured {
	t.Helper()
	resource, err := manifests.Resource(t, s.Kubeconfig, o)
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
	if err := yaml.UnmarshalStrict([]byte(guides.Block(t, "gitops.md", "yaml", "- EndpointSlice")), &excluded); err != nil || len(excluded) != 1 {
		t.Fatalf("%d items: %v", len(excluded), err)
	}
	for _, s := range servers {
		t.Run(s.Version, func(t *testing.T) {
			const namespace = "argocd-shop"
			s.MakeNamespace(t, namespace)
			files := release.Values(t, `services:
- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}
- {name: legacy, addresses: [10.0.4.12], ports: [{port: 80}], endpointsKind: Endpoints}
- {name: alias, externalName: reports.corp.example}
`)
			var left []*unstructured.Unstructured
			for _, o := range manifests.Template(t, release.Of(t, "helm4", "outside", namespace, s.Kubeconfig), files) {
				kind := o.GroupVersionKind()
				if slices.Contains(excluded[0].APIGroups, kind.Group) && slices.Contains(excluded[0].Kinds, kind.Kind) {
					left = append(left, o)
					continue
				}
				apply(t, s, o)
			}
			if len(left) != 2 {
				t.Errorf("%d objects are excluded, want 2", len(left))
			}
			found := func() check.Report {
				var report check.Report
				out, err := testenv.Run(t, "extsvc", "check", "-n", namespace, "-f", files[0], "--kubeconfig", s.Kubeconfig, "-o", "json", "--no-resolve", "--exit-zero")
				if err == nil {
					err = json.Unmarshal([]byte(out), &report)
				}
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				return report
			}
			report := found()
			_, shown, _ := strings.Cut(guides.Block(t, "gitops.md", "text", "(endpoints-missing)"), "Problem  ")
			shown, _, _ = strings.Cut(shown, "\n") // what follows is left out there
			shown = strings.ReplaceAll(shown, " shop/", " "+namespace+"/")
			if !slices.ContainsFunc(report.Findings, func(f findings.Finding) bool { return f.Message == shown }) {
				t.Errorf("the guide shows %q, and check says %v", shown, report.Findings)
			}
			if len(report.Findings) != 2 {
				t.Errorf("%d findings, want 2: %v", len(report.Findings), report.Findings)
			}
			for _, f := range report.Findings {
				if f.Code != findings.EndpointsMissing || f.Severity != findings.Error || !strings.Contains(f.Cause, "resource.exclusions") || !strings.Contains(strings.Join(f.Fix, " "), "argocd-cm") {
					t.Errorf("%+v", f)
				}
			}
			for _, o := range left {
				apply(t, s, o)
			}
			testenv.Eventually(t, "check is content", func() error {
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
	for _, s := range servers {
		for _, program := range programs {
			t.Run(s.Version+"/"+program, func(t *testing.T) {
				namespace := "drift-" + program
				s.MakeNamespace(t, namespace)
				files := release.Values(t, `services:
- {name: alias, externalName: reports.corp.example, ports: [{port: 80}]}
- {name: orders, addresses: [10.0.4.11, {ip: 10.0.4.12, ready: false}], ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP}]}
- {name: legacy, addresses: [10.0.4.13], ports: [{port: 80}], endpointsKind: Endpoints}
- {name: brokers, addresses: [{ip: 10.0.4.14, hostname: kafka-0}], ports: [{port: 9092}], headless: true}
- {name: both, addresses: [10.0.4.15], ports: [{port: 80, podPort: web}], backend: both, selector: {app: both}}
- {name: pods, ports: [{port: 80}], backend: cluster, selector: {app: pods}}
- {name: parked, addresses: [10.0.4.16], ports: [{port: 80}], selector: {app: parked}, sessionAffinity: ClientIP, trafficDistribution: PreferClose}
- {name: dual, addresses: [10.0.4.17, "2001:db8::17"], ports: [{port: 80, appProtocol: http}]}
`)
				r := release.Of(t, program, "outside", namespace, s.Kubeconfig)
				r.Do("install", files)
				testenv.Eventually(t, "the controllers have made their slices", func() error {
					for _, name := range []string{"legacy", "both", "pods"} {
						slices, err := s.API.DiscoveryV1().EndpointSlices(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + name})
						if err != nil || len(slices.Items) == 0 || name == "both" && len(slices.Items) < 2 {
							return fmt.Errorf("%s has %d EndpointSlices: %v", name, len(slices.Items), err)
						}
					}
					return nil
				})
				rendered := manifests.Template(t, r, files)
				out, err := r.Command("get", "manifest", r.Name).Output()
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(rendered, manifests.Parse(t, string(out))); diff != "" {
					t.Errorf("rendered without and with the cluster (-without +with):\n%s", diff)
				}
				if len(rendered) != 15 {
					t.Errorf("%d objects, want 15", len(rendered))
				}
				for _, o := range rendered {
					resource, err := manifests.Resource(t, s.Kubeconfig, o)
					if err != nil {
						t.Fatal(err)
					}
					live, err := resource.Get(t.Context(), o.GetName(), metav1.GetOptions{})
					if err != nil {
						t.Fatal(err)
					}
					again := apply(t, s, o, metav1.DryRunAll)
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
	for _, s := range servers {
		t.Run(s.Version, func(t *testing.T) {
			const namespace = "consumers"
			s.MakeNamespace(t, namespace)
			release.Of(t, "helm", "outside", namespace, s.Kubeconfig).Do("install", release.Values(t, `services:
- {name: slices, addresses: [10.0.4.11], ports: [{port: 80}]}
- {name: legacy, addresses: [10.0.4.11], ports: [{port: 80}], endpointsKind: Endpoints}
`))
			testenv.Eventually(t, "the Endpoints are mirrored", func() error {
				mirrored, err := s.API.DiscoveryV1().EndpointSlices(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=legacy"})
				if err == nil && (len(mirrored.Items) != 1 || mirrored.Items[0].Endpoints[0].Addresses[0] != "10.0.4.11") {
					err = fmt.Errorf("there are %v", mirrored.Items)
				}
				return err
			})
			legacy, err := s.API.CoreV1().Endpoints(namespace).Get(t.Context(), "legacy", metav1.GetOptions{})
			if err != nil || legacy.Subsets[0].Addresses[0].IP != "10.0.4.11" {
				t.Errorf("%v: %v", legacy, err)
			}
			if _, err := s.API.CoreV1().Endpoints(namespace).Get(t.Context(), "slices", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("the Endpoints of an entry with EndpointSlices: %v, want that there are none", err)
			}
		})
	}
}
