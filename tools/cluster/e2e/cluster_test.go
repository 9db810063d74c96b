package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"external-services/tools/cluster/internal/kube"
)

func TestLifecycle(t *testing.T) {
	needsRoot(t, "a cluster with a data plane starts, carries traffic and leaves nothing")
	name := newName(t, "life")
	before := machine(t)

	up := cluster(t, name, "up", "--data-plane", "on").mustSucceed(t)
	for _, want := range []string{`cluster "` + name + `" is up after `, "kubernetes  v1.37.", "kubeconfig  " + stateDir(name), "data plane  kube-proxy"} {
		if !strings.Contains(up.stdout, want) {
			t.Errorf("the summary has no %q:\n%s", want, up.stdout)
		}
	}
	if after := machine(t); after != before {
		t.Errorf("the machine itself was changed:\n%s\nwas\n%s", after, before)
	}
	s := mustBeHealthy(t, name)
	if !s.DataPlane || len(s.Components) != 5 || len(s.LeftOut) != 0 {
		t.Errorf("status = %+v, want a data plane and five components", s)
	}
	mustBePrivate(t, stateDir(name), 0o700)
	mustBePrivate(t, s.Kubeconfig, 0o600)

	again := cluster(t, name, "up").mustSucceed(t)
	if !strings.Contains(again.stdout, "is already up") {
		t.Errorf("a second up: %s", again)
	}
	if second := mustBeHealthy(t, name); second.Components[0].PID != s.Components[0].PID {
		t.Error("a second up started the cluster anew")
	}
	cluster(t, name, "up", "--data-plane", "off").mustFail(t, 1, "is up with a data plane: add --fresh")
	fresh := cluster(t, name, "up", "--fresh").mustSucceed(t)
	if third := mustBeHealthy(t, name); third.Components[0].PID == s.Components[0].PID {
		t.Errorf("up --fresh left the cluster as it was: %s", fresh)
	}

	t.Run("API", func(t *testing.T) { testAPI(t, name) })
	t.Run("hosts", func(t *testing.T) { testHosts(t, name) })
	t.Run("exec", func(t *testing.T) { testExec(t, name) })
	t.Run("traffic", func(t *testing.T) { testTraffic(t, name) })
	t.Run("backends", func(t *testing.T) { testBackends(t, name) })
	t.Run("restart", func(t *testing.T) { testRestart(t, name) })
	mustBeHealthy(t, name)

	down := cluster(t, name, "down").mustSucceed(t)
	if !strings.Contains(down.stdout, `cluster "`+name+`" is down`) {
		t.Errorf("down: %s", down)
	}
	mustBeGone(t, name)
	if after := machine(t); after != before {
		t.Errorf("the machine is not as it was:\n%s\nwas\n%s", after, before)
	}
	if r := cluster(t, name, "down").mustSucceed(t); !strings.Contains(r.stdout, "nothing to do") {
		t.Errorf("a second down: %s", r)
	}
}

// TestOlderKubernetes starts another version than the default one.
func TestOlderKubernetes(t *testing.T) {
	name := newName(t, "older")
	up := cluster(t, name, "up", "--kubernetes", olderKubernetes).mustSucceed(t)
	if want := "kubernetes  v" + olderKubernetes + "."; !strings.Contains(up.stdout, want) {
		t.Errorf("the summary has no %q:\n%s", want, up.stdout)
	}
	s := mustBeHealthy(t, name)
	version := s.Versions["kubernetes"]
	if !strings.HasPrefix(version, "v"+olderKubernetes+".") {
		t.Errorf("it is Kubernetes %s", version)
	}
	for _, c := range s.Components {
		if strings.HasPrefix(c.Name, "kube-") != (c.Version == version) {
			t.Errorf("%s is %s in Kubernetes %s", c.Name, c.Version, version)
		}
	}
	t.Run("API", func(t *testing.T) { testAPI(t, name) })

	// It stays as it is until another version is asked for.
	if again := cluster(t, name, "up").mustSucceed(t); !strings.Contains(again.stdout, "is already up") {
		t.Errorf("up without a version: %s", again)
	}
	cluster(t, name, "up", "--kubernetes", "1.37").mustFail(t, 1, "is up with Kubernetes "+version+": add --fresh")
	cluster(t, name, "up", "--kubernetes", "1.20", "--fresh").mustFail(t, 1, `--kubernetes "1.20": use v1.37.`)
	if again := mustBeHealthy(t, name); again.Components[0].PID != s.Components[0].PID {
		t.Error("a version that there is not took the cluster down")
	}

	t.Run("data plane", func(t *testing.T) {
		needsRoot(t, "the data plane works with Kubernetes "+olderKubernetes)
		testHosts(t, name)
		testTraffic(t, name)
		testBackends(t, name)
		cluster(t, name, "restart", "kube-apiserver").mustSucceed(t)
		mustBeHealthy(t, name)
	})
}

