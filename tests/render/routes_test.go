package render

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	terratest "github.com/gruntwork-io/terratest/modules/helm"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/testenv"
)

// The objects of the Gateway API have no field that its Go types do not have.
func TestRoutesDecodeStrictly(t *testing.T) {
	kinds := map[string]func() any{
		"HTTPRoute":        func() any { return &gatewayv1.HTTPRoute{} },
		"TLSRoute":         func() any { return &gatewayv1.TLSRoute{} },
		"TCPRoute":         func() any { return &gatewayv1.TCPRoute{} },
		"BackendTLSPolicy": func() any { return &gatewayv1.BackendTLSPolicy{} },
	}
	seen := map[string]bool{}
	files := []string{testenv.Path("values-examples", "home.yaml"), testenv.Path("values-examples", "legacy-http.yaml"), "testdata/values/routes.yaml"}
	for _, file := range files {
		result := decode(t, template(t, terratest.Options{ValuesFiles: []string{file}}))
		for _, object := range result.Routes {
			kind := object.GetObjectKind().GroupVersionKind()
			if kind.Kind == "Ingress" {
				continue // decoded by its type already
			}
			text, err := json.Marshal(object)
			if err == nil {
				err = yaml.UnmarshalStrict(text, kinds[kind.Kind]())
			}
			if err != nil || kind.Version != "v1" {
				t.Errorf("%s %s: %v", kind, object.GetName(), err)
			}
			seen[kind.Kind] = true
		}
	}
	if len(seen) != len(kinds) {
		t.Errorf("the files have the kinds %v", seen)
	}
}

// Without the Gateway API the chart refuses what needs it, with the way to render in a pipeline, and renders all else.
func TestRoutesNeedTheGatewayAPI(t *testing.T) {
	const entry = "services: [{name: a, addresses: [10.0.0.1], ports: [{port: 80}], ingress: {hosts: [a.example]}, "
	for values, want := range map[string]string{
		entry + "route: {parentRefs: [{name: g}]}}]": `services[0] "a": route makes an object of the kind HTTPRoute, which the cluster does not have: ` +
			"install the Gateway API in a version that has gateway.networking.k8s.io/v1/HTTPRoute, or if you render without a cluster, " +
			"add --api-versions gateway.networking.k8s.io/v1/HTTPRoute",
		entry + "route: {kind: TCPRoute, parentRefs: [{name: g}]}}]":                "TCPRoute, which the cluster does not have",
		entry + "backendTLS: {hostname: a.example, wellKnown: System}}]":            "BackendTLSPolicy, which the cluster does not have",
		entry + "enabled: false, route: {parentRefs: [{name: g}]}}]":                "",
		entry + "route: {parentRefs: [{name: g}]}}]\noverrides: {a: {route: null}}": "",
	} {
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := helm3(t, "template", "x", testenv.Chart(), "-f", file)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(out+err.Error(), want)) {
			t.Errorf("%s\n%v\n%s\nwant %q", values, err, out, want)
		}
		if want == "" {
			continue
		}
		if out, err := helm3(t, append([]string{"template", "x", testenv.Chart(), "-f", file}, testenv.GatewayAPI()...)...); err != nil {
			t.Errorf("%s with --api-versions: %v\n%s", values, err, out)
		}
	}
}

// Without the schema, a misspelled key in front is refused too, as it would have no effect.
func TestUnknownKeyInFrontWithoutTheSchema(t *testing.T) {
	for part, want := range map[string]string{
		"ingress: {hosts: [a.example], clasName: internal}":                    `services[0] "a": ingress.clasName is not a key of ingress: correct it or delete it`,
		"route: {parentRefs: [{name: g}], hostname: a.example}":                `services[0] "a": route.hostname is not a key of route: correct it or delete it`,
		"backendTLS: {hostname: a.example, wellKnown: System, ports: [https]}": `services[0] "a": backendTLS.ports is not a key of backendTLS: correct it or delete it`,
	} {
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, []byte("services: [{name: a, addresses: [10.0.0.1], ports: [{port: 80}], "+part+"}]"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := helm3(t, append([]string{"template", "x", testenv.Chart(), "-f", file, "--skip-schema-validation"}, testenv.GatewayAPI()...)...)
		if err == nil || !strings.Contains(out+err.Error(), want) {
			t.Errorf("%s: %v\n%s\nwant %s", part, err, out, want)
		}
	}
}
