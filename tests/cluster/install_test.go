package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gruntwork-io/terratest/modules/helm"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/testenv"
	"external-services/tools/render"
)

// Each shipped values file installs, an upgrade without a change changes no
// object, and nothing is left after uninstalling.
func TestShippedValuesFiles(t *testing.T) {
	var files []string
	for _, pattern := range []string{"values-examples/*.yaml", "charts/external-services/ci/*-values.yaml"} {
		found, err := filepath.Glob(testenv.Path(pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no files at %s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			const release, namespace = "shipped", "shipped"
			objects := rendered(t, render.Values{ValueFiles: []string{file}}, namespace)
			makeNamespaces(t, namespace, objects)
			o := options(namespace)
			o.ValuesFiles = []string{file}
			install(t, release, o)

			before := stored(t, objects)
			helm.UpgradeContext(t, t.Context(), o, testenv.Chart(), release)
			if diff := cmp.Diff(before, stored(t, objects)); diff != "" {
				t.Errorf("an upgrade without a change changes objects (-before +after):\n%s", diff)
			}
			uninstall(t, release, o)
			wantNoLeftovers(t, release)
		})
	}
}

// stored reads the rendered objects back: what they say survives the API server,
// and the result has the resource version of each.
func stored(t *testing.T, objects *render.Result) map[string]string {
	t.Helper()
	// the API server fills in what a manifest leaves out
	defaults := cmp.Options{cmpopts.EquateEmpty()}
	versions := map[string]string{}
	for _, want := range objects.EndpointSlices {
		got, err := client.DiscoveryV1().EndpointSlices(want.Namespace).Get(t.Context(), want.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Endpoints, got.Endpoints, defaults); diff != "" {
			t.Errorf("EndpointSlice %s (-rendered +stored):\n%s", want.Name, diff)
		}
		versions["EndpointSlice "+want.Name] = got.ResourceVersion
	}
	for _, want := range objects.Endpoints {
		//nolint:staticcheck // deprecated since Kubernetes 1.33 and rendered on request
		got, err := client.CoreV1().Endpoints(want.Namespace).Get(t.Context(), want.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i, subset := range want.Subsets {
			if diff := cmp.Diff(subset.Addresses, got.Subsets[i].Addresses, defaults); diff != "" {
				t.Errorf("Endpoints %s (-rendered +stored):\n%s", want.Name, diff)
			}
			if diff := cmp.Diff(subset.NotReadyAddresses, got.Subsets[i].NotReadyAddresses, defaults); diff != "" {
				t.Errorf("Endpoints %s, not ready (-rendered +stored):\n%s", want.Name, diff)
			}
		}
		versions["Endpoints "+want.Name] = got.ResourceVersion
	}
	for _, want := range objects.Services {
		got, err := client.CoreV1().Services(want.Namespace).Get(t.Context(), want.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if want.Spec.Type != got.Spec.Type || want.Spec.ExternalName != got.Spec.ExternalName || len(want.Spec.Ports) != len(got.Spec.Ports) {
			t.Errorf("Service %s is stored as %+v", want.Name, got.Spec)
		}
		versions["Service "+want.Name] = got.ResourceVersion
	}
	return versions
}

// What the chart refuses changes nothing: no object is made, and no release.
func TestRefusedBeforeAnythingIsMade(t *testing.T) {
	const release, namespace = "refused", "refused"
	makeNamespace(t, namespace)
	o := options(namespace)
	o.ValuesFiles = values(t, "services: [{name: good, externalName: a.example}, {name: bad, addresses: [127.0.0.1], ports: [{port: 80}]}]")
	err := helm.InstallContextE(t, t.Context(), o, testenv.Chart(), release)
	if want := `services[1] "bad": addresses[0] "127.0.0.1" is a loopback address`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v, want %q", err, want)
	}
	if found := leftovers(t, release); len(found) > 0 {
		t.Errorf("found %q", found)
	}
	if _, err := client.CoreV1().Services(namespace).Get(t.Context(), "good", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the good Service: %v, want it not to be found", err)
	}
}

// The API server accepts every object that the chart renders for the values that
// tests/schema calls valid.
func TestAPIServerAcceptsValidValues(t *testing.T) {
	text, err := os.ReadFile(testenv.Path("tests", "schema", "testdata", "valid.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct{ Name, Values string }
	if err := yaml.Unmarshal(text, &cases); err != nil || len(cases) == 0 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	dryRun := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			const namespace = "valid"
			objects := rendered(t, render.Values{ValueFiles: values(t, c.Values)}, namespace)
			makeNamespaces(t, namespace, objects)
			for _, o := range objects.Services {
				if _, err := client.CoreV1().Services(o.Namespace).Create(t.Context(), o, dryRun); err != nil {
					t.Error(err)
				}
			}
			for _, o := range objects.EndpointSlices {
				if _, err := client.DiscoveryV1().EndpointSlices(o.Namespace).Create(t.Context(), o, dryRun); err != nil {
					t.Error(err)
				}
			}
			for _, o := range objects.Endpoints {
				//nolint:staticcheck // deprecated since Kubernetes 1.33 and rendered on request
				if _, err := client.CoreV1().Endpoints(o.Namespace).Create(t.Context(), o, dryRun); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// rendered is what values render in a namespace.
func rendered(t *testing.T, v render.Values, namespace string) *render.Result {
	t.Helper()
	chart, err := render.Load(testenv.Chart())
	if err != nil {
		t.Fatal(err)
	}
	vals, err := render.Merge(v)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := render.Render(chart, render.Release{Namespace: namespace}, vals)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// makeNamespaces makes the namespaces that objects land in.
func makeNamespaces(t *testing.T, namespace string, objects *render.Result) {
	t.Helper()
	makeNamespace(t, namespace)
	for _, service := range objects.Services {
		makeNamespace(t, service.Namespace)
	}
}
