package clients

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/testenv"
	"external-services/tools/check"
)

const (
	// Entries are values with every kind of entry and every backend, but for DNS names.
	Entries = `services:
- {name: alias, externalName: reports.corp.example, ports: [{port: 80}]}
- {name: orders, addresses: [10.0.4.11, {ip: 10.0.4.12, ready: false}], ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP}]}
- {name: draining, addresses: [10.0.4.21, {ip: 10.0.4.22, draining: true}], ports: [{port: 80}]}
- {name: legacy, addresses: [10.0.4.13], ports: [{port: 80}], endpointsKind: Endpoints}
- {name: brokers, addresses: [{ip: 10.0.4.14, hostname: kafka-0}], ports: [{port: 9092}], headless: true}
- {name: both, addresses: [10.0.4.15], ports: [{port: 80, podPort: web}], backend: both, selector: {app: both}}
- {name: pods, ports: [{port: 80}], backend: cluster, selector: {app: pods}}
- {name: parked, addresses: [10.0.4.16], ports: [{port: 80}], selector: {app: parked}, sessionAffinity: ClientIP, trafficDistribution: PreferClose}
- {name: dual, addresses: [10.0.4.17, "2001:db8::17"], ports: [{port: 80, appProtocol: http}]}
- {name: front, addresses: [10.0.4.18], ports: [{port: 80}], ingress: {hosts: [front.example]}}
`

	// Everything has DNS names too, and so a resolver, which gets no Pod here. Number is how many objects it renders.
	Everything = Entries + `- {name: named, addresses: [db.corp.example], ports: [{port: 5432}]}
resolver: {enabled: true}
`
	Number = 27
)