func testAPI(t *testing.T, name string) {
	kubeconfig := cluster(t, name, "kubeconfig").mustSucceed(t).stdout
	path := strings.TrimSpace(cluster(t, name, "kubeconfig", "--path").mustSucceed(t).stdout)
	if file, err := os.ReadFile(path); err != nil || string(file) != kubeconfig {
		t.Errorf("kubeconfig --path names %q with other content: %v", path, err)
	}
	c := client(t, kubeconfig)
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	data, err := c.Get(t.Context(), "/version")
	if err != nil {
		t.Fatal(err)
	}
	var version struct{ Major, Minor, GitVersion string }
	if err := json.Unmarshal(data, &version); err != nil {
		t.Fatal(err)
	}
	s := mustBeHealthy(t, name)
	if version.GitVersion != s.Versions["kubernetes"] || version.GitVersion != "v"+version.Major+"."+version.Minor+version.GitVersion[strings.LastIndex(version.GitVersion, "."):] {
		t.Errorf("the API server says that it is %+v, the status says %s", version, s.Versions["kubernetes"])
	}

	// A namespace is complete soon, and goes away with what is in it.
	create(t, c, "/api/v1/namespaces", kube.Object{"metadata": kube.Object{"name": "short-lived"}})
	create(t, c, "/api/v1/namespaces/short-lived/services", service("orders", kube.Object{"ports": []kube.Object{{"port": 80}}}))
	for _, object := range []string{"serviceaccounts/default", "configmaps/kube-root-ca.crt"} {
		eventually(t, func() error {
			_, err := c.Get(t.Context(), "/api/v1/namespaces/short-lived/"+object)
			return err
		})
	}
	deleteNamespace(t, c, "short-lived")

	// The roles for users have the rules that are gathered from others.
	for _, role := range []string{"admin", "edit", "view"} {
		eventually(t, func() error {
			data, err := c.Get(t.Context(), "/apis/rbac.authorization.k8s.io/v1/clusterroles/"+role)
			if err == nil && !bytes.Contains(data, []byte("endpointslices")) {
				err = fmt.Errorf("the role %s has no rule for EndpointSlices: %s", role, data)
			}
			return err
		})
	}
}

// deleteNamespace deletes a namespace and waits until it is gone, with what is in it.
func deleteNamespace(t *testing.T, c *kube.Client, name string) {
	t.Helper()
	path := "/api/v1/namespaces/" + name
	if err := c.Delete(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		data, err := c.Get(t.Context(), path)
		if kube.IsStatus(err, http.StatusNotFound) {
			return nil
		}
		return fmt.Errorf("the namespace is still there: %s %w", data, err)
	})
}

