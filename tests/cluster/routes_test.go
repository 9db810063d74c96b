package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"external-services/tools/findings"
)

// gvr is the resource of a kind that can be in front of an entry.
func gvr(kind schema.GroupVersionKind) schema.GroupVersionResource {
	resource := strings.ToLower(kind.Kind) + "s"
	resource = strings.NewReplacer("ingresss", "ingresses", "policys", "policies").Replace(resource)
	return schema.GroupVersionResource{Group: kind.Group, Version: kind.Version, Resource: resource}
}

var (
	ingresses    = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}
	ingressClass = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingressclasses"}
	httpRoutes   = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}
)

const routed = `services:
- {name: web, addresses: [192.168.92.1], ports: [{port: 80}], ingress: {className: internal, hosts: [web.example]}}
- {name: api, addresses: [192.168.92.2], ports: [{port: 80}], route: {parentRefs: [{name: public, namespace: network}], hostnames: [api.example]}}
`

// check says what the controllers say of what is in front, and finds what was deleted, changed or is not the release's.
func TestCheckOfRoutes(t *testing.T) {
	onlyAPI(t)
	installGatewayAPI(t)
	ctx := t.Context()
	namespace := ownNamespace("check-routes", "release")
	makeNamespace(t, namespace)
	r := releaseOf(t, "helm", "routed", namespace)
	t.Cleanup(r.Uninstall)
	r.Do("install", values(t, routed))

	// No IngressClass, and no Gateway that says anything.
	report := checkOf(t, "", r, nil, findings.RouteRefused, findings.RouteRefused)
	for _, f := range report.Findings {
		if !strings.Contains(f.Message, "the IngressClass internal does not exist") && !strings.Contains(f.Message, "HTTPRoute "+namespace+"/api for network/public") {
			t.Errorf("%+v", f)
		}
	}
	class := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": map[string]any{"name": "internal"},
		"spec": map[string]any{"controller": "example.com/none"},
	}}
	if _, err := dynamicClient.Resource(ingressClass).Create(ctx, class, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dynamicClient.Resource(ingressClass).Delete(context.WithoutCancel(ctx), "internal", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	say := func(accepted, resolved string) {
		t.Helper()
		route, err := dynamicClient.Resource(httpRoutes).Namespace(namespace).Get(ctx, "api", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		condition := func(kind, status string) any {
			return map[string]any{"type": kind, "status": status, "reason": "Because", "message": "said by a test", "lastTransitionTime": "2026-01-01T00:00:00Z"}
		}
		err = unstructured.SetNestedSlice(route.Object, []any{map[string]any{
			"parentRef": map[string]any{"name": "public", "namespace": "network"}, "controllerName": "example.com/test",
			"conditions": []any{condition("Accepted", accepted), condition("ResolvedRefs", resolved)},
		}}, "status", "parents")
		if err == nil {
			_, err = dynamicClient.Resource(httpRoutes).Namespace(namespace).UpdateStatus(ctx, route, metav1.UpdateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	say("True", "True")
	checkOf(t, "", r, nil)
	say("True", "False")
	if got := checkOf(t, "", r, nil, findings.RouteRefused).Findings[0].Message; got != "The HTTPRoute "+namespace+"/api is refused: network/public: Because: said by a test." {
		t.Error(got)
	}
	say("True", "True")

	// Changed by hand, then deleted.
	route, err := dynamicClient.Resource(httpRoutes).Namespace(namespace).Get(ctx, "api", metav1.GetOptions{})
	if err == nil {
		err = unstructured.SetNestedStringSlice(route.Object, []string{"other.example"}, "spec", "hostnames")
	}
	if err == nil {
		_, err = dynamicClient.Resource(httpRoutes).Namespace(namespace).Update(ctx, route, metav1.UpdateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	drift := checkOf(t, "", r, nil, findings.Drift).Findings[0]
	if want := "HTTPRoute hostnames[0] is other.example, expected api.example"; !strings.Contains(drift.Message, want) {
		t.Errorf("%s\nwant %s", drift.Message, want)
	}
	err = errors.Join(dynamicClient.Resource(httpRoutes).Namespace(namespace).Delete(ctx, "api", metav1.DeleteOptions{}),
		dynamicClient.Resource(ingresses).Namespace(namespace).Delete(ctx, "web", metav1.DeleteOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	checkOf(t, "", r, nil, findings.RouteMissing, findings.RouteMissing)

	// What somebody else has under the name is not compared.
	otherIngress(t, namespace, "web")
	checkOf(t, "", r, nil, findings.NotOwned, findings.RouteMissing)
	if err := dynamicClient.Resource(ingresses).Namespace(namespace).Delete(ctx, "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.Do("upgrade", values(t, routed))
	say("True", "True")
	checkOf(t, "", r, nil)
}

// plan tells what changes in front, and finds what somebody else has there.
func TestPlanOfRoutes(t *testing.T) {
	onlyAPI(t)
	installGatewayAPI(t)
	namespace := ownNamespace("plan-routes", "release")
	makeNamespace(t, namespace)
	r := releaseOf(t, "helm", "routed", namespace)
	t.Cleanup(r.Uninstall)
	r.Do("install", values(t, routed), "--set-json", `overrides.web.ingress=null`)
	otherIngress(t, namespace, "web")
	p := planOf(t, r, values(t, strings.Replace(routed, "[api.example]", "[api.example, www.example]", 1)))
	var changes []string
	for _, c := range p.Changes {
		for _, change := range c.Changes {
			changes = append(changes, fmt.Sprintf("%s: %s", c.Name, change))
		}
	}
	want := []string{"api: HTTPRoute hostnames: 1 item -> 2 items", "api: HTTPRoute hostnames[1]: none -> www.example", "web: routes: +Ingress"}
	if !slices.Equal(changes, want) {
		t.Errorf("%q, want %q", changes, want)
	}
	if !findings.Has(p.Findings, findings.NotOwned, namespace, "web") {
		t.Errorf("%+v", p.Findings)
	}
}

// otherIngress makes an Ingress that no release owns.
func otherIngress(t *testing.T, namespace, name string) {
	t.Helper()
	other := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"defaultBackend": map[string]any{"service": map[string]any{"name": name, "port": map[string]any{"number": int64(80)}}}},
	}}
	if _, err := dynamicClient.Resource(ingresses).Namespace(namespace).Create(t.Context(), other, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}
