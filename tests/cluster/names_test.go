package cluster

import (
	"context"
	"fmt"
	"os/exec"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/mariadb"
	"external-services/tests/internal/testenv"
	toolvalues "external-services/tools/values"
)

// The two limits of the article in one entry: a client calls a Service by its name and port, and the host outside has
// another name, which DNS knows, and another port. On kind the resolver is the Deployment, from its image, and helm's
// --wait returns with the endpoints of its names there. Nothing is left of it after helm uninstall.
func TestNames(t *testing.T) {
	needDataPlane(t)
	const namespace, release, pod, host, ip = "names", "names", "names-client", "names-db", "192.168.88.1"
	makePod(t, pod, namespace)
	if err := cluster.AddOutside(t.Context(), host, []string{ip}, "orders.names.example", "billing.names.example"); err != nil {
		t.Fatal(err)
	}
	if err := mariadb.Start(t.Context(), cluster, host, ip+":3307"); err != nil {
		t.Fatal(err)
	}
	const (
		orders  = "\n- {name: orders-db, addresses: [orders.names.example], ports: [{name: mysql, port: 3306, targetPort: 3307}]}"
		billing = "\n- {name: billing-db, addresses: [billing.names.example], ports: [{name: mysql, port: 3306, targetPort: 3307}]}"
		text    = "resolver: {enabled: true}\nservices:"
	)
	var wait []string
	within := defaultWait
	if kindCluster != nil {
		wait, within = []string{"--wait", "--timeout", "5m"}, 0
	}
	for _, program := range []string{"helm", "helm4"} {
		t.Run(program, func(t *testing.T) {
			r := releaseOf(t, program, release, namespace)
			t.Cleanup(r.Uninstall)
			r.Do("install", values(t, text+orders), wait...)
			startResolver(t, namespace)
			eventually(t, within, "orders-db has its endpoints", func() error { return hasAddress(t, namespace, "orders-db", ip) })
			r.Do("upgrade", values(t, text+orders+billing), wait...)
			eventually(t, within, "billing-db has its endpoints", func() error { return hasAddress(t, namespace, "billing-db", ip) })
			for _, service := range []string{"orders-db", "billing-db"} {
				eventually(t, defaultWait, "a query at "+service, func() error {
					rows, err := mariadb.Query(t.Context(), cluster, pod, service, 3306, "SELECT note FROM shop.orders")
					if err == nil && rows != "first" {
						err = fmt.Errorf("rows %q", rows)
					}
					return err
				})
			}
			r.Uninstall()
			wantNoLeftovers(t, release)
			eventually(t, defaultWait, "no endpoints of names are left", func() error {
				if list := resolverSlices(t, namespace, ""); len(list) > 0 {
					return fmt.Errorf("found %s", list[0].Name)
				}
				return nil
			})
		})
	}
}

// startResolver runs what the Deployment of a resolver says, until the test ends, where no kubelet does.
func startResolver(t *testing.T, namespace string) {
	t.Helper()
	if embeddedCluster == nil {
		return
	}
	list, err := client.AppsV1().Deployments(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("%d Deployments in %s: %v", len(list.Items), namespace, err)
	}
	pod := fmt.Sprintf("%s-%d", list.Items[0].Name, time.Now().UnixNano())
	if err := cluster.AddPod(t.Context(), pod, namespace); err != nil {
		t.Fatal(err)
	}
	testenv.Beside(t, pod, func(ctx context.Context) (*exec.Cmd, error) {
		return embeddedCluster.Process(ctx, client, &list.Items[0], pod, "resolver")
	})
}

// resolverSlices lists the resolver's slices of a namespace, those that a selector matches.
func resolverSlices(t *testing.T, namespace, selector string) []discoveryv1.EndpointSlice {
	t.Helper()
	selector = discoveryv1.LabelManagedBy + "=" + toolvalues.ResolverManager + selector
	list, err := client.DiscoveryV1().EndpointSlices(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// hasAddress returns an error unless the resolver's slices of a Service have one address.
func hasAddress(t *testing.T, namespace, service, ip string) error {
	t.Helper()
	list := resolverSlices(t, namespace, ","+discoveryv1.LabelServiceName+"="+service)
	if len(list) != 1 || len(list[0].Endpoints) != 1 || fmt.Sprint(list[0].Endpoints[0].Addresses) != "["+ip+"]" {
		return fmt.Errorf("the EndpointSlices are %+v, want one with %s", list, ip)
	}
	return nil
}
