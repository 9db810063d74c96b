package cluster

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	terratest "github.com/gruntwork-io/terratest/modules/helm"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/testenv"
	"external-services/tools/helm"
)

// Each scenario goes through a release's life with both majors of Helm: what it
// renders is what the API server stores, an upgrade without a change changes no
// object, a change is undone by a rollback, and nothing is left after uninstalling.
func TestScenarios(t *testing.T) {
	onlyAPI(t)
	installGatewayAPI(t)
	scenarios, err := testenv.Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"helm", "helm4"} {
		for _, scenario := range scenarios {
			t.Run(program+"/"+scenario.Name, func(t *testing.T) {
				const release, namespace = "scenario", "scenario"
				objects := rendered(t, release, helm.Values{ValueFiles: scenario.Files}, namespace)
				for _, service := range objects.Services {
					if slices.Equal(service.Spec.IPFamilies, []corev1.IPFamily{corev1.IPv6Protocol}) {
						needIPv6(t)
					}
				}
				makeNamespaces(t, namespace, objects)
				installed := releaseOf(t, program, release, namespace)
				t.Cleanup(installed.Uninstall)

				installed.Do("install", scenario.Files)
				before := stored(t, objects)
				installed.Do("upgrade", scenario.Files)
				if diff := cmp.Diff(before, stored(t, objects)); diff != "" {
					t.Errorf("an upgrade without a change changes objects (-before +after):\n%s", diff)
				}
				installed.Do("upgrade", scenario.Files, "--set", "commonLabels.changed=indeed")
				changed := rendered(t, release, helm.Values{ValueFiles: scenario.Files, Values: []string{"commonLabels.changed=indeed"}}, namespace)
				if after := stored(t, changed); len(after) > 0 && cmp.Equal(before, after) {
					t.Error("an upgrade with another label changes no object")
				}
				installed.Run("rollback", release, "2")
				stored(t, objects)
				if list, err := client.CoreV1().Services("").List(t.Context(), metav1.ListOptions{LabelSelector: "changed"}); err != nil || len(list.Items) > 0 {
					t.Errorf("after the rollback %d Services have the other label: %v", len(list.Items), err)
				}
				installed.Uninstall()
				wantNoLeftovers(t, release)
			})
		}
	}
}