func testHosts(t *testing.T, name string) {
	cluster(t, name, "add-outside", "db", "--ip", "192.168.50.206", "--ip", "2001:db8::206", "--dns", "db.corp.example", "--dns", "mysql.corp.example").mustSucceed(t)
	cluster(t, name, "add-pod", "app", "--namespace", "shop").mustSucceed(t)
	cluster(t, name, "add-pod", "other").mustSucceed(t)

	cluster(t, name, "add-pod", "app").mustFail(t, 1, `the name "app" is that of an existing pod`)
	cluster(t, name, "add-pod", "db").mustFail(t, 1, `the name "db" is that of an existing outside host`)
	cluster(t, name, "add-pod", "node").mustFail(t, 1, `the name "node" is that of the cluster's node`)
	cluster(t, name, "add-outside", "db2", "--ip", "192.168.50.206").mustFail(t, 1, `address "192.168.50.206" is that of the outside host "db"`)
	cluster(t, name, "add-outside", "db2", "--ip", "192.168.50.207", "--dns", "db.corp.example").mustFail(t, 1, `DNS name "db.corp.example" is that of`)

	s := mustBeHealthy(t, name)
	var listed []string
	for _, h := range s.Hosts {
		listed = append(listed, fmt.Sprint(h.Name, " ", h.Kind, " ", h.IPs))
		if !slices.Contains(readDir(t, "/run/netns"), h.NetworkNamespace) {
			t.Errorf("there is no network namespace %s", h.NetworkNamespace)
		}
	}
	want := []string{
		"db outside [192.168.50.206 2001:db8::206]", "app pod [10.244.2.2 fd00:10:244:2::2]", "other pod [10.244.3.2 fd00:10:244:3::2]",
	}
	if !slices.Equal(listed[1:], want) || !strings.HasPrefix(listed[0], "node node [10.99.") {
		t.Errorf("the hosts are %q, want the node and %q", listed, want)
	}
}

func testExec(t *testing.T, name string) {
	if r := cluster(t, name, "exec", "app", "--", "sh", "-c", "exit 7"); r.code != 7 {
		t.Errorf("the exit code 7 became: %s", r)
	}
	cluster(t, name, "exec", "app", "--", "no-such-command").mustFail(t, 127, `"no-such-command"`)
	cluster(t, name, "exec", "nosuch", "--", "true").mustFail(t, 125, `no pod or outside host "nosuch": it has node, db, app, other`)
	cmd := command(name, "exec", "app", "--", "sh", "-c", "cat; echo to stderr >&2")
	cmd.Stdin = strings.NewReader("to stdin")
	if r := execute(t, cmd).mustSucceed(t); r.stdout != "to stdin" || r.stderr != "to stderr\n" {
		t.Errorf("input and output got lost: %s", r)
	}
	resolvConf := "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
	if r := cluster(t, name, "exec", "app", "cat", "/etc/resolv.conf").mustSucceed(t); r.stdout != resolvConf {
		t.Errorf("a pod has the resolv.conf %q, want %q", r.stdout, resolvConf)
	}

	// A signal reaches the command.
	cmd = command(name, "exec", "app", "--", "sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done")
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := output.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 9 {
		t.Errorf("the command ended by %v, want exit code 9", err)
	}

	// What a command leaves running belongs to the cluster: mustBeGone finds it unless `down` ends it.
	left := cluster(t, name, "exec", "db", "--", "sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!").mustSucceed(t)
	eventually(t, func() error { // kube-proxy runs nft at times
		if processes := marked(t, name); len(processes) != 6 {
			return fmt.Errorf("want five components and process %s in %q", strings.TrimSpace(left.stdout), processes)
		}
		return nil
	})
}

