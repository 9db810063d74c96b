package resolver

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"external-services/tests/dnsserver"
	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
	"external-services/tests/internal/traffic"
	"external-services/tools/values"
)

// entry is a values file with one entry of one name.
func entry(name, more string) string {
	return fmt.Sprintf(`
resolver: {enabled: true}
services:
- name: db
  addresses: [%s]
  ports: [{name: tcp, port: 7000, targetPort: 7001}]
  %s
`, name, more)
}

// TestFailover: the name answers with another address, and new connections go there.
func TestFailover(t *testing.T) {
	t.Parallel()
	outside(t, 7001, "10.0.11.1", "10.0.11.2")
	answers(nameOf(t, "db"), "10.0.11.1")
	i := install(t, "helm4", entry(nameOf(t, "db"), ""))
	i.startReplica(0).waitReady()
	i.wantServer("db:7000", hostOf("10.0.11.1"))
	answers(i.name("db"), "10.0.11.2")
	i.wantServer("db:7000", hostOf("10.0.11.2"))
	i.wantAddresses("db", "10.0.11.1(draining) 10.0.11.2")
}

// TestEachFailureKeepsTheLastSet: whatever DNS does, the last addresses stay, and nothing is written.
func TestEachFailureKeepsTheLastSet(t *testing.T) {
	t.Parallel()
	failures := map[string]dnsserver.Failure{
		"nxdomain": dnsserver.NXDomain, "nodata": dnsserver.NoData, "servfail": dnsserver.ServFail, "refused": dnsserver.Refused,
		"silence": dnsserver.Silent, "truncated": dnsserver.TruncatedNoTCP, "malformed": dnsserver.Malformed,
	}
	outside(t, 7001, "10.0.12.1", "10.0.12.2")
	labels := []string{"lame", "filtered"}
	var services strings.Builder
	for label := range failures {
		labels = append(labels, label)
	}
	for _, label := range labels {
		fmt.Fprintf(&services, "- {name: %s, addresses: [%s], ports: [{port: 7000, targetPort: 7001}]}\n", label, nameOf(t, label))
		answers(nameOf(t, label), "10.0.12.1")
	}
	i := install(t, "helm", "resolver: {enabled: true}\nservices:\n"+services.String())
	r := i.startReplica(0).waitReady()
	connections := 200
	if *soak {
		connections = 5000 // in 5 minutes
	}
	before, loads := map[string]string{}, map[string]*traffic.Load{}
	for _, label := range labels {
		i.wantAddresses(label, "10.0.12.1")
		before[label] = i.slices(label)[0].ResourceVersion
		i.wantServer(label+":7000", hostOf("10.0.12.1"))
		loads[label] = i.load(label, traffic.Options{Address: label + ":7000", Interval: 60 * time.Millisecond})
	}
	waitForConnections(t, loads, 100)
	for label, failure := range failures {
		dns.Fail(i.name(label), failure)
	}
	dns.Set(i.name("lame"), dnsserver.CNAME("nowhere."+zone).TTL(ttl))
	answers(i.name("filtered"), "127.0.0.1")
	for _, load := range loads {
		load.Mark("DNS fails")
	}
	waitForConnections(t, loads, connections)
	for _, label := range labels {
		testenv.Eventually(t, "an Event of "+label, func() error {
			for _, message := range i.events("NameNotResolved") {
				if strings.HasPrefix(message, i.name(label)+" (IPv4)") && strings.HasSuffix(message, "Its last addresses stay in use.") {
					return nil
				}
			}
			return fmt.Errorf("Events %q", i.events("NameNotResolved"))
		})
		slice := i.slices(label)[0]
		if got := addressesOf([]discoveryv1.EndpointSlice{slice}); got != "10.0.12.1" || slice.ResourceVersion != before[label] {
			t.Errorf("%s: %s, resource version %s before and %s now", label, got, before[label], slice.ResourceVersion)
		}
	}
	if n := r.metric(`rejected_addresses_total{reason="loopback"}`); n == 0 {
		t.Error("no refused address was counted")
	}
	for _, label := range labels {
		answers(i.name(label), "10.0.12.2")
	}
	var reports []*traffic.Report
	for _, label := range labels {
		i.wantAddresses(label, "10.0.12.1(draining) 10.0.12.2")
		reports = append(reports, stop(t, loads[label]))
	}
	figureOf("failures", nil, reports...)
}