// A release that Helm 3 made goes on with Helm 4, without a change to its objects.
func TestHelm4TakesOverFromHelm3(t *testing.T) {
	onlyAPI(t)
	const release, namespace = "majors", "majors"
	files := []string{testenv.Path("charts", "external-services", "ci", "every-key-values.yaml")}
	objects := rendered(t, release, helm.Values{ValueFiles: files}, namespace)
	makeNamespaces(t, namespace, objects)
	three, four := releaseOf(t, "helm", release, namespace), releaseOf(t, "helm4", release, namespace)
	t.Cleanup(four.Uninstall)

	three.Do("install", files)
	before := stored(t, objects)
	four.Do("upgrade", files)
	if diff := cmp.Diff(before, stored(t, objects)); diff != "" {
		t.Errorf("the upgrade with Helm 4 changes objects (-before +after):\n%s", diff)
	}
	four.Do("upgrade", files, "--set", "overrides.overridden.externalName=other.corp.example")
	service, err := client.CoreV1().Services("apps").Get(t.Context(), "overridden", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if service.Spec.ExternalName != "other.corp.example" {
		t.Errorf("after a change with Helm 4 the name is %s", service.Spec.ExternalName)
	}
	four.Uninstall()
	wantNoLeftovers(t, release)
}

// An application's chart with the chart as a subchart under two aliases installs, goes
// back and forth over a condition, and leaves nothing.
func TestUmbrella(t *testing.T) {
	onlyAPI(t)
	for _, program := range []string{"helm", "helm4"} {
		t.Run(program, func(t *testing.T) {
			const namespace = "umbrella"
			makeNamespace(t, namespace)
			parent, err := testenv.Application(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			installed := releaseOf(t, program, "application", namespace)
			t.Cleanup(installed.Uninstall)
			installed.Run("install", installed.Name, parent)
			wantServices(t, namespace, "orders-db", "payments", "warehouse")
			installed.Run("upgrade", installed.Name, parent, "--set", "partners.enabled=false")
			wantServices(t, namespace, "orders-db")
			installed.Run("rollback", installed.Name, "1")
			wantServices(t, namespace, "orders-db", "payments", "warehouse")
			installed.Uninstall()
			wantServices(t, namespace)
			wantNoLeftovers(t, installed.Name)
		})
	}
}

// wantServices fails when a namespace has other Services than those named, sorted.
func wantServices(t *testing.T, namespace string, want ...string) {
	t.Helper()
	list, err := client.CoreV1().Services(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, service := range list.Items {
		got = append(got, service.Name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("Services %q, want %q", got, want)
	}
}

// 2,500 addresses: every one is stored once, in slices of at most 100.
func TestManyAddresses(t *testing.T) {
	onlyAPI(t)
	const release, namespace = "many", "many"
	makeNamespace(t, namespace)
	want := map[string]bool{}
	var ips []string
	for i := range 2500 {
		ip := fmt.Sprintf("10.50.%d.%d", i/250, i%250+1)
		want[ip] = true
		ips = append(ips, ip)
	}
	o := options(namespace)
	o.ValuesFiles = values(t, "services: [{name: many, ports: [{port: 80}], addresses: ["+strings.Join(ips, ", ")+"]}]")
	install(t, release, o)
	list, err := client.DiscoveryV1().EndpointSlices(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=many"})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 25 {
		t.Errorf("%d EndpointSlices, want 25", len(list.Items))
	}
	for _, slice := range list.Items {
		if len(slice.Endpoints) != 100 {
			t.Errorf("%s has %d endpoints, want 100", slice.Name, len(slice.Endpoints))
		}
		for _, endpoint := range slice.Endpoints {
			if !want[endpoint.Addresses[0]] {
				t.Errorf("%s has the address %s, which is not wanted or stands twice", slice.Name, endpoint.Addresses[0])
			}
			delete(want, endpoint.Addresses[0])
		}
	}
	if len(want) > 0 {
		t.Errorf("%d addresses are missing", len(want))
	}
}

// stored reads the rendered objects back and fails where the API server has not stored
// what they say; it may have added to them. The result has the resource version of each.
func stored(t *testing.T, objects *helm.Result) map[string]string {
	t.Helper()
	// What a document says, and not what a Go type makes of what it leaves out.
	documents := map[string]map[string]any{}
	for _, manifest := range objects.Manifests {
		var document struct {
			Kind     string            `json:"kind"`
			Metadata metav1.ObjectMeta `json:"metadata"`
		}
		var fields map[string]any
		if err := errors.Join(yaml.Unmarshal([]byte(manifest), &document), yaml.Unmarshal([]byte(manifest), &fields)); err != nil {
			t.Fatal(err)
		}
		documents[fmt.Sprintf("%s %s/%s", document.Kind, document.Metadata.Namespace, document.Metadata.Name)] = fields
	}
	versions := map[string]string{}
	check := func(kind string, want, got metav1.Object, err error) {
		t.Helper()
		name := fmt.Sprintf("%s %s/%s", kind, want.GetNamespace(), want.GetName())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		versions[name] = got.GetResourceVersion()
		fields := documents[name]
		delete(fields, "apiVersion") // a client leaves both out of what it reads
		delete(fields, "kind")
		text, err := yaml.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var storedFields map[string]any
		if err := yaml.Unmarshal(text, &storedFields); err != nil {
			t.Fatal(err)
		}
		if len(fields) == 0 {
			t.Errorf("%s: no document says anything about it", name)
		}
		for _, difference := range missing("", fields, storedFields) {
			t.Errorf("%s: %s", name, difference)
		}
	}
	for _, want := range objects.Services {
		got, err := client.CoreV1().Services(want.Namespace).Get(t.Context(), want.Name, metav1.GetOptions{})
		check("Service", want, got, err)
	}
	for _, want := range objects.EndpointSlices {
		got, err := client.DiscoveryV1().EndpointSlices(want.Namespace).Get(t.Context(), want.Name, metav1.GetOptions{})
		check("EndpointSlice", want, got, err)
	}
	for _, want := range objects.Endpoints {
		got, err := client.CoreV1().Endpoints(want.Namespace).Get(t.Context(), want.Name, metav1.GetOptions{})
		check("Endpoints", want, got, err)
	}
	for _, want := range objects.Routes {
		kind := want.GetObjectKind().GroupVersionKind()
		got, err := dynamicClient.Resource(gvr(kind)).Namespace(want.GetNamespace()).Get(t.Context(), want.GetName(), metav1.GetOptions{})
		check(kind.Kind, want, got, err)
	}
	return versions
}

// missing says what of the wanted fields a stored object has not, or has otherwise.
func missing(path string, want, got any) []string {
	switch want := want.(type) {
	case map[string]any:
		stored, _ := got.(map[string]any)
		var found []string
		for key, value := range want {
			found = append(found, missing(path+"."+key, value, stored[key])...)
		}
		return found
	case []any:
		stored, _ := got.([]any)
		if len(stored) != len(want) {
			return []string{fmt.Sprintf("%s has %d items, want %d", path, len(stored), len(want))}
		}
		var found []string
		for i, value := range want {
			found = append(found, missing(fmt.Sprintf("%s[%d]", path, i), value, stored[i])...)
		}
		return found
	default:
		if want != got {
			return []string{fmt.Sprintf("%s is stored as %v, want %v", path, got, want)}
		}
		return nil
	}
}

// What the chart refuses changes nothing: no object is made, and no release.
func TestRefusedBeforeAnythingIsMade(t *testing.T) {
	onlyAPI(t)
	const release, namespace = "refused", "refused"
	makeNamespace(t, namespace)
	o := options(namespace)
	o.ValuesFiles = values(t, "services: [{name: good, externalName: a.example}, {name: bad, addresses: [127.0.0.1], ports: [{port: 80}]}]")
	err := terratest.InstallContextE(t, t.Context(), o, testenv.Chart(), release)
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
	onlyAPI(t)
	installGatewayAPI(t)
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
			const namespace = "default" // which some of the cases name
			objects := rendered(t, "valid", helm.Values{ValueFiles: values(t, c.Values)}, namespace)
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
				if _, err := client.CoreV1().Endpoints(o.Namespace).Create(t.Context(), o, dryRun); err != nil {
					t.Error(err)
				}
			}
			for _, o := range objects.Routes {
				content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
				if err == nil {
					resource := dynamicClient.Resource(gvr(o.GetObjectKind().GroupVersionKind())).Namespace(o.GetNamespace())
					_, err = resource.Create(t.Context(), &unstructured.Unstructured{Object: content}, dryRun)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// rendered is what values render for a release in a namespace.
func rendered(t *testing.T, release string, v helm.Values, namespace string) *helm.Result {
	t.Helper()
	chart, err := helm.Load(testenv.Chart())
	if err != nil {
		t.Fatal(err)
	}
	vals, err := helm.Merge(v)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := helm.Render(chart, helm.Release{Name: release, Namespace: namespace}, vals)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// makeNamespaces makes the namespaces that objects land in.
func makeNamespaces(t *testing.T, namespace string, objects *helm.Result) {
	t.Helper()
	makeNamespace(t, namespace)
	for _, service := range objects.Services {
		makeNamespace(t, service.Namespace)
	}
}