func testTraffic(t *testing.T, name string) {
	c := client(t, cluster(t, name, "kubeconfig").mustSucceed(t).stdout)
	serve(t, name, "db", ":3306")
	create(t, c, "/api/v1/namespaces", kube.Object{"metadata": kube.Object{"name": "shop"}})
	create(t, c, "/api/v1/namespaces/shop/services",
		service("orders", kube.Object{
			"ipFamilyPolicy": "PreferDualStack",
			"ports":          []kube.Object{{"name": "http", "port": 80, "targetPort": 3306}},
		}),
		service("alias", kube.Object{"type": "ExternalName", "externalName": "db.corp.example"}),
		service("empty", kube.Object{"ports": []kube.Object{{"port": 80}}}))
	create(t, c, "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices",
		slice("orders-ipv4", "orders", "IPv4", "192.168.50.206"), slice("orders-ipv6", "orders", "IPv6", "2001:db8::206"))
	data, err := c.Get(t.Context(), "/api/v1/namespaces/shop/services/orders")
	if err != nil {
		t.Fatal(err)
	}
	var orders struct {
		Spec struct{ ClusterIPs []netip.Addr }
	}
	if err := json.Unmarshal(data, &orders); err != nil {
		t.Fatal(err)
	}
	if len(orders.Spec.ClusterIPs) != 2 {
		t.Fatalf("the Service has the addresses %v, want one of each family", orders.Spec.ClusterIPs)
	}

	// The pod is seen under its own address, so nothing between it and the outside host hides it.
	for i, client := range []string{"10.244.2.2:", "[fd00:10:244:2::2]:"} {
		eventually(t, func() error {
			url := "http://" + netip.AddrPortFrom(orders.Spec.ClusterIPs[i], 80).String()
			r := execute(t, on(t, name, "app", helperGet, url))
			if r.code != 0 || !strings.HasPrefix(r.stdout, client) {
				return fmt.Errorf("want the client %s of %s", client, r)
			}
			return nil
		})
	}
	for _, host := range []struct{ from, url string }{
		{"app", "http://orders"}, {"app", "http://alias:3306"}, {"other", "http://orders.shop"},
		{"node", "http://orders.shop.svc.cluster.local"}, {"app", "http://192.168.50.206:3306"}, {"app", "http://[2001:db8::206]:3306"},
	} {
		eventually(t, func() error { // CoreDNS and kube-proxy learn of a Service by a watch each
			if r := execute(t, on(t, name, host.from, helperGet, host.url)); r.code != 0 {
				return errors.New(r.String())
			}
			return nil
		})
	}
	for _, lookup := range []struct{ host, name, want string }{
		{"app", "alias", "192.168.50.206 2001:db8::206"},
		{"app", "mysql.corp.example", "192.168.50.206 2001:db8::206"},
		{"other", "kubernetes", "10.96.0.1"},
	} {
		if r := execute(t, on(t, name, lookup.host, helperResolve, lookup.name)).mustSucceed(t); strings.TrimSpace(r.stdout) != lookup.want {
			t.Errorf("%s is %q for %s, want %q", lookup.name, r.stdout, lookup.host, lookup.want)
		}
	}
	execute(t, on(t, name, "other", helperResolve, "orders")).mustFail(t, 1, "no such host")
	execute(t, on(t, name, "app", helperResolve, "nowhere.example")).mustFail(t, 1, "no such host")

	// The Service kubernetes leads to the API server, as in any cluster.
	execute(t, on(t, name, "app", helperDial, "10.96.0.1:443")).mustSucceed(t)
	for _, host := range []string{"app", "node"} {
		execute(t, on(t, name, host, helperDial, "empty.shop.svc.cluster.local:80")).mustFail(t, 1, "connection refused")
	}
	// No namespace has these: they must not be looked for outside the machine.
	for _, host := range []string{"app", "db", "node"} {
		for _, address := range []string{"198.51.100.1:80", "[2001:db8:ffff::1]:80"} {
			execute(t, on(t, name, host, helperDial, address)).mustFail(t, 1, "unreachable")
		}
	}
}

func service(name string, spec kube.Object) kube.Object {
	return kube.Object{"metadata": kube.Object{"name": name}, "spec": spec}
}

func slice(name, service, addressType, address string) kube.Object {
	return kube.Object{
		"metadata":    kube.Object{"name": name, "labels": kube.Object{"kubernetes.io/service-name": service}},
		"addressType": addressType,
		"endpoints":   []kube.Object{{"addresses": []string{address}, "conditions": kube.Object{"ready": true}}},
		"ports":       []kube.Object{{"name": "http", "port": 3306}},
	}
}