// TestPoisonedAnswers: an address of the cluster, of the node or of a network that is denied is never written,
// in no version of a slice; the rest of the answer is.
func TestPoisonedAnswers(t *testing.T) {
	t.Parallel()
	i := install(t, "helm", `
resolver: {enabled: true, deniedCIDRs: [10.244.0.0/16]}
services:
- {name: db, addresses: [`+nameOf(t, "db")+`], ports: [{port: 80}]}
`)
	service, err := client.CoreV1().Services(i.namespace).Get(t.Context(), "db", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	poison := []string{"127.0.0.1", "0.0.0.0", "169.254.169.254", "224.0.0.1", "240.0.0.1", "255.255.255.255", "10.244.0.2", service.Spec.ClusterIP}
	poison6 := []string{"::1", "::", "fe80::1", "ff02::1", "::ffff:10.0.13.1"}
	if cluster.IPv6 {
		poison6 = append(poison6, service.Spec.ClusterIPs[1])
	}
	seen := i.watchAddresses()
	dns.Set(i.name("db"), dnsserver.A(append(slices.Clone(poison), "10.0.13.1")...).TTL(ttl), dnsserver.AAAA(append(slices.Clone(poison6), "2001:db8::13")...).TTL(ttl),
		dnsserver.Raw(i.name("db")+"x. 5 IN A 10.0.13.9"))
	r := i.startReplica(0).waitReady()
	i.wantAddresses("db", "10.0.13.1 2001:db8::13")
	testenv.Eventually(t, "Events of the refused addresses", func() error {
		text := strings.Join(i.events("AddressRefused"), "; ")
		for _, want := range []string{"127.0.0.1 (loopback)", service.Spec.ClusterIP + " (cluster)", "10.244.0.2 (denied)", "::ffff:10.0.13.1 (mapped)"} {
			if !strings.Contains(text, want) {
				return fmt.Errorf("no %s in %q", want, text)
			}
		}
		return nil
	})
	dns.Set(i.name("db"), dnsserver.A(append(slices.Clone(poison), "10.0.13.2")...).TTL(ttl))
	i.wantAddresses("db", "10.0.13.1(draining) 10.0.13.2 2001:db8::13")
	r.kill()
	for address := range seen() {
		if !slices.Contains([]string{"10.0.13.1", "10.0.13.2", "2001:db8::13"}, address) {
			t.Errorf("%s was written", address)
		}
	}
}

// watchAddresses notes the addresses of all stored versions of all slices of the resolver, until it is asked for them.
func (i *installation) watchAddresses() func() map[string]bool {
	i.t.Helper()
	watcher, err := client.DiscoveryV1().EndpointSlices(i.namespace).Watch(i.t.Context(), metav1.ListOptions{})
	if err != nil {
		i.t.Fatal(err)
	}
	seen, done := map[string]bool{}, make(chan struct{})
	go func() {
		defer close(done)
		for event := range watcher.ResultChan() {
			if slice, ok := event.Object.(*discoveryv1.EndpointSlice); ok {
				for _, e := range slice.Endpoints {
					for _, address := range e.Addresses {
						seen[address] = true
					}
				}
			}
		}
	}()
	return func() map[string]bool {
		watcher.Stop()
		<-done
		return seen
	}
}

// TestHandEdits: a slice that somebody changes or deletes is restored from what is known, without DNS.
func TestHandEdits(t *testing.T) {
	t.Parallel()
	answers(nameOf(t, "db"), "10.0.14.1")
	i := install(t, "helm", entry(nameOf(t, "db"), ""))
	i.startReplica(0)
	i.wantAddresses("db", "10.0.14.1")
	dns.Fail(i.name("db"), dnsserver.Silent)
	api, whole := client.DiscoveryV1().EndpointSlices(i.namespace), i.slices("db")[0]
	for name, change := range map[string]func(*discoveryv1.EndpointSlice){
		"an address":    func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Addresses = []string{"10.0.14.9"} },
		"no address":    func(s *discoveryv1.EndpointSlice) { s.Endpoints = nil },
		"a port":        func(s *discoveryv1.EndpointSlice) { s.Ports[0].Port = ptr.To[int32](9) },
		"a manager":     func(s *discoveryv1.EndpointSlice) { delete(s.Labels, discoveryv1.LabelManagedBy) },
		"an annotation": func(s *discoveryv1.EndpointSlice) { delete(s.Annotations, values.ResolverAnnotation) },
		"a label":       func(s *discoveryv1.EndpointSlice) { delete(s.Labels, discoveryv1.LabelServiceName) },
	} {
		slice := i.slices("db")[0]
		change(&slice)
		if _, err := api.Update(t.Context(), &slice, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, name+" is restored", func() error {
			list := i.slices("db")
			if len(list) != 1 || !equality.Semantic.DeepEqual(contentOf(list[0]), contentOf(whole)) {
				return fmt.Errorf("%+v", list)
			}
			return nil
		})
	}
	if err := api.Delete(t.Context(), i.slices("db")[0].Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	i.wantAddresses("db", "10.0.14.1")
	testenv.Eventually(t, "one Event an hour says so", func() error {
		if messages := i.events("SliceRestored"); len(messages) != 1 {
			return fmt.Errorf("Events %q", messages)
		}
		return nil
	})
}

// contentOf is what the resolver writes of a slice.
func contentOf(s discoveryv1.EndpointSlice) []any {
	return []any{s.Name, s.Labels, s.Annotations, s.OwnerReferences, s.Endpoints, s.Ports}
}

// TestTakeOver: a replica that takes over writes nothing, unless an answer has changed meanwhile.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	answers(nameOf(t, "db"), "10.0.15.1")
	i := install(t, "helm", entry(nameOf(t, "db"), ""))
	first := i.startReplica(0).waitReady()
	second := i.startReplica(1).waitReady()
	i.wantAddresses("db", "10.0.15.1")
	before := i.slices("db")[0].ResourceVersion
	first.kill()
	testenv.Eventually(t, "the second replica leads", func() error {
		if second.metric("leader") != 1 {
			return fmt.Errorf("it does not")
		}
		return nil
	})
	waitForQuestions(t, i.name("db"), 1)
	if after := i.slices("db")[0].ResourceVersion; after != before {
		t.Errorf("the slice was written at the take-over: version %s and then %s", before, after)
	}
	second.kill()
	answers(i.name("db"), "10.0.15.2") // while there is no replica
	i.startReplica(2)
	i.wantAddresses("db", "10.0.15.1(draining) 10.0.15.2")
}

