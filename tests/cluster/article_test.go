package cluster

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/article"
	"external-services/tests/internal/mariadb"
)

// The example, installed as its README says, in both forms of endpoints.
func TestArticle(t *testing.T) {
	makeNamespace(t, article.Namespace)
	if cluster.DataPlane {
		if err := article.Setup(t.Context(), cluster); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{"EndpointSlice", "Endpoints"} {
		t.Run(kind, func(t *testing.T) {
			const release = "outside"
			o := options("default")
			o.ValuesFiles = []string{article.Values()}
			o.SetValues = map[string]string{"endpoints.kind": kind}
			install(t, release, o)

			t.Run("objects", func(t *testing.T) { articleObjects(t, kind) })
			t.Run("traffic", articleTraffic)

			uninstall(t, release, o)
			wantNoLeftovers(t, release)
			// What a controller made of our objects carries their labels, and the
			// label of their Service in any case.
			eventually(t, defaultWait, "no EndpointSlice of mysql-test is left", func() error {
				if slices := slicesOf(t, "mysql-test"); len(slices) > 0 {
					return fmt.Errorf("found %s", slices[0].Name)
				}
				return nil
			})
		})
	}
}

// articleObjects checks the objects as the API server stores them.
func articleObjects(t *testing.T, kind string) {
	service, err := client.CoreV1().Services("default").Get(t.Context(), "svc1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(corev1.ServiceSpec{
		Type: corev1.ServiceTypeExternalName, ExternalName: article.WebName, SessionAffinity: corev1.ServiceAffinityNone,
	}, service.Spec); diff != "" {
		t.Errorf("svc1 (-want +stored):\n%s", diff)
	}

	service, err = client.CoreV1().Services(article.Namespace).Get(t.Context(), "mysql-test", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	spec := service.Spec
	if spec.Type != corev1.ServiceTypeClusterIP || spec.ClusterIP == "" || spec.ClusterIP == corev1.ClusterIPNone || spec.Selector != nil ||
		fmt.Sprint(spec.IPFamilies) != "[IPv4]" || len(spec.Ports) != 1 || spec.Ports[0].Port != article.MySQLPort {
		t.Errorf("mysql-test is stored as %+v", spec)
	}

	// kube-proxy reads EndpointSlices: ours, or the mirror of our Endpoints.
	managers := map[string]string{"EndpointSlice": "external-services", "Endpoints": "endpointslicemirroring-controller.k8s.io"}
	eventually(t, defaultWait, "one EndpointSlice of mysql-test", func() error {
		slices := slicesOf(t, "mysql-test")
		if len(slices) != 1 {
			return fmt.Errorf("found %d", len(slices))
		}
		slice := slices[0]
		if by := slice.Labels[discoveryv1.LabelManagedBy]; by != managers[kind] {
			return fmt.Errorf("it is managed by %q, want %q", by, managers[kind])
		}
		if len(slice.Endpoints) != 1 || fmt.Sprint(slice.Endpoints[0].Addresses) != "["+article.MySQLIP+"]" || !*slice.Endpoints[0].Conditions.Ready ||
			len(slice.Ports) != 1 || *slice.Ports[0].Port != article.MySQLPort {
			return fmt.Errorf("it holds %+v, ports %+v", slice.Endpoints, slice.Ports)
		}
		return nil
	})
}

func articleTraffic(t *testing.T) {
	needDataPlane(t)
	outside, err := cluster.Resolve(t.Context(), article.App, article.WebName)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(outside.Addresses, []string{article.WebIP}) {
		t.Fatalf("%s itself resolves to %q, want %s", article.WebName, outside.Addresses, article.WebIP)
	}
	for _, name := range []string{"svc1.default", "svc1.default.svc", "svc1.default.svc.cluster.local"} {
		eventually(t, defaultWait, name+" resolves to what "+article.WebName+" does", func() error {
			inside, err := cluster.Resolve(t.Context(), article.App, name)
			if err == nil && (inside.CNAME != article.WebName+"." || !slices.Equal(inside.Addresses, outside.Addresses)) {
				err = fmt.Errorf("it resolves to %+v, want %+v", inside, outside)
			}
			return err
		})
	}
	if body, err := cluster.Get(t.Context(), article.App, "http://svc1.default/"); err != nil || body != article.Web {
		t.Errorf("http://svc1.default/ answers %q, %v, want %q", body, err, article.Web)
	}

	wantAddresses(t, article.App, article.MySQL+"."+article.Namespace, clusterIPOf(t, article.Namespace, article.MySQL))
	if _, err := cluster.Await(t.Context(), article.App, fmt.Sprintf("%s:%d", article.MySQL, article.MySQLPort)); err != nil {
		t.Fatal(err)
	}
	// The pod is in the namespace of mysql-test, so the short name does as well.
	for _, name := range []string{"mysql-test.test-env", "mysql-test"} {
		rows, err := mariadb.Query(t.Context(), cluster, article.App, name, article.MySQLPort, "SELECT id, note, @@bind_address FROM shop.orders")
		if want := "1\tfirst\t" + article.MySQLIP; err != nil || rows != want {
			t.Errorf("%s answers the query with %q, %v, want %q", name, rows, err, want)
		}
	}
}

// slicesOf lists the EndpointSlices of a Service of the example.
func slicesOf(t *testing.T, service string) []discoveryv1.EndpointSlice {
	t.Helper()
	list, err := client.DiscoveryV1().EndpointSlices(article.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}
