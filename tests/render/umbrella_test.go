package render

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"external-services/tests/internal/testenv"
)

// umbrella is the application's chart with its dependencies.
func umbrella(t *testing.T) string {
	t.Helper()
	parent, err := testenv.Application(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return parent
}

// An application's chart with the chart as a subchart, twice: two independent sets of
// mappings, templates that take the parent's globals, and a condition for each.
func TestUmbrella(t *testing.T) {
	parent := umbrella(t)
	for _, program := range []string{"helm", "helm4"} {
		if out, err := run(t, program, "lint", parent); err != nil || strings.Contains(out, "[ERROR]") || strings.Contains(out, "Fail:") {
			t.Errorf("%s lint: %v\n%s", program, err, out)
		}
	}
	for name, c := range map[string]struct {
		args []string
		want map[string]string // the Services, and what externalName they have
	}{
		"as it is": {nil, map[string]string{
			"orders-db": "orders-db.eu-1.databases.example", "payments": "api.payments.example", "warehouse": "",
		}},
		"another global": {[]string{"--set", "global.region=us-2"}, map[string]string{
			"orders-db": "orders-db.us-2.databases.example", "payments": "api.payments.example", "warehouse": "",
		}},
		"one condition false": {[]string{"--set", "partners.enabled=false"}, map[string]string{
			"orders-db": "orders-db.eu-1.databases.example",
		}},
		"both conditions false": {[]string{"--set", "partners.enabled=false,databases.enabled=false"}, map[string]string{}},
		"overrides by --set": {[]string{"--set", "databases.overrides.orders-db.externalName=db.test.example", "--set", "partners.overrides.warehouse.enabled=false"}, map[string]string{
			"orders-db": "db.test.example", "payments": "api.payments.example",
		}},
		"overrides by --set-json": {[]string{"--set-json", `partners.overrides={"payments": {"addresses": ["10.0.0.1"]}}`}, map[string]string{
			"orders-db": "orders-db.eu-1.databases.example", "payments": "", "warehouse": "",
		}},
		"overrides by -f": {[]string{"-f", overridesFile(t)}, map[string]string{
			"orders-db": "orders-db.eu-1.databases.example", "payments": "api.payments.test.example", "warehouse": "",
		}},
		"null for a default": {[]string{"--set", "partners.endpoints=null,partners.commonLabels=null,partners.enabled=null"}, map[string]string{
			"orders-db": "orders-db.eu-1.databases.example", "payments": "api.payments.example", "warehouse": "",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, program := range []string{"helm", "helm4"} {
				// without the parent's own ConfigMap
				var manifests strings.Builder
				all, err := run(t, program, append([]string{"template", "shop", parent, "--namespace", "shop"}, c.args...)...)
				if err != nil {
					t.Fatal(err)
				}
				for document := range strings.SplitSeq(all, "\n---\n") {
					if !strings.Contains(document, "kind: ConfigMap") {
						manifests.WriteString("---\n" + strings.TrimPrefix(document, "---\n") + "\n")
					}
				}
				got := map[string]string{}
				result := decode(t, manifests.String())
				for i, pod := range result.Pods {
					if i > 0 && pod.Name == result.Pods[0].Name {
						t.Errorf("%s: two Pods of helm test have the name %s", program, pod.Name)
					}
				}
				for _, service := range result.Services {
					if service.Namespace != "shop" || service.Labels["app.kubernetes.io/instance"] != "shop" {
						t.Errorf("%s: %s is in the namespace %s with the labels %v", program, service.Name, service.Namespace, service.Labels)
					}
					got[service.Name] = service.Spec.ExternalName
				}
				if !maps.Equal(got, c.want) {
					t.Errorf("%s: Services %v, want %v", program, got, c.want)
				}
			}
		})
	}
}

func overridesFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "test.yaml")
	if err := os.WriteFile(file, []byte("partners: {overrides: {payments: {externalName: api.payments.test.example}}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A message about a subchart's values says so, and nothing is rendered.
func TestUmbrellaRefusal(t *testing.T) {
	parent := umbrella(t)
	_, err := helm3(t, "template", "shop", parent, "--set", "partners.overrides.warehous.enabled=false")
	if want := `overrides: no entry is named "warehous": did you mean "warehouse"?`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v, want %q", err, want)
	}
}

// The dependency of an application needs no alias: its condition is the chart's name.
func TestConditionWithoutAlias(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: parent\nversion: 0.1.0\ndependencies:\n- name: external-services\n  version: '>=0.1.0-0'\n  repository: file://" +
			testenv.Chart() + "\n  condition: external-services.enabled\n",
		"values.yaml": "external-services:\n  services:\n  - {name: orders, externalName: orders.corp.example}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := helm3(t, "dependency", "update", dir); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"helm", "helm4"} {
		for condition, want := range map[string][]string{"true": {"orders"}, "false": nil} {
			out, err := run(t, program, "template", "x", dir, "--set", "external-services.enabled="+condition)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, service := range decode(t, out).Services {
				got = append(got, service.Name)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s with the condition %s renders %q, want %q", program, condition, got, want)
			}
		}
	}
}
