package guides

import (
	"os"
	"regexp"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/manifests"
	"external-services/tests/internal/release"
)

// namespace is the one that the guides use.
const namespace = "shop"

// foreign are the kinds in the guides that no API server of the tests knows, and where they have values.
var foreign = map[string][]string{
	"HelmRelease": {"spec", "values"},
	"Application": {"spec", "source", "helm", "valuesObject"},
}

// Check checks a guide: its links lead to files, and the YAML that it shows is what the
// guide says: values that the chart takes, or objects that the API server takes. The
// kubeconfig is for a cluster that has the namespace shop.
func Check(t *testing.T, guide, kubeconfig string) {
	t.Helper()
	examples := blocks(t, guide, "yaml")
	if len(examples) == 0 {
		t.Errorf("%s shows no YAML", guide)
	}
	for _, example := range examples {
		check(t, guide, example, kubeconfig)
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)[^):]*\)`).FindAllStringSubmatch(Read(t, guide), -1) {
		if _, err := os.Stat(path(link[1])); err != nil {
			t.Errorf("%s links to %s: %v", guide, link[1], err)
		}
	}
}

// check checks one block of YAML.
func check(t *testing.T, guide, example, kubeconfig string) {
	t.Helper()
	var root any
	if err := yaml.UnmarshalStrict([]byte(example), &root); err != nil {
		t.Errorf("%s: %v\n%s", guide, err, example)
		return
	}
	fields, isMap := root.(map[string]any)
	switch {
	case !isMap: // the item of Argo CD's settings, which has a test of its own
	case fields["apiGroups"] != nil: // a rule
	case fields["helmCharts"] != nil: // a kustomization, which tests/docs applies
	case fields["kind"] != nil:
		checkObjects(t, guide, example, kubeconfig)
	default:
		render(t, example, kubeconfig)
	}
}

// checkObjects creates objects as a dry run, or renders the values of a foreign one.
func checkObjects(t *testing.T, guide, example, kubeconfig string) {
	t.Helper()
	strict := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	for _, o := range manifests.Parse(t, example) {
		resource, err := manifests.Resource(t, kubeconfig, o)
		switch {
		case meta.IsNoMatchError(err) && foreign[o.GetKind()] != nil:
			values, found, err := unstructured.NestedMap(o.Object, foreign[o.GetKind()]...)
			if err != nil || !found {
				t.Errorf("%s: a %s without values: %v", guide, o.GetKind(), err)
			}
			text, err := yaml.Marshal(values)
			if err != nil {
				t.Fatal(err)
			}
			render(t, string(text), kubeconfig)
		case err != nil:
			t.Errorf("%s: %v", guide, err)
		default:
			if _, err := resource.Create(t.Context(), o, strict); err != nil {
				t.Errorf("%s: %v\n%s", guide, err, example)
			}
		}
	}
}

// render renders values, which fails where the chart refuses them.
func render(t *testing.T, values, kubeconfig string) {
	t.Helper()
	manifests.Template(t, release.Of(t, "helm", "outside", namespace, kubeconfig), release.Values(t, values))
}
