package render

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gruntwork-io/terratest/modules/helm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// What each backend renders: which selector the Service has, which port of the pods, and
// whether there are endpoints of ours. A selector that is declared and not in use is
// parked, so that Kubernetes clears away the endpoints of pods.
func TestBackends(t *testing.T) {
	pods, parked := map[string]string{"app": "orders", "tier": "web"}, map[string]string{"external-services/parked": "true"}
	const (
		addresses = `"addresses": ["10.0.0.1", "2001:db8::1"]`
		alias     = `"externalName": "orders.corp.example"`
		selector  = `"selector": {"app": "orders", "gone": null, "tier": "web"}`
		ports     = `"ports": [{"port": 80, "targetPort": 8080, "podPort": "http"}]`
		plain     = `"ports": [{"port": 80, "targetPort": 8080}]`
	)
	outside, number, name := intstr.FromInt32(8080), intstr.FromInt32(9090), intstr.FromString("http")
	for _, c := range []struct {
		name, entry string
		serviceType corev1.ServiceType
		selector    map[string]string
		targetPort  intstr.IntOrString
		policy      corev1.IPFamilyPolicy
		slices      int
		label       string
	}{
		{"no pods", addresses + "," + plain, corev1.ServiceTypeClusterIP, nil, outside, corev1.IPFamilyPolicyPreferDualStack, 2, "external"},
		{"parked", addresses + "," + selector + "," + ports, corev1.ServiceTypeClusterIP, parked, outside, corev1.IPFamilyPolicyPreferDualStack, 2, "external"},
		{"both", `"backend": "both",` + addresses + "," + selector + "," + ports, corev1.ServiceTypeClusterIP, pods, name, corev1.IPFamilyPolicyPreferDualStack, 2, "both"},
		{"both, the same port", `"backend": "both",` + addresses + "," + selector + "," + plain, corev1.ServiceTypeClusterIP, pods, outside, corev1.IPFamilyPolicyPreferDualStack, 2, "both"},
		{"cluster", `"backend": "cluster",` + addresses + "," + selector + "," + ports, corev1.ServiceTypeClusterIP, pods, name, corev1.IPFamilyPolicyPreferDualStack, 0, "cluster"},
		{"cluster, nothing outside", `"backend": "cluster", "ports": [{"port": 80, "podPort": 9090}],` + selector, corev1.ServiceTypeClusterIP, pods, number, "", 0, "cluster"},
		{"alias", alias + `, "ports": [{"port": 80, "podPort": "http"}],` + selector, corev1.ServiceTypeExternalName, nil, intstr.IntOrString{}, "", 0, "external"},
		{"alias that moved", `"backend": "cluster",` + alias + `, "ports": [{"port": 80, "podPort": "http"}],` + selector, corev1.ServiceTypeClusterIP, pods, name, "", 0, "cluster"},
	} {
		t.Run(c.name, func(t *testing.T) {
			result := decode(t, template(t, helm.Options{SetJSONValues: map[string]string{"services": `[{"name": "orders",` + c.entry + `}]`}}))
			if len(result.Services) != 1 || len(result.EndpointSlices) != c.slices || len(result.Endpoints) != 0 {
				t.Fatalf("%d Services, %d EndpointSlices, %d Endpoints, want 1, %d, 0", len(result.Services), len(result.EndpointSlices), len(result.Endpoints), c.slices)
			}
			service := result.Services[0]
			if service.Spec.Type != c.serviceType || service.Spec.ExternalName != "" && c.serviceType != corev1.ServiceTypeExternalName {
				t.Errorf("the type is %s and the external name %q", service.Spec.Type, service.Spec.ExternalName)
			}
			if !maps.Equal(service.Spec.Selector, c.selector) {
				t.Errorf("the selector is %v, want %v", service.Spec.Selector, c.selector)
			}
			if diff := cmp.Diff(c.targetPort, service.Spec.Ports[0].TargetPort); diff != "" {
				t.Errorf("targetPort (-want +got):\n%s", diff)
			}
			if policy := deref(service.Spec.IPFamilyPolicy); policy != c.policy {
				t.Errorf("ipFamilyPolicy is %q, want %q", policy, c.policy)
			}
			if label := service.Labels["external-services/backend"]; label != c.label {
				t.Errorf("the label external-services/backend is %q, want %q", label, c.label)
			}
			for _, slice := range result.EndpointSlices {
				if slice.Labels["external-services/backend"] != c.label || deref(slice.Ports[0].Port) != 8080 {
					t.Errorf("the slice %s has the labels %v and the port %d, want the port outside, 8080", slice.Name, slice.Labels, deref(slice.Ports[0].Port))
				}
			}
		})
	}
}