// kinds are those that Everything renders.
var kinds = map[string]schema.GroupVersionResource{
	"service":       {Version: "v1", Resource: "services"},
	"endpoints":     {Version: "v1", Resource: "endpoints"},
	"endpointslice": {Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
	"ingress":       {Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},

	"configmap":           {Version: "v1", Resource: "configmaps"},
	"deployment":          {Group: "apps", Version: "v1", Resource: "deployments"},
	"poddisruptionbudget": {Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
	"role":                {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
	"rolebinding":         {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
	"serviceaccount":      {Version: "v1", Resource: "serviceaccounts"},
}

// Objects are those of a release in a namespace, by kind and name, such as service/orders: without those that the
// controllers of Kubernetes make.
type Objects map[string]*unstructured.Unstructured

// Live reads them.
func Live(t testing.TB, cluster *testenv.Embedded, namespace string) Objects {
	t.Helper()
	client, err := cluster.Dynamic()
	if err != nil {
		t.Fatal(err)
	}
	found := Objects{}
	for kind, resource := range kinds {
		list, err := client.Resource(resource).Namespace(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Items {
			if o.GetLabels()["app.kubernetes.io/managed-by"] == "Helm" && !strings.HasSuffix(o.GetLabels()[discoveryv1.LabelManagedBy], "k8s.io") && !mirror(kind, o) {
				found[kind+"/"+o.GetName()] = &o
			}
		}
	}
	return found
}

// mirror says whether Kubernetes made an Endpoints object, of a Service's pods.
func mirror(kind string, o unstructured.Unstructured) bool {
	return kind == "endpoints" && o.GetLabels()["endpoints.kubernetes.io/managed-by"] != ""
}

// Versions are the resource versions: what nobody writes keeps its own. Kubernetes writes the status of some; of these it
// is the generation, which a write of the status does not change, and the labels and annotations.
func (o Objects) Versions() map[string]string {
	versions := map[string]string{}
	for name, object := range o {
		versions[name] = object.GetResourceVersion()
		if kind := object.GetKind(); kind == "Deployment" || kind == "PodDisruptionBudget" {
			versions[name] = fmt.Sprint(object.GetUID(), object.GetGeneration(), object.GetLabels(), object.GetAnnotations())
		}
	}
	return versions
}

// Content is what the release says of them: nothing that the API server fills in.
func (o Objects) Content() map[string]any {
	contents := map[string]any{}
	for name, object := range o {
		c := object.DeepCopy()
		c.SetManagedFields(nil)
		for _, path := range [][]string{
			{"metadata", "resourceVersion"}, {"metadata", "uid"}, {"metadata", "generation"}, {"metadata", "creationTimestamp"},
			{"spec", "clusterIP"}, {"spec", "clusterIPs"}, {"metadata", "annotations", corev1.EndpointsLastChangeTriggerTime},
			{"metadata", "annotations", corev1.LastAppliedConfigAnnotation}, {"metadata", "annotations", "deployment.kubernetes.io/revision"}, {"status"},
		} {
			unstructured.RemoveNestedField(c.Object, path...)
		}
		contents[name] = c.Object
	}
	return contents
}

// Edit is a change that somebody makes by hand to an object of Everything.
type Edit struct {
	What string

	// Object has RELEASE and NAMESPACE in place of their names.
	Object string

	// Kind and Patch are those of kubectl patch. Without a patch the object is deleted.
	Kind, Patch string
}

// Edits are what a GitOps client is to put right.
var Edits = []Edit{
	{"another target port", "service/both", "json", `[{"op":"replace","path":"/spec/ports/0/targetPort","value":81}]`},
	{"the selector of other pods", "service/pods", "merge", `{"spec":{"selector":{"app":"others"}}}`},
	{"one label more in the selector", "service/pods", "merge", `{"spec":{"selector":{"version":"2"}}}`},
	{"a parked entry selects pods", "service/parked", "merge", `{"spec":{"selector":{"external-services/parked":null,"app":"parked"}}}`},
	{"no session affinity", "service/parked", "merge", `{"spec":{"sessionAffinity":"None"}}`},
	{"no traffic distribution", "service/parked", "merge", `{"spec":{"trafficDistribution":null}}`},
	{"another name", "service/alias", "merge", `{"spec":{"externalName":"other.corp.example"}}`},
	{"another value of a label", "service/orders", "merge", `{"metadata":{"labels":{"app.kubernetes.io/name":"other"}}}`},
	{"a Service is deleted", "service/orders", "", ""},
	{"an alias is deleted", "service/alias", "", ""},
	{"another address", "endpointslice/orders-ipv4-0", "json", `[{"op":"replace","path":"/endpoints/0/addresses","value":["10.0.4.99"]}]`},
	{"an address is gone", "endpointslice/orders-ipv4-0", "json", `[{"op":"remove","path":"/endpoints/1"}]`},
	{"an address that was not ready is", "endpointslice/orders-ipv4-0", "json", `[{"op":"replace","path":"/endpoints/1/conditions/ready","value":true}]`},
	{"another port of the addresses", "endpointslice/orders-ipv4-0", "json", `[{"op":"replace","path":"/ports/0/port","value":8099}]`},
	{"a slice of another Service", "endpointslice/orders-ipv4-0", "merge", `{"metadata":{"labels":{"kubernetes.io/service-name":"alias"}}}`},
	{"another host name", "endpointslice/brokers-ipv4-0", "json", `[{"op":"replace","path":"/endpoints/0/hostname","value":"kafka-9"}]`},
	{"a slice is deleted", "endpointslice/dual-ipv6-0", "", ""},
	{"another address in Endpoints", "endpoints/legacy", "json", `[{"op":"replace","path":"/subsets/0/addresses/0/ip","value":"10.0.4.99"}]`},
	{"Endpoints are deleted", "endpoints/legacy", "", ""},
	{"another number of Pods of the resolver", "deployment/RELEASE-external-services-resolver", "merge", `{"spec":{"replicas":3}}`},
	{"another configuration of the resolver", "configmap/RELEASE-external-services-resolver", "merge", `{"data":{"config.yaml":"services: []"}}`},
	{"the resolver has no permissions", "role/RELEASE-external-services-resolver.NAMESPACE", "", ""},
	{"another host of an Ingress", "ingress/front", "json", `[{"op":"replace","path":"/spec/rules/0/host","value":"other.example"}]`},
}

// Do makes the change.
func (e Edit) Do(t testing.TB, cluster *testenv.Embedded, release, namespace string) {
	t.Helper()
	object := strings.NewReplacer("RELEASE", release, "NAMESPACE", namespace).Replace(e.Object)
	args := []string{"delete", object, "-n", namespace}
	if e.Patch != "" {
		args = []string{"patch", object, "-n", namespace, "--type", e.Kind, "-p", e.Patch}
	}
	Kubectl(t, cluster, "", args...)
}

// Kubectl runs kubectl as the administrator of a cluster, with an input, and returns what it prints.
func Kubectl(t testing.TB, cluster *testenv.Embedded, input string, args ...string) string {
	t.Helper()
	out, err := kubectl(context.WithoutCancel(t.Context()), cluster.Kubeconfig, input, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Extsvc runs extsvc against a cluster. It returns what it prints and the exit code.
func Extsvc(t testing.TB, cluster *testenv.Embedded, args ...string) (string, int) {
	t.Helper()
	out, err := testenv.Run(t, "extsvc", append(args, "--kubeconfig", cluster.Kubeconfig)...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return out, exit.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	return out, 0
}

// Check is extsvc check without connections, and without names that nobody here resolves.
func Check(t testing.TB, cluster *testenv.Embedded, args ...string) (report check.Report) {
	t.Helper()
	out, _ := Extsvc(t, cluster, append([]string{"check", "--no-resolve", "-o", "json", "--exit-zero"}, args...)...)
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return report
}

// Fields are those of a YAML document.
func Fields(t testing.TB, text string) map[string]any {
	t.Helper()
	fields := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(text), &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// MakeNamespace makes a namespace and waits for the account that its pods have.
func MakeNamespace(t testing.TB, cluster *testenv.Embedded, name string) {
	t.Helper()
	client, err := cluster.Client()
	if err != nil {
		t.Fatal(err)
	}
	(&testenv.APIServer{Embedded: cluster, API: client}).MakeNamespace(t, name)
}

// NothingLeft waits until a namespace has no object of the release, and no EndpointSlice at all.
func NothingLeft(t testing.TB, cluster *testenv.Embedded, namespace string) {
	t.Helper()
	client, err := cluster.Client()
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "nothing is left in "+namespace, func() error {
		left := slices.Sorted(maps.Keys(Live(t, cluster, namespace)))
		list, err := client.DiscoveryV1().EndpointSlices(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, slice := range list.Items {
			left = append(left, "endpointslice/"+slice.Name)
		}
		if len(left) > 0 {
			return fmt.Errorf("there are %q", left)
		}
		return nil
	})
}

// IsGone says whether an object is not there.
func IsGone(t testing.TB, cluster *testenv.Embedded, namespace, kind, name string) bool {
	t.Helper()
	client, err := cluster.Dynamic()
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Resource(kinds[kind]).Namespace(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	return err != nil
}
