package resolver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/dnsserver"
	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
	"external-services/tests/internal/traffic"
	"external-services/tools/values"
)

// ttl is that of the answers: the least that CoreDNS keeps an answer for.
const ttl = 5 * time.Second

// installation is a release in a namespace of its own, with a Pod app that calls its Services.
type installation struct {
	t         *testing.T
	namespace string
	app       string // the Pod
	helm      release.Release
}

// install makes the namespace of the test and installs a release there.
func install(t *testing.T, program, text string) *installation {
	t.Helper()
	needDataPlane(t)
	namespace := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(strings.TrimPrefix(t.Name(), "Test")))
	i := &installation{t: t, namespace: namespace, app: namespace + "-app"}
	_, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err := errors.Join(err, cluster.AddPod(t.Context(), i.app, namespace)); err != nil {
		t.Fatal(err)
	}
	i.helm = release.Of(t, program, "outside", namespace, cluster.Kubeconfig)
	i.helm.Do("install", release.Values(t, text))
	t.Cleanup(i.helm.Uninstall)
	return i
}

func needDataPlane(t *testing.T) {
	t.Helper()
	if !cluster.DataPlane {
		testenv.LeaveOut(t, cluster.LeftOut)
	}
}

func (i *installation) upgrade(text string) {
	i.t.Helper()
	i.helm.Do("upgrade", release.Values(i.t, text))
}

// deployment is that of the resolver.
func (i *installation) deployment() *appsv1.Deployment {
	i.t.Helper()
	list, err := client.AppsV1().Deployments(i.namespace).List(i.t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + i.helm.Name})
	if err != nil || len(list.Items) != 1 {
		i.t.Fatalf("%d Deployments in %s: %v", len(list.Items), i.namespace, err)
	}
	return &list.Items[0]
}

// replica is a process of the resolver in a Pod.
type replica struct {
	*testenv.Running
	t   *testing.T
	pod string
}

// startReplica starts the container of the Deployment in a Pod of a number, with the account's own token.
func (i *installation) startReplica(number int) *replica {
	i.t.Helper()
	r := &replica{t: i.t, pod: fmt.Sprintf("%s-resolver-%d", i.namespace, number)}
	if err := cluster.AddPod(i.t.Context(), r.pod, i.namespace); err != nil && !strings.Contains(err.Error(), "exists") {
		i.t.Fatal(err)
	}
	deployment := i.deployment()
	r.Running = testenv.Beside(i.t, r.pod, func(ctx context.Context) (*exec.Cmd, error) {
		return cluster.Process(ctx, client, deployment, r.pod, "resolver")
	})
	return r
}

// kill ends the process at once.
func (r *replica) kill() {
	r.t.Helper()
	r.Kill(r.t)
}

// waitReady waits until the replica says that every name was tried and has its slices.
func (r *replica) waitReady() *replica {
	r.t.Helper()
	testenv.Eventually(r.t, r.pod+" is ready", func() error {
		_, err := cluster.Get(r.t.Context(), r.pod, "http://127.0.0.1:8081/readyz")
		return err
	})
	return r
}

// metric is the value of a metric of the resolver, 0 if /metrics lacks it. The labels are as /metrics prints them.
func (r *replica) metric(name string) float64 {
	r.t.Helper()
	return r.anyMetric("extsvc_resolver_" + name)
}

func (r *replica) anyMetric(name string) (value float64) {
	r.t.Helper()
	var text string
	testenv.Eventually(r.t, r.pod+" has metrics", func() (err error) {
		text, err = cluster.Get(r.t.Context(), r.pod, "http://127.0.0.1:8080/metrics")
		return err
	})
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			if _, err := fmt.Sscan(rest, &value); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	return value
}

// slices are those of the resolver for a Service.
func (i *installation) slices(service string) []discoveryv1.EndpointSlice {
	i.t.Helper()
	list, err := client.DiscoveryV1().EndpointSlices(i.namespace).List(i.t.Context(), metav1.ListOptions{
		LabelSelector: discoveryv1.LabelManagedBy + "=" + values.ResolverManager + "," + discoveryv1.LabelServiceName + "=" + service,
	})
	if err != nil {
		i.t.Fatal(err)
	}
	return list.Items
}