// TestSideBySide starts two clusters at the same moment. Their networks have the same addresses.
func TestSideBySide(t *testing.T) {
	needsRoot(t, "two clusters with a data plane do not get into each other's way")
	names := []string{newName(t, "a"), newName(t, "b")}
	var starts sync.WaitGroup
	for _, name := range names {
		starts.Go(func() {
			if r := cluster(t, name, "up"); r.code != 0 {
				t.Errorf("%s", r)
			}
		})
	}
	starts.Wait()
	if t.Failed() {
		t.FailNow()
	}
	if a, b := mustBeHealthy(t, names[0]), mustBeHealthy(t, names[1]); a.Hosts[0].IPs[0] == b.Hosts[0].IPs[0] {
		t.Errorf("both nodes have the address %s", a.Hosts[0].IPs[0])
	}
	for _, name := range names {
		cluster(t, name, "add-outside", "db", "--ip", "192.168.50.206", "--dns", "db.example").mustSucceed(t)
		cluster(t, name, "add-pod", "app").mustSucceed(t)
	}
	serve(t, names[0], "db", ":80")
	execute(t, on(t, names[0], "app", helperGet, "http://db.example")).mustSucceed(t)
	execute(t, on(t, names[1], "app", helperGet, "http://db.example")).mustFail(t, 1, "connection refused")

	cluster(t, names[1], "down").mustSucceed(t)
	mustBeGone(t, names[1])
	mustBeHealthy(t, names[0])
	execute(t, on(t, names[0], "app", helperGet, "http://db.example")).mustSucceed(t)
}

// TestTwoStartsOfOneCluster lets two users of the same name meet.
func TestTwoStartsOfOneCluster(t *testing.T) {
	name := newName(t, "twice")
	var (
		results [2]result
		starts  sync.WaitGroup
	)
	for i := range results {
		starts.Go(func() { results[i] = cluster(t, name, "up") })
	}
	starts.Wait()
	var started, waited int
	for _, r := range results {
		r.mustSucceed(t)
		if strings.Contains(r.stdout, "is up after") {
			started++
		}
		if strings.Contains(r.stderr, "waiting for ") && strings.Contains(r.stdout, "is already up") {
			waited++
		}
	}
	if started != 1 || waited != 1 {
		t.Errorf("want one that started and one that waited:\n%s\n%s", results[0], results[1])
	}
	mustBeHealthy(t, name)
}

// TestManyHosts adds hosts from several processes at the same time.
func TestManyHosts(t *testing.T) {
	needsRoot(t, "pods and outside hosts can be added at the same time")
	name := newName(t, "many")
	cluster(t, name, "up").mustSucceed(t)
	var adds sync.WaitGroup
	for i := range 4 {
		adds.Go(func() {
			if r := cluster(t, name, "add-pod", fmt.Sprint("app-", i)); r.code != 0 {
				t.Errorf("%s", r)
			}
		})
		adds.Go(func() {
			r := cluster(t, name, "add-outside", fmt.Sprint("db-", i), "--ip", fmt.Sprint("192.168.50.", 10+i), "--dns", fmt.Sprintf("db-%d.example", i))
			if r.code != 0 {
				t.Errorf("%s", r)
			}
		})
	}
	adds.Wait()
	s := mustBeHealthy(t, name)
	seen := map[netip.Addr]string{}
	for _, h := range s.Hosts {
		for _, ip := range h.IPs {
			if other, ok := seen[ip]; ok {
				t.Errorf("%s and %s both have the address %s", h.Name, other, ip)
			}
			seen[ip] = h.Name
		}
	}
	if len(s.Hosts) != 9 {
		t.Errorf("there are %d hosts, want the node and eight more", len(s.Hosts))
	}
	for i := range 4 {
		r := execute(t, on(t, name, fmt.Sprint("app-", i), helperResolve, fmt.Sprintf("db-%d.example", i))).mustSucceed(t)
		if want := fmt.Sprint("192.168.50.", 10+i); strings.TrimSpace(r.stdout) != want {
			t.Errorf("db-%d.example is %q, want %s", i, r.stdout, want)
		}
	}
}
