package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/testenv"
	"external-services/tests/internal/traffic"
)

// The two sides of the entry orders of values-examples/migration.
var (
	ordersOutside = map[string]string{"orders-out-1": "10.0.4.11", "orders-out-2": "10.0.4.12"}
	ordersPods    = []string{"orders-0", "orders-1"}
)

// migrationStep has the values files of a step of the example, over its base.
func migrationStep(step string) []string {
	return []string{testenv.Path("values-examples", "migration", "base.yaml"), testenv.Path("values-examples", "migration", step+".yaml")}
}

// makeOrders makes the hosts outside, once, each with a server for the port feed, which
// keeps a connection as long as its client wants, and one for HTTP.
var makeOrders = sync.OnceValue(func() error {
	for host, ip := range ordersOutside {
		if err := cluster.AddOutside(context.Background(), host, []string{ip}); err != nil {
			return err
		}
		if err := errors.Join(cluster.Serve(context.Background(), host, "tcp", ip+":7000"), cluster.Serve(context.Background(), host, "http", ip+":8080")); err != nil {
			return err
		}
	}
	return nil
})

// makeOrdersPods makes the pods that take over, for the length of a test.
func makeOrdersPods(t *testing.T, namespace string) {
	t.Helper()
	for _, pod := range ordersPods {
		makeServer(t, testenv.Server{Name: pod, Namespace: namespace, Labels: map[string]string{"app": "orders"}, Ports: map[string]testenv.Port{
			"http": {Number: 9090, Protocol: "http"}, "feed": {Number: 7001, Protocol: "tcp"},
		}})
	}
}

// makeServer makes a pod with servers, for the length of a test.
func makeServer(t *testing.T, server testenv.Server) {
	t.Helper()
	eventually(t, defaultWait, "the service account of pods in "+server.Namespace, func() error {
		_, err := client.CoreV1().ServiceAccounts(server.Namespace).Get(t.Context(), "default", metav1.GetOptions{})
		return err
	})
	if err := cluster.AddServer(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.RemovePod(context.WithoutCancel(t.Context()), server.Name); err != nil {
			t.Error(err)
		}
	})
}

// external -> both -> cluster -> both -> external, under load: no connection fails, new
// ones go where they should, and long-lived ones stay where they are.
func TestMigration(t *testing.T) {
	needDataPlane(t)
	for _, program := range []string{"helm", "helm4"} {
		t.Run(program, func(t *testing.T) {
			unlessShort(t, program)
			migrate(t, program)
		})
	}
}

// kubeProxyInterval is the time between two writings of kube-proxy's rules, at least
// (its minSyncPeriod).
const kubeProxyInterval = time.Second