// TestUninstall: the slices go with the Service.
func TestUninstall(t *testing.T) {
	t.Parallel()
	answers(nameOf(t, "db"), "10.0.16.1")
	i := install(t, "helm4", entry(nameOf(t, "db"), ""))
	r := i.startReplica(0).waitReady()
	i.wantAddresses("db", "10.0.16.1")
	i.helm.Uninstall()
	i.wantAddresses("db", "")
	r.kill()
}

// TestCutover: external -> both -> cluster -> both -> external of an entry with a name.
func TestCutover(t *testing.T) {
	t.Parallel()
	outside(t, 7001, "10.0.17.1")
	answers(nameOf(t, "db"), "10.0.17.1")
	selector := "selector: {app: db}\n  backend: "
	i := install(t, "helm", entry(nameOf(t, "db"), selector+"external"))
	i.startReplica(0).waitReady()
	i.wantServer("db:7000", hostOf("10.0.17.1"))
	pod := testenv.Server{Name: i.namespace + "-db", Namespace: i.namespace, Labels: map[string]string{"app": "db"},
		Ports: map[string]testenv.Port{"tcp": {Number: 7001, Protocol: "tcp"}}}
	i.waitForAccount()
	if err := cluster.AddServer(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	i.upgrade(entry(nameOf(t, "db"), selector+"both"))
	testenv.Eventually(t, "both answer", func() error {
		answers, err := cluster.Connect(t.Context(), i.app, 20, "db:7000")
		if len(answers.Texts) != 2 {
			return fmt.Errorf("%v %v", answers, err)
		}
		return nil
	})
	i.upgrade(entry(nameOf(t, "db"), selector+"cluster"))
	i.wantAddresses("db", "")
	i.wantServer("db:7000", pod.Name)
	i.upgrade(entry(nameOf(t, "db"), selector+"both"))
	i.wantAddresses("db", "10.0.17.1")
	i.upgrade(entry(nameOf(t, "db"), selector+"external"))
	i.wantServer("db:7000", hostOf("10.0.17.1"))
}

// waitForAccount waits until the namespace has the ServiceAccount of its Pods.
func (i *installation) waitForAccount() {
	i.t.Helper()
	testenv.Eventually(i.t, "the service account of pods", func() error {
		_, err := client.CoreV1().ServiceAccounts(i.namespace).Get(i.t.Context(), "default", metav1.GetOptions{})
		return err
	})
}

// TestConfigByAccident: a configuration that is empty or cannot be read takes no address away.
func TestConfigByAccident(t *testing.T) {
	t.Parallel()
	answers(nameOf(t, "db"), "10.0.18.1")
	i := install(t, "helm", entry(nameOf(t, "db"), ""))
	r := i.startReplica(0)
	i.wantAddresses("db", "10.0.18.1")
	maps := client.CoreV1().ConfigMaps(i.namespace)
	list, err := maps.List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=outside"})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("%d ConfigMaps: %v", len(list.Items), err)
	}
	config := &list.Items[0]
	text := config.Data["config.yaml"]
	for name, c := range map[string]struct {
		text    string
		invalid float64
	}{"not YAML": {"{", 0}, "empty": {"", 0}, "no entries": {"{minSeconds: 5, maxSeconds: 60, maxPerSlice: 100, entries: []}", 1}} {
		config.Data["config.yaml"] = c.text
		if config, err = maps.Update(t.Context(), config, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		entries := map[float64]float64{0: 1, 1: 0}[c.invalid]
		testenv.Eventually(t, name+" was read", func() error {
			if valid, n := r.metric("config_valid"), r.metric("config_entries"); valid != c.invalid || n != entries {
				return fmt.Errorf("valid %v, %v entries", valid, n)
			}
			return nil
		})
		if got := i.addresses("db"); got != "10.0.18.1" {
			t.Errorf("%s: addresses %q", name, got)
		}
		config.Data["config.yaml"] = text
		if config, err = maps.Update(t.Context(), config, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, "the configuration was read", func() error {
			if valid, n := r.metric("config_valid"), r.metric("config_entries"); valid != 1 || n != 1 {
				return fmt.Errorf("valid %v, %v entries", valid, n)
			}
			return nil
		})
	}
	answers(i.name("db"), "10.0.18.2")
	i.wantAddresses("db", "10.0.18.1(draining) 10.0.18.2")
}

// TestHealthCheck: an address that refuses connections is taken out of use, and used again when it answers.
func TestHealthCheck(t *testing.T) {
	t.Parallel()
	outside(t, 7001, "10.0.19.1", "10.0.19.2")
	if err := cluster.AddOutside(t.Context(), hostOf("10.0.19.3"), []string{"10.0.19.3"}); err != nil {
		t.Fatal(err)
	}
	answers(nameOf(t, "db"), "10.0.19.1", "10.0.19.3")
	i := install(t, "helm", entry(nameOf(t, "db")+", 10.0.19.2", "healthCheck: {intervalSeconds: 1, fall: 2}"))
	first := i.startReplica(0).waitReady()
	i.wantAddresses("db", "10.0.19.1 10.0.19.2 10.0.19.3(not ready)")
	first.kill()
	r := i.startReplica(1).waitReady()
	testenv.Eventually(t, "the second replica has checked", func() error {
		if n := r.metric(fmt.Sprintf(`health{address="10.0.19.1",namespace="%s",service="db"}`, i.namespace)); n != 1 {
			return fmt.Errorf("health %v", n)
		}
		return nil
	})
	if got := i.addresses("db"); got != "10.0.19.1 10.0.19.2 10.0.19.3(not ready)" {
		t.Errorf("after the take-over: %s", got)
	}
	if err := cluster.Serve(t.Context(), hostOf("10.0.19.3"), "tcp", "10.0.19.3:7001"); err != nil {
		t.Fatal(err)
	}
	i.wantAddresses("db", "10.0.19.1 10.0.19.2 10.0.19.3")
}

// TestTwoResolvers: a namespace has the entries of two releases, each with its own resolver, which leaves the slices
// of the other alone.
func TestTwoResolvers(t *testing.T) {
	t.Parallel()
	answers(nameOf(t, "db"), "10.0.24.1")
	answers(nameOf(t, "web"), "10.0.24.3")
	i := install(t, "helm", entry(nameOf(t, "db")+", 10.0.24.2", ""))
	second := *i
	second.helm = release.Of(t, "helm4", "second", i.namespace, cluster.Kubeconfig)
	second.helm.Do("install", release.Values(t, strings.Replace(entry(nameOf(t, "web")+", 10.0.24.4", ""), "name: db", "name: web", 1)))
	t.Cleanup(second.helm.Uninstall)
	i.startReplica(0).waitReady()
	r := second.startReplica(1).waitReady()
	i.wantAddresses("db", "10.0.24.1")
	i.wantAddresses("web", "10.0.24.3")
	before := i.slices("db")[0].UID
	waitForQuestions(t, nameOf(t, "web"), 2)
	if list := i.slices("db"); len(list) != 1 || list[0].UID != before {
		t.Errorf("the other resolver removed the slice: %s", addressesOf(list))
	}
	if n := r.metric(`slice_writes_total{result="ok"}`); n != 1 {
		t.Errorf("the second resolver made %v writes, want 1", n)
	}
}

// TestNewNamespace: an upgrade adds an entry in a namespace that the leader does not watch. A new replica is ready all
// the same, so that a rolling update ends the leader, and then writes what the entry needs.
func TestNewNamespace(t *testing.T) {
	t.Parallel()
	answers(nameOf(t, "db"), "10.0.25.1")
	i := install(t, "helm", entry(nameOf(t, "db"), ""))
	first := i.startReplica(0).waitReady()
	other := i.in(i.namespace + "-other")
	_, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: other.namespace}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	i.upgrade(entry(nameOf(t, "db"), "namespaces: ["+i.namespace+", "+other.namespace+"]"))
	second := i.startReplica(1).waitReady()
	if second.leads() {
		t.Fatal("the new replica leads, though the leader before has not ended")
	}
	first.kill()
	other.wantAddresses("db", "10.0.25.1")
}
