package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"external-services/tools/cluster/internal/kube"
)

// testBackends adds pods that Services select. The pod app must be there.
func testBackends(t *testing.T, name string) {
	c := client(t, cluster(t, name, "kubeconfig").mustSucceed(t).stdout)
	add := func(pod string) []string {
		return []string{"add-pod", pod, "--namespace", "backends", "--label", "app=orders", "--label", "tier=back", "--port", "http=8080"}
	}
	cluster(t, name, add("orders-0")...).mustFail(t, 1, `add pod "orders-0" to the Kubernetes API: there is no namespace "backends": create it first`)
	create(t, c, "/api/v1/namespaces", kube.Object{"metadata": kube.Object{"name": "backends"}})
	cluster(t, name, "add-pod", "orders-0", "--namespace", "backends", "--label", "app=-").mustFail(t, 1, "metadata.labels: Invalid value")
	if namespaces := readDir(t, "/run/netns"); slices.Contains(namespaces, "extsvc-"+name+"-pod-orders-0") {
		t.Errorf("a pod that was refused left its network among %q", namespaces)
	}
	cluster(t, name, add("orders-0")...).mustSucceed(t)

	pods := "/api/v1/namespaces/backends/pods"
	object := func(pod string, spec kube.Object) kube.Object {
		spec["containers"] = []kube.Object{{"name": "main", "image": "image"}}
		return kube.Object{"metadata": kube.Object{"name": pod}, "spec": spec}
	}
	// An addition that was killed may leave the Pod object without anything else.
	create(t, c, pods, object("orders-1", kube.Object{"nodeName": "node", "terminationGracePeriodSeconds": 0}), object("foreign", kube.Object{}))
	cluster(t, name, add("orders-1")...).mustSucceed(t)
	cluster(t, name, add("foreign")...).mustFail(t, 1, `pods "foreign" already exists`)
	if _, err := c.Get(t.Context(), pods+"/foreign"); err != nil {
		t.Errorf("a Pod object of somebody else was deleted: %v", err)
	}

	create(t, c, "/api/v1/namespaces/backends/services", service("orders", kube.Object{
		"ipFamilyPolicy": "PreferDualStack", "selector": kube.Object{"app": "orders"},
		"ports": []kube.Object{{"port": 80, "targetPort": "http"}},
	}))
	serve(t, name, "orders-0", ":8080")
	serve(t, name, "orders-1", ":8080")
	ips := map[string][]string{}
	for _, h := range mustBeHealthy(t, name).Hosts {
		for _, ip := range h.IPs {
			ips[h.Name] = append(ips[h.Name], ip.String())
		}
	}
	ready := func(pods ...string) {
		t.Helper()
		var want []string
		for _, pod := range pods {
			want = append(want, ips[pod]...)
		}
		slices.Sort(want)
		eventually(t, func() error {
			got, err := readyEndpoints(t, c, "backends", "orders")
			if err == nil && !slices.Equal(got, want) {
				err = fmt.Errorf("the EndpointSlices have the ready endpoints %q, want %q", got, want)
			}
			return err
		})
	}
	answers := func() {
		t.Helper()
		eventually(t, func() error {
			if r := execute(t, on(t, name, "app", helperGet, "http://orders.backends")); r.code != 0 {
				return errors.New(r.String())
			}
			return nil
		})
	}
	ready("orders-0", "orders-1")
	answers()
	eventually(t, func() error {
		endpoints, err := c.Get(t.Context(), "/api/v1/namespaces/backends/endpoints/orders")
		for _, pod := range []string{"orders-0", "orders-1"} {
			if err == nil && !strings.Contains(string(endpoints), `"`+ips[pod][0]+`"`) {
				err = fmt.Errorf("the Endpoints do not have the pod %s: %s", pod, endpoints)
			}
		}
		return err
	})

	cluster(t, name, "set-pod", "orders-0", "--ready=false").mustSucceed(t)
	ready("orders-1")
	answers()
	cluster(t, name, "remove-pod", "orders-1").mustSucceed(t)
	ready()
	eventually(t, func() error {
		if r := execute(t, on(t, name, "app", helperDial, "orders.backends:80")); r.code == 0 || !strings.Contains(r.stderr, "connection refused") {
			return fmt.Errorf("want no endpoint to answer: %s", r)
		}
		return nil
	})
	cluster(t, name, "set-pod", "orders-0", "--ready=true").mustSucceed(t)
	ready("orders-0")
	answers()

	servers := slices.DeleteFunc(marked(t, name), func(process string) bool { return !strings.HasSuffix(process, " :8080 ") })
	if len(servers) != 1 {
		t.Errorf("want the server of the pod that is left, there are %q", servers)
	}
	cluster(t, name, "remove-pod", "orders-1").mustFail(t, 1, `has no pod "orders-1"`)
	cluster(t, name, "exec", "orders-1", "true").mustFail(t, 125, `no pod or outside host "orders-1"`)
	cluster(t, name, "set-pod", "app", "--ready=false").mustFail(t, 1, `pod "app" has no Pod object: add it with --label`)

	// There is no kubelet to end the Pods of a namespace that is deleted.
	deleteNamespace(t, c, "backends")
	cluster(t, name, "remove-pod", "orders-0").mustSucceed(t)
	mustBeHealthy(t, name)
}

// readyEndpoints returns the addresses of the ready endpoints of a Service, sorted.
func readyEndpoints(t *testing.T, c *kube.Client, namespace, service string) ([]string, error) {
	t.Helper()
	data, err := c.Do(t.Context(), http.MethodGet,
		"/apis/discovery.k8s.io/v1/namespaces/"+namespace+"/endpointslices?labelSelector=kubernetes.io/service-name="+service, nil)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Endpoints []struct {
				Addresses  []string
				Conditions struct{ Ready bool }
			}
		}
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, err
	}
	var addresses []string
	for _, slice := range list.Items {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready {
				addresses = append(addresses, endpoint.Addresses...)
			}
		}
	}
	slices.Sort(addresses)
	return addresses, nil
}