func migrate(t *testing.T, program string) {
	const (
		name      = "migration"
		atLeast   = 10_000 // new connections in the whole cycle
		perPeriod = 2_500
		longLived = 8
	)
	namespace := "migration-" + program
	client := namespace + "-client"
	makePod(t, client, namespace)
	if err := makeOrders(); err != nil {
		t.Fatal(err)
	}
	makeOrdersPods(t, namespace)
	outside, pods := slices.Sorted(maps.Keys(ordersOutside)), ordersPods
	everyone := slices.Concat(pods, outside)
	r := releaseOf(t, program, name, namespace)
	t.Cleanup(r.Uninstall)
	r.Do("install", migrationStep("external"))
	wantHosts(t, client, "orders:7000", outside...)
	clusterIP := clusterIPOf(t, namespace, "orders")

	options := traffic.Options{
		Address: "orders:7000", LongLived: longLived,
		URL: "http://orders:80/", HTTPClients: 4,
		Duration: 30 * time.Minute, Count: 200_000,
		AtLeast: 20, // in a period: those after an upgrade are waited for, and an upgrade takes half a second
	}
	outsideIP := ordersOutside[outside[0]]
	control := startControl(t, client, namespace, outsideIP, 7000)
	load, err := cluster.Load(t.Context(), client, options)
	if err != nil {
		t.Fatal(err)
	}
	// A second load begins when only pods are reached: it has the long-lived connections
	// to the side that is left on the way back.
	var back *traffic.Load
	// the control period, as long as the others
	if err := load.WaitFor(perPeriod); err != nil {
		t.Fatal(err)
	}

	type step struct {
		name    string
		servers []string
		done    traffic.Mark
	}
	steps := []*step{{name: "both", servers: everyone}, {name: "cluster", servers: pods}, {name: "both", servers: everyone}, {name: "external", servers: outside}}
	var left traffic.Mark
	for i, s := range steps {
		load.Mark(fmt.Sprintf("%d upgrade", i+1))
		r.Do("upgrade", migrationStep(s.name))
		s.done = load.Mark(fmt.Sprintf("%d %s", i+1, s.name))
		if i == 2 {
			left = back.Mark("left")
		}
		if err := load.Settle(300, defaultWait, s.servers...); err != nil {
			t.Fatal(err)
		}
		if err := load.WaitFor(perPeriod); err != nil {
			t.Fatal(err)
		}
		wantBackends(t, namespace, "orders", "7000", map[string]bool{"both": true, "external": true}[s.name], "7001", map[string]bool{"both": true, "cluster": true}[s.name])
		if ip := clusterIPOf(t, namespace, "orders"); ip != clusterIP {
			t.Errorf("at %s the ClusterIP is %s, and it was %s", s.name, ip, clusterIP)
		}
		if s.name == "cluster" {
			if back, err = cluster.Load(t.Context(), client, traffic.Options{Address: "orders:7000", LongLived: longLived, Interval: 100 * time.Millisecond, Duration: 30 * time.Minute, AtLeast: 1}); err != nil {
				t.Fatal(err)
			}
			if err := back.WaitFor(10); err != nil {
				t.Fatal(err)
			}
		}
	}
	report, err := load.Stop()
	if err != nil {
		t.Fatal(err)
	}
	backReport, err := back.Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: external -> both -> cluster -> both -> external\n%s", program, report)

	if failures := slices.Concat(report.Failures(), backReport.Failures()); len(failures) > 0 {
		t.Errorf("%d connections failed, %d of them in the control period without any change", len(failures), len(report.Control().Failures()))
	}
	// New connections go where they should when the change has got to kube-proxy. From both
	// to cluster it writes its rules twice, a second apart at least.
	control.stop()
	longest := control.longest(t)
	within := kubeProxyInterval + 2*longest
	whole := report.Between("whole", report.Marks[0].Time, report.End)
	if err := whole.Require(traffic.New, atLeast); err != nil {
		t.Error(err)
	}
	for _, s := range steps {
		period := report.Period(s.done)
		last, _ := period.LastElsewhere(s.servers...)
		t.Logf("%s: the last connection elsewhere began %s after helm's return; a change took %s at the longest", s.done.Name, last.Round(time.Millisecond), longest.Round(time.Millisecond))
		if last > within {
			t.Errorf("%s: a connection that began %s after helm's return went elsewhere, want %s at most", s.done.Name, last, within)
		}
	}
	if err := report.Stayed(traffic.LongLived, report.Marks[0], longLived); err != nil {
		t.Error(err)
	}
	if err := report.Stayed(traffic.LongLived, steps[1].done, longLived); err != nil {
		t.Error(err)
	}
	if err := backReport.Stayed(traffic.LongLived, left, longLived); err != nil {
		t.Error(err)
	}
	for server := range backReport.Between("opened", backReport.Marks[0].Time, left.Time).Servers(traffic.LongLived) {
		if !slices.Contains(pods, server) {
			t.Errorf("the second load reached %s before the way back, want pods only", server)
		}
	}

	// The end of the way: the addresses outside are taken out of the file.
	r.Do("upgrade", migrationStep("both"))
	r.Do("upgrade", migrationStep("cluster"))
	r.Do("upgrade", migrationStep("moved"))
	wantHosts(t, client, "orders:7000", pods...)
	if ip := clusterIPOf(t, namespace, "orders"); ip != clusterIP {
		t.Errorf("at the end the ClusterIP is %s, and it was %s", ip, clusterIP)
	}
}

