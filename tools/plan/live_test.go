package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
	"external-services/tools/values"
)

var outside = &helm.Deployed{Name: "outside", Namespace: "default", Revision: 1, Status: "deployed"}

// stored are the objects of values as the release outside has them in the cluster, with its namespace.
func stored(t *testing.T, values string) []runtime.Object {
	t.Helper()
	objects := []runtime.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}}
	result := mappings(t, values)
	for _, o := range result.Services {
		owned := o.DeepCopy()
		owned.Annotations = map[string]string{"meta.helm.sh/release-name": "outside", "meta.helm.sh/release-namespace": "default"}
		objects = append(objects, owned)
	}
	for _, o := range result.EndpointSlices {
		objects = append(objects, o)
	}
	return objects
}

func pod(name, port string, ready corev1.ConditionStatus) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Labels: map[string]string{"app": "e"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: port, ContainerPort: 8080}}}}},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
	}
}

func podSlice() *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "e-x", Namespace: "default", Labels: map[string]string{
			discoveryv1.LabelServiceName: "e", discoveryv1.LabelManagedBy: service.PodEndpoints,
		}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.244.0.1"}}},
	}
}

// leftSlice is one of a resolver.
func leftSlice() *discoveryv1.EndpointSlice {
	slice := podSlice()
	slice.Name, slice.Labels[discoveryv1.LabelManagedBy] = "e-dns-ipv4-0", values.ResolverManager
	return slice
}