// addresses are those of the resolver's slices for a Service: "10.0.0.1 10.0.0.2(draining)".
func (i *installation) addresses(service string) string {
	i.t.Helper()
	return addressesOf(i.slices(service))
}

func addressesOf(list []discoveryv1.EndpointSlice) string {
	var texts []string
	for _, slice := range list {
		for _, e := range slice.Endpoints {
			text := strings.Join(e.Addresses, ",")
			switch c := e.Conditions; {
			case c.Terminating != nil && *c.Terminating:
				text += "(draining)"
			case c.Ready != nil && !*c.Ready:
				text += "(not ready)"
			}
			texts = append(texts, text)
		}
	}
	slices.Sort(texts)
	return strings.Join(texts, " ")
}

// wantAddresses waits until the resolver's slices have these addresses.
func (i *installation) wantAddresses(service, want string) {
	i.t.Helper()
	testenv.Eventually(i.t, service+" has "+want, func() error {
		if got := i.addresses(service); got != want {
			return fmt.Errorf("it has %q", got)
		}
		return nil
	})
}

// wantServer waits until connections of the app reach a server, and no other.
func (i *installation) wantServer(address, server string) {
	i.t.Helper()
	testenv.Eventually(i.t, address+" reaches "+server, func() error {
		answers, err := cluster.Connect(i.t.Context(), i.app, 10, address)
		if err != nil || answers.Texts[server] != 10 {
			return fmt.Errorf("it reaches %v: %v", answers, err)
		}
		return nil
	})
}

// events are the messages of the Events of a reason.
func (i *installation) events(reason string) []string {
	i.t.Helper()
	list, err := client.EventsV1().Events(i.namespace).List(i.t.Context(), metav1.ListOptions{})
	if err != nil {
		i.t.Fatal(err)
	}
	var messages []string
	for _, e := range list.Items {
		if e.Reason == reason {
			messages = append(messages, e.Note)
		}
	}
	return messages
}

// name is a name of the test in the zone.
func (i *installation) name(label string) string { return nameOf(i.t, label) }

func nameOf(t *testing.T, label string) string {
	return strings.ToLower(label + "." + strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()) + "." + zone)
}

// answers lets the names answer with addresses.
func answers(name string, addresses ...string) {
	dns.Set(name, dnsserver.A(addresses...).TTL(ttl))
}

// leads says whether the replica writes. It does not if it has ended.
func (r *replica) leads() bool {
	text, err := cluster.Get(r.t.Context(), r.pod, "http://127.0.0.1:8080/metrics")
	return err == nil && strings.Contains(text, "\nextsvc_resolver_leader 1\n")
}

// load starts new connections from a Pod of its own, fifty a second.
func (i *installation) load(label string, options traffic.Options) *traffic.Load {
	i.t.Helper()
	pod := i.namespace + "-" + label
	if err := cluster.AddPod(i.t.Context(), pod, i.namespace); err != nil {
		i.t.Fatal(err)
	}
	options.Interval = cmp.Or(options.Interval, 20*time.Millisecond)
	options.Duration, options.Count = 30*time.Minute, 200_000
	load, err := cluster.Load(i.t.Context(), pod, options)
	if err != nil {
		i.t.Fatal(err)
	}
	return load
}

// stop ends a load and reports connections that failed.
func stop(t *testing.T, load *traffic.Load) *traffic.Report {
	t.Helper()
	report, err := load.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if failures := report.Failures(); len(failures) > 0 {
		t.Errorf("%d connections failed:\n%s", len(failures), report)
	}
	return report
}

// outside makes hosts outside that serve a port, and are named by their addresses.
func outside(t *testing.T, port int, ips ...string) {
	t.Helper()
	for _, ip := range ips {
		host := hostOf(ip)
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(cluster.AddOutside(ctx, host, []string{ip}), cluster.Serve(ctx, host, "tcp", fmt.Sprintf("%s:%d", ip, port))); err != nil {
			t.Fatal(err)
		}
	}
}

func hostOf(ip string) string {
	return "h-" + strings.ReplaceAll(strings.TrimPrefix(ip, "10."), ".", "-")
}