func clusterIPOf(t *testing.T, namespace, name string) string {
	t.Helper()
	service, err := client.CoreV1().Services(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return service.Spec.ClusterIP
}

// wantBackends fails unless all EndpointSlices and the Endpoints of a Service have
// endpoints with the one port, for the hosts outside, if those are wanted, and with the
// other port, for pods, if those are wanted, and none of a side that is not.
func wantBackends(t *testing.T, namespace, name, outsidePort string, outside bool, podPort string, pods bool) {
	t.Helper()
	want := []string{}
	if outside {
		want = append(want, "EndpointSlice:"+outsidePort)
	}
	if pods {
		want = append(want, "EndpointSlice:"+podPort, "Endpoints:"+podPort)
	}
	slices.Sort(want)
	eventually(t, defaultWait, "the endpoints of "+name, func() error {
		got := endpointPorts(t, namespace, name)
		if !slices.Equal(got, want) {
			return fmt.Errorf("have the ports %q, want %q", got, want)
		}
		return nil
	})
}

// endpointPorts are the ports, among those of the entry orders that are for feed, that the
// EndpointSlices and the Endpoints of a Service have addresses for, by the kind of object.
func endpointPorts(t *testing.T, namespace, name string) []string {
	t.Helper()
	found := []string{}
	list, err := client.DiscoveryV1().EndpointSlices(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + name})
	if err != nil {
		t.Fatal(err)
	}
	for _, slice := range list.Items {
		for _, port := range slice.Ports {
			if *port.Name != "http" && len(slice.Endpoints) > 0 {
				found = append(found, fmt.Sprintf("EndpointSlice:%d", *port.Port))
			}
		}
	}
	endpoints, err := client.CoreV1().Endpoints(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	for _, subset := range endpoints.Subsets {
		for _, port := range subset.Ports {
			if port.Name != "http" && len(subset.Addresses) > 0 {
				found = append(found, fmt.Sprintf("Endpoints:%d", port.Port))
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// dnsTTL is how long an answer of the cluster's DNS holds.
const dnsTTL = 5 * time.Second

// A Service that is an alias moves into the cluster and back in one step each. Who asks for
// the name later than an answer holds is led right: counted from helm's return, and from
// when the change is known to the cluster's DNS and to kube-proxy, which a control measures.
func TestMigrationOfAlias(t *testing.T) {
	needDataPlane(t)
	ctx := t.Context()
	const host, address = "reports-out", "10.0.5.11"
	if err := cluster.AddOutside(ctx, host, []string{address}, "reports.corp.example"); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Serve(ctx, host, "tcp", address+":80"); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"helm", "helm4"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel() // most of it is waiting for answers of DNS to grow old
			migrateAlias(t, program, host, address)
		})
	}
}

func migrateAlias(t *testing.T, program, host, address string) {
	namespace := "alias-" + program
	client := namespace + "-client"
	pod := "reports-" + program
	makePod(t, client, namespace)
	makeServer(t, testenv.Server{Name: pod, Namespace: namespace, Labels: map[string]string{"app": "reports"}, Ports: map[string]testenv.Port{"http": {Number: 8080, Protocol: "tcp"}}})
	r := releaseOf(t, program, "alias", namespace)
	t.Cleanup(r.Uninstall)
	r.Do("install", migrationStep("moved"))
	wantHosts(t, client, "reports:80", host)

	control := startControl(t, client, namespace, address, 80)
	loads := map[string]*traffic.Load{}
	for _, cached := range []bool{false, true} {
		load, err := cluster.Load(t.Context(), client, traffic.Options{Address: "reports:80", Interval: 20 * time.Millisecond, CacheDNS: cached, Duration: 10 * time.Minute, AtLeast: 1})
		if err != nil {
			t.Fatal(err)
		}
		loads[map[bool]string{false: "each connection resolves the name", true: "answers are kept for their TTL"}[cached]] = load
	}
	// enough of them before any change, and after each: an upgrade itself may take a tenth of a second
	const enough = 300
	for _, load := range loads {
		if err := load.WaitFor(enough); err != nil {
			t.Fatal(err)
		}
	}
	steps := []string{"reports-cluster", "moved"}
	right := map[string]time.Duration{} // answers asked for that long after a step are right: a TTL and the time of a change
	for _, step := range steps {
		for _, load := range loads {
			load.Mark(step + ": upgrade")
		}
		r.Do("upgrade", migrationStep(step))
		for _, load := range loads {
			load.Mark(step)
		}
		returned := time.Now()
		for right[step] != dnsTTL+control.longest(t) { // which may grow while we wait
			right[step] = dnsTTL + control.longest(t)
			for _, load := range loads {
				if err := load.WaitForAsked(enough, func() time.Time { return returned.Add(right[step]) }); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	control.stop()
	longest := control.longest(t)
	for clients, load := range loads {
		report, err := load.Stop()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s, %s; a change took %s at the longest\n%s", program, clients, longest.Round(time.Millisecond), report)
		if failures := report.Control().Failures(); len(failures) > 0 {
			t.Errorf("%s: %d connections failed before any change", clients, len(failures))
		}
		if ttl := report.Between("", report.Marks[0].Time, report.End).LongestTTL(); ttl != dnsTTL {
			t.Errorf("%s: the longest TTL is %s, want the cluster's %s", clients, ttl, dnsTTL)
		}
		for _, step := range steps {
			i := slices.IndexFunc(report.Marks, func(m traffic.Mark) bool { return m.Name == step })
			returned, ends := report.Marks[i].Time, report.Period(report.Marks[i]).To
			want := map[string]string{"reports-cluster": pod, "moved": host}[step]
			asked := 0
			for _, e := range report.Between(step, returned, ends).Events(traffic.New) {
				after := e.Resolved.Sub(returned)
				if after < right[step] {
					continue
				}
				if asked++; e.Failed() || e.Server != want {
					t.Fatalf("%s: a connection whose name was asked for %s after helm's return ends at %q, %s: want %s", clients, after, e.Server, e.Error, want)
				}
			}
			if asked < enough/2 {
				t.Errorf("%s, %s: %d connections asked for the name later than an answer holds, want %d at least", clients, step, asked, enough/2)
			}
			failed := report.Between("", report.Marks[i-1].Time, ends).Failures()
			t.Logf("%s, %s, %s: %d connections failed from the start of the upgrade on", program, clients, step, len(failed))
		}
	}
}
