package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	core "external-services/tools/cluster/internal/cluster"
	"external-services/tools/cluster/internal/kube"
)

// testRestart restarts each component. What testTraffic made must be there.
func testRestart(t *testing.T, name string) {
	c := client(t, cluster(t, name, "kubeconfig").mustSucceed(t).stdout)
	serve(t, name, "db", ":3306")
	components := mustBeHealthy(t, name).Components
	for i, component := range components {
		t.Run(component.Name, func(t *testing.T) {
			before, kept := pids(mustBeHealthy(t, name)), rootCA(t, c)
			cluster(t, name, "restart", component.Name).mustSucceed(t)
			after := pids(mustBeHealthy(t, name))
			if rootCA(t, c) == kept {
				t.Error("it was not waited for the controllers")
			}
			for other, pid := range after {
				if restarted := pid != before[other]; restarted != (other == component.Name) {
					t.Errorf("%s has process %d, and had %d", other, pid, before[other])
				}
			}
			// What was there still works, and so does what comes now, which takes every component.
			execute(t, on(t, name, "app", helperGet, "http://orders.shop")).mustSucceed(t)
			service := fmt.Sprint("orders-", i)
			create(t, c, "/api/v1/namespaces/shop/services", kube.Object{
				"metadata": kube.Object{"name": service},
				"spec":     kube.Object{"ports": []kube.Object{{"name": "http", "port": 80, "targetPort": 3306}}},
			})
			create(t, c, "/api/v1/namespaces/shop/endpoints", kube.Object{
				"metadata": kube.Object{"name": service},
				"subsets": []kube.Object{{
					"addresses": []kube.Object{{"ip": "192.168.50.206"}}, "ports": []kube.Object{{"name": "http", "port": 3306}},
				}},
			})
			eventually(t, func() error {
				if r := execute(t, on(t, name, "app", helperGet, "http://"+service)); r.code != 0 {
					return fmt.Errorf("%s", r)
				}
				return nil
			})
		})
	}
	cluster(t, name, "restart", "nosuch").mustFail(t, 1,
		`there is no component "nosuch": name one of etcd, kube-apiserver, kube-controller-manager, kube-proxy, coredns`)

	t.Run("away for a while", func(t *testing.T) {
		const down = 10 * time.Second
		begin := time.Now()
		done := make(chan result, 1)
		go func() { done <- cluster(t, name, "restart", "kube-apiserver", "--down", down.String()) }()
		mustBeAway(t, name, "kube-apiserver")
		execute(t, on(t, name, "app", helperGet, "http://orders")).mustSucceed(t)
		(<-done).mustSucceed(t)
		if took := time.Since(begin); took < down {
			t.Errorf("it was away for at most %s, want %s", took, down)
		}
		mustBeHealthy(t, name)
	})
	t.Run("interrupted", func(t *testing.T) {
		cmd := command(name, "restart", "coredns", "--down", "1m")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// It holds the lock on the cluster, also when this test fails.
		interrupt := sync.OnceFunc(func() {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait() // the message says how it ended
		})
		t.Cleanup(interrupt)
		mustBeAway(t, name, "coredns")
		interrupt()
		if want := "coredns was started again, and not waited for: "; !strings.Contains(stderr.String(), want) {
			t.Errorf("want %q in %q", want, stderr.String())
		}
		eventually(t, func() error {
			if s, code := status(t, name); code != 0 {
				return fmt.Errorf("the cluster is not healthy: %s", s.Problem)
			}
			return nil
		})
	})
	t.Run("not running", func(t *testing.T) {
		killComponent(t, mustBeHealthy(t, name), "etcd")
		cluster(t, name, "restart", "etcd").mustSucceed(t)
		mustBeHealthy(t, name)
	})
}

// mustBeAway waits until a component is not running.
func mustBeAway(t *testing.T, name, component string) {
	t.Helper()
	eventually(t, func() error {
		if s, _ := status(t, name); !strings.Contains(s.Problem, component+": not running") {
			return fmt.Errorf("the problem is %q, want %s to be not running", s.Problem, component)
		}
		return nil
	})
}

// rootCA returns the id of an object that a controller keeps and that a restart makes it create anew.
func rootCA(t *testing.T, c *kube.Client) string {
	t.Helper()
	data, err := c.Get(t.Context(), "/api/v1/namespaces/kube-node-lease/configmaps/kube-root-ca.crt")
	if err != nil {
		t.Fatal(err)
	}
	var object struct{ Metadata struct{ UID string } }
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	return object.Metadata.UID
}

// pids maps the components to their process ids.
func pids(s core.Status) map[string]int {
	ids := map[string]int{}
	for _, c := range s.Components {
		ids[c.Name] = c.PID
	}
	return ids
}