// What only the cluster shows.
func TestLook(t *testing.T) {
	const named = "addresses: [10.0.0.1], ports: [{port: 80, podPort: http}]" + pods + ", backend: both"
	foreign := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: "default"}}
	legacy := &service.Endpoints{ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: "default"}}
	for _, c := range []struct {
		name     string
		from, to string // entries, empty for none
		live     []runtime.Object
		forbid   string
		want     []string // codes with effects or severities
		says     string
	}{
		{name: "a new entry", to: addresses, live: stored(t, "services: []")},
		{name: "no namespace", to: addresses, want: []string{"namespace-missing refused"}, says: "kubectl create namespace default"},
		{name: "a Service of somebody else", to: addresses, live: []runtime.Object{foreign},
			want: []string{"not-owned refused"}, says: "The Service default/e exists and was not created by Helm."},
		{name: "a slice of somebody else", to: addresses, live: append(stored(t, "services: []"), mappings(t, one(addresses)).EndpointSlices[0]),
			want: []string{"not-owned refused"}, says: "The EndpointSlice default/e-ipv4-0 exists"},
		{name: "Endpoints of Kubernetes", from: addresses, to: endpoints, live: append(stored(t, one(addresses)), legacy),
			want: []string{"endpoints-exist refused"}},
		{name: "Endpoints of Kubernetes, as the values tell", from: both, to: endpoints, live: append(stored(t, one(both)), legacy),
			want: []string{"endpoints-exist refused", "selector-removed stale"}},
		{name: "Endpoints of somebody else", to: endpoints, live: append(stored(t, "services: []"), legacy),
			want: []string{"not-owned refused"}, says: "The Endpoints default/e exists"},
		{name: "stale endpoints", from: alias, to: addresses, live: append(stored(t, one(alias)), podSlice()),
			want: []string{"dns-answers interrupted", "stale-endpoints stale"}, says: "kubectl delete endpointslice e-x"},
		{name: "stale endpoints that a selector removes", from: alias, to: addresses + pods, live: append(stored(t, one(alias)), podSlice()),
			want: []string{"dns-answers interrupted"}},
		{name: "a name to addresses", from: name, to: addresses, live: append(stored(t, one(name)), leftSlice()),
			want: []string{"resolver-removed stale"}, says: "kubectl delete endpointslices -n default -l kubernetes.io/service-name=e,endpointslice.kubernetes.io/managed-by=external-services-resolver"},
		{name: "pods took over, and no slice is left", from: nameInside, to: clusterOnly, live: append(stored(t, one(nameInside)), pod("a", "http", corev1.ConditionTrue))},
		{name: "no pod took over, and a slice is left", from: nameInside, to: clusterOnly, live: append(stored(t, one(nameInside)), pod("a", "http", corev1.ConditionTrue), leftSlice()),
			want: []string{"resolver-slices-left stale"}, says: "kubectl delete endpointslice e-dns-ipv4-0 -n default"},
		{name: "slices left at an alias", from: alias, to: addresses, live: append(stored(t, one(alias)), leftSlice()),
			want: []string{"dns-answers interrupted", "resolver-slices-left stale"}},
		{name: "slices left at an alias, and still one", from: alias, to: alias + ", labels: {a: b}", live: append(stored(t, one(alias)), leftSlice())},
		{name: "slices left that a resolver takes over", from: addresses, to: name, live: append(stored(t, one(addresses)), leftSlice()),
			want: []string{"rollback-resolver stale", "without-overlap interrupted"}},
		{name: "no pods", from: addresses + pods, to: both, live: stored(t, one(addresses+pods)),
			want: []string{"no-pods kept"}, says: "No pod of default/e is ready (0 found), so every connection goes outside"},
		{name: "no pod is ready", from: both, to: clusterOnly + ", labels: {a: b}", live: append(stored(t, one(both)), pod("a", "http", corev1.ConditionFalse)),
			want: []string{"no-pods lost"}, says: "(1 found), so every connection fails"},
		{name: "pods", from: addresses + pods, to: named, live: append(stored(t, one(addresses+pods)), pod("a", "http", corev1.ConditionTrue))},
		{name: "no pod has the port", from: addresses + pods, to: named, live: append(stored(t, one(addresses+pods)), pod("a", "web", corev1.ConditionTrue)),
			want: []string{"pod-port-missing kept"}, says: "a container port for 80 -> http"},
		{name: "the same pods", from: both, to: both + ", labels: {a: b}", live: stored(t, one(both))},
		{name: "headless in the cluster only", from: addresses, to: addresses + headless, live: stored(t, one(addresses+headless))},
		{name: "headless in the release only", from: addresses + headless, to: addresses, live: stored(t, one(addresses))},
		{name: "headless, not read", from: addresses, to: addresses + headless, live: stored(t, one(addresses)), forbid: "services",
			want: []string{"clusterip-to-headless refused", "not-checked warning"}, says: "Could not read the Services of default"},
		{name: "pods not read", from: addresses + pods, to: both, live: stored(t, one(addresses+pods)), forbid: "pods",
			want: []string{"not-checked warning"}, says: "Could not read the pods of default"},
		{name: "a namespace not read", to: addresses, live: stored(t, "services: []"), forbid: "namespaces",
			want: []string{"not-checked warning"}, says: "Could not read the namespace default"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := func(entry string) string {
				if entry == "" {
					return "services: []"
				}
				return one(entry)
			}
			client := fake.NewClientset(c.live...)
			client.PrependReactor("*", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
				return action.GetResource().Resource == c.forbid, nil, apierrors.NewForbidden(action.GetResource().GroupResource(), "", nil)
			})
			p := compare(mappings(t, text(c.from)), mappings(t, text(c.to)))
			p.Release = outside
			if err := p.look(t.Context(), client, nil, func(string) {}); err != nil {
				t.Fatal(err)
			}
			var got []string
			said := ""
			for _, f := range p.Findings {
				kind := string(f.Effect)
				if kind == "" {
					kind = string(f.Severity)
				}
				got = append(got, fmt.Sprintf("%s %s", f.Code, kind))
				said += f.Message + "\n" + strings.Join(f.Fix, "\n") + "\n"
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) || !strings.Contains(said, c.says) {
				t.Errorf("%q, want %q and %q in\n%s", got, c.want, c.says, said)
			}
		})
	}
}

// A release that another operation blocks, and one that failed.
func TestLookAtTheRelease(t *testing.T) {
	for status, want := range map[string]int{"pending-upgrade": findings.ExitErrors, "failed": findings.ExitOK} {
		p := compare(mappings(t, "services: []"), mappings(t, "services: []"))
		p.Release = &helm.Deployed{Name: "outside", Namespace: "default", Revision: 2, Status: status, Blocked: status != "failed"}
		if err := p.look(t.Context(), fake.NewClientset(), nil, func(string) {}); err != nil {
			t.Fatal(err)
		}
		if p.ExitCode() != want {
			t.Errorf("%s: exit code %d, want %d: %v", status, p.ExitCode(), want, p.Findings)
		}
	}
}
