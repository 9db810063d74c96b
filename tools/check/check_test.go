package check

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"external-services/tools/helm"
	"external-services/tools/live"
	"external-services/tools/plan"
)

var release = &plan.Release{Name: "outside", Namespace: "shop", Revision: 3, Status: "deployed"}

// rendered are the entries of values, as the release outside in shop has them.
func rendered(t *testing.T, text string) []*wanted {
	t.Helper()
	vals, err := helm.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := helm.Mappings(chart, helm.Release{Name: release.Name, Namespace: release.Namespace}, vals)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := wantedOf(objects, nil)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// asStored is what a cluster has of the entries when all is well, with what the API server
// fills in as far as check reads it.
func asStored(entries []*wanted) *found {
	f := &found{
		services: map[Key]*corev1.Service{}, slices: map[Key][]*discoveryv1.EndpointSlice{}, named: map[Key]*discoveryv1.EndpointSlice{},
		endpoints: map[Key]*corev1.Endpoints{}, //nolint:staticcheck // rendered on request
		missing:   map[string]bool{}, unread: map[kind]map[string]bool{},
	}
	for _, w := range entries {
		service := w.service.DeepCopy()
		service.Annotations = map[string]string{"meta.helm.sh/release-name": release.Name, "meta.helm.sh/release-namespace": release.Namespace}
		service.Spec.SessionAffinity = corev1.ServiceAffinityNone
		for i := range service.Spec.Ports {
			port := &service.Spec.Ports[i]
			port.Protocol = protocol(port.Protocol)
			if port.TargetPort.IntValue() == 0 {
				port.TargetPort = intstr.FromInt32(port.Port)
			}
		}
		f.services[w.Key] = service
		for _, slice := range w.slices {
			f.add(slice.DeepCopy())
		}
		if w.endpoints != nil {
			f.endpoints[w.Key] = w.endpoints.DeepCopy()
			f.add(sliceOf(w.Key, "mirrored", live.MirroredEndpoints, "tcp", w.endpoints.Subsets[0].Addresses[0].IP))
		}
	}
	return f
}

func (f *found) add(slice *discoveryv1.EndpointSlice) {
	f.slices[serviceOf(slice)] = append(f.slices[serviceOf(slice)], slice)
	if slice.Labels[discoveryv1.LabelManagedBy] == "external-services" {
		f.named[Key{Namespace: slice.Namespace, Name: slice.Name}] = slice
	}
}

// sliceOf is an EndpointSlice of a Service that something else than the chart made.
func sliceOf(key Key, name, manager, port string, addresses ...string) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{Ports: []discoveryv1.EndpointPort{{Name: &port}}}
	slice.Namespace, slice.Name = key.Namespace, name
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: key.Name, discoveryv1.LabelManagedBy: manager}
	for _, address := range addresses {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}})
	}
	return slice
}

const (
	web      = "services: [{name: web, addresses: [10.0.4.11, 10.0.4.12], ports: [{name: tcp, port: 80}]}]"
	headless = "services: [{name: web, addresses: [10.0.4.11, 10.0.4.12], ports: [{name: tcp, port: 80}], headless: true}]"
	parked   = "services: [{name: web, addresses: [10.0.4.11], ports: [{name: tcp, port: 80}], selector: {app: web}}]"
	both     = "services: [{name: web, addresses: [10.0.4.11], ports: [{name: tcp, port: 80}], selector: {app: web}, backend: both}]"
	cluster  = "services: [{name: web, ports: [{name: tcp, port: 80}], selector: {app: web}, backend: cluster}]"
	legacy   = "services: [{name: web, addresses: [10.0.4.11], ports: [{name: tcp, port: 80}], endpointsKind: Endpoints}]"
	alias    = "services: [{name: web, externalName: web.example}]"
)

func TestAssess(t *testing.T) {
	key := Key{Namespace: "shop", Name: "web"}
	slice := func(f *found) *discoveryv1.EndpointSlice { return f.slices[key][0] }
	pods := func(f *found, addresses ...string) {
		f.add(sliceOf(key, "web-x", live.PodEndpoints, "tcp", addresses...))
	}
	unlabel := func(f *found) {
		delete(slice(f).Labels, discoveryv1.LabelServiceName)
		f.slices = map[Key][]*discoveryv1.EndpointSlice{}
	}
	no := false
	for _, c := range []struct {
		name   string
		values string
		spoil  func(f *found)
		want   []string // severity and code
		routes string
		says   string
	}{
		{"healthy", web, func(*found) {}, nil, "2 ours", ""},
		{"healthy and headless", headless, func(*found) {}, nil, "2 ours", ""},
		{"healthy Endpoints", legacy, func(*found) {}, nil, "1 ours", ""},
		{"healthy and parked", parked, func(f *found) { pods(f) }, nil, "1 ours", ""},
		{"healthy with both", both, func(f *found) { pods(f, "10.244.0.1") }, nil, "1 ours, 1 pods", ""},
		{"healthy pods", cluster, func(f *found) { pods(f, "10.244.0.1", "10.244.0.2") }, nil, "2 pods", ""},
		{"healthy alias", alias, func(*found) {}, nil, "-", ""},
		{"no Service", web, func(f *found) { delete(f.services, key) }, []string{"error service-missing"}, "-", "helm upgrade outside -n shop"},
		{"no namespace", web, func(f *found) { delete(f.services, key); f.missing["shop"] = true }, nil, "-", ""},
		{"another's Service", web, func(f *found) { f.services[key].Annotations["meta.helm.sh/release-name"] = "other" },
			[]string{"error not-owned"}, "-", "belongs to the release other in shop"},
		{"nobody's Service", web, func(f *found) { f.services[key].Labels = nil }, []string{"error not-owned"}, "-", "was not made by Helm"},
		{"another type", web, func(f *found) {
			f.services[key].Spec.Type, f.services[key].Spec.ExternalName = corev1.ServiceTypeExternalName, "b.example"
		}, []string{"error drift"}, "2 ours", "type is ExternalName instead of ClusterIP; externalName is b.example instead of none"},
		{"another name outside", alias, func(f *found) { f.services[key].Spec.ExternalName = "b.example" }, []string{"error drift"}, "-", "externalName is b.example instead of web.example"},
		{"an address as name outside", alias, func(f *found) { f.services[key].Spec.ExternalName = "10.0.0.1" }, []string{"error drift", "error external-name-ip"}, "-", "addresses: [10.0.0.1]"},
		{"IPv6 as name outside", alias, func(f *found) { f.services[key].Spec.ExternalName = "2001:db8::1" }, []string{"error drift", "error external-name-ip"}, "-", "addresses: [2001:db8::1]"},
		{"headless no more", headless, func(f *found) { f.services[key].Spec.ClusterIP = "10.96.0.1" }, []string{"error drift"}, "2 ours", "headless is false instead of true"},
		{"headless still", web, func(f *found) { f.services[key].Spec.ClusterIP = corev1.ClusterIPNone }, []string{"error drift"}, "2 ours", "headless is true instead of false"},
		{"another family", web, func(f *found) { f.services[key].Spec.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol} }, []string{"error drift"}, "2 ours", "ipFamilies is IPv6 instead of IPv4"},
		{"an affinity", web, func(f *found) { f.services[key].Spec.SessionAffinity = corev1.ServiceAffinityClientIP }, []string{"warning drift"}, "2 ours", "sessionAffinity is ClientIP instead of None"},
		{"a label", web, func(f *found) { f.services[key].Labels["external-services/backend"] = "both" }, []string{"warning drift"}, "2 ours", "label external-services/backend is both instead of external"},
		{"another port", web, func(f *found) { f.services[key].Spec.Ports[0].Port = 81 }, []string{"error drift"}, "2 ours", "tcp 80/TCP -> 80 is missing, tcp 81/TCP -> 80 is too much"},
		{"another selector", both, func(f *found) { f.services[key].Spec.Selector["app"] = "b"; pods(f, "10.244.0.1") }, []string{"error drift"}, "1 ours, 1 pods", "selector is app=b instead of app=web"},
		{"no slice at all", web, func(f *found) { f.slices, f.named = nil, nil }, []string{"error endpoints-missing"}, "2 missing", "Argo CD"},
		{"no slice with both", both, func(f *found) { f.slices, f.named = map[Key][]*discoveryv1.EndpointSlice{}, nil; pods(f, "10.244.0.1") },
			[]string{"error endpoints-missing"}, "1 pods, 1 missing", "CVE-2021-25740"},
		{"no slice of many", web, func(f *found) {
			f.slices, f.named = nil, map[Key]*discoveryv1.EndpointSlice{{Namespace: "a", Name: "b"}: nil}
		}, []string{"error endpoints-missing"}, "2 missing", "half done"},
		{"no Endpoints", legacy, func(f *found) { f.endpoints, f.slices = nil, nil }, []string{"error endpoints-missing"}, "1 missing", "The Endpoints web"},
		{"no mirror", legacy, func(f *found) { f.slices = nil }, []string{"error endpoints-missing"}, "1 missing", "no EndpointSlice mirrors them"},
		{"other Endpoints", legacy, func(f *found) { f.endpoints[key].Subsets[0].Addresses[0].IP = "10.0.9.9" }, []string{"error drift"}, "1 ours", "10.0.9.9 is too much"},
		{"no label", web, unlabel, []string{"error service-label-missing"}, "2 missing", "kubectl label endpointslice web-ipv4-0 -n shop"},
		{"another label", web, func(f *found) { slice(f).Labels[discoveryv1.LabelServiceName] = "b"; f.slices = nil }, []string{"error service-label-missing"}, "2 missing", "has the label kubernetes.io/service-name=b"},
		{"another name of the port", web, func(f *found) { name := "b"; slice(f).Ports[0].Name = &name }, []string{"error port-name-mismatch"}, "2 ours", `which has "b" (80/TCP)`},
		{"another protocol of the port", web, func(f *found) { p := corev1.ProtocolUDP; slice(f).Ports[0].Protocol = &p }, []string{"error port-name-mismatch"}, "2 ours", `"tcp" (80/UDP)`},
		{"another name of a headless one's port", headless, func(f *found) { name := "b"; slice(f).Ports[0].Name = &name }, []string{"warning port-name-mismatch"}, "2 ours", "SRV"},
		{"another number of the port", web, func(f *found) { port := int32(81); slice(f).Ports[0].Port = &port }, []string{"error drift"}, "2 ours", "81 is too much"},
		{"another address", web, func(f *found) { slice(f).Endpoints[0].Addresses[0] = "10.0.9.9" }, []string{"error drift"}, "1 ours, 1 foreign, 1 missing", "10.0.9.9 is too much"},
		{"pods left", web, func(f *found) { pods(f, "10.244.0.1") }, []string{"error stale-endpoints"}, "2 ours, 1 stale", "#103804"},
		{"pods left and mirrored", web, func(f *found) {
			pods(f, "10.244.0.1")
			f.add(sliceOf(key, "web-m", live.MirroredEndpoints, "tcp", "10.244.0.1"))
		}, []string{"error stale-endpoints"}, "2 ours, 1 stale", "web-m, web-x"},
		{"pods left in Endpoints", web, func(f *found) {
			m := sliceOf(key, "web-m", live.MirroredEndpoints, "tcp", "10.244.0.1")
			m.Labels[ofEndpointController] = "endpoint-controller"
			f.add(m)
		}, []string{"error stale-endpoints"}, "2 ours, 1 stale", "web-m"},
		{"pods left at a parked selector", parked, func(f *found) { pods(f, "10.244.0.1") }, []string{"error stale-endpoints"}, "1 ours, 1 stale", "web-x"},
		{"Endpoints by hand", web, func(f *found) { f.add(sliceOf(key, "web-m", live.MirroredEndpoints, "tcp", "10.0.9.9")) }, []string{"warning foreign-endpoints"}, "2 ours, 1 foreign", "web-m"},
		{"a slice by hand", web, func(f *found) { f.add(sliceOf(key, "mine", "me", "tcp", "10.0.9.9")) }, []string{"warning foreign-endpoints"}, "2 ours, 1 foreign", "mine"},
		{"a slice of an older release", web, func(f *found) { f.add(sliceOf(key, "web-ipv4-1", "external-services", "tcp", "10.0.9.9")) }, []string{"warning foreign-endpoints"}, "2 ours, 1 foreign", "web-ipv4-1"},
		{"nothing ready", web, func(f *found) {
			for i := range slice(f).Endpoints {
				slice(f).Endpoints[i].Conditions.Ready = &no
			}
		}, []string{"error drift", "error no-ready-endpoint"}, "2 ours (2 not ready)", "None of the 2 endpoints"},
		{"no pod", cluster, func(f *found) { pods(f) }, []string{"error no-pods"}, "-", "every connection fails"},
		{"no pod, and addresses", both, func(f *found) { pods(f) }, []string{"warning no-pods"}, "1 ours", "goes outside"},
		{"no pod has the port", cluster, func(f *found) { f.add(sliceOf(key, "web-x", live.PodEndpoints, "b", "10.244.0.1")) }, []string{"error pod-port-missing"}, "1 pods", "80/TCP -> 80"},
		{"only some pods have the port", cluster, func(f *found) {
			pods(f, "10.244.0.2")
			f.add(sliceOf(key, "web-y", live.PodEndpoints, "b", "10.244.0.1"))
		}, nil, "2 pods", ""},
		{"Services not read", web, func(f *found) {
			f.services, f.unread[services] = nil, map[string]bool{"shop": true}
		}, nil, "2 ours", ""},
		{"slices not read", web, func(f *found) {
			f.slices, f.named, f.unread[epSlices] = nil, nil, map[string]bool{"shop": true}
		}, nil, "-", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			entries := rendered(t, c.values)
			f := asStored(entries)
			c.spoil(f)
			assessed, findings := assessAll(entries, f, release)
			var got []string
			said := ""
			for _, finding := range findings {
				got = append(got, string(finding.Severity)+" "+string(finding.Code))
				said += finding.String() + finding.Cause + strings.Join(finding.Fix, "\n")
				if finding.Key != key || len(finding.Fix) == 0 {
					t.Errorf("%+v", finding)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) || !strings.Contains(said, c.says) {
				t.Errorf("%q, want %q and %q in\n%s", got, c.want, c.says, said)
			}
			if got := assessed[0].routesTo(); got != c.routes {
				t.Errorf("routes to %q, want %q", got, c.routes)
			}
			report := (&Report{Entries: assessed, Findings: findings}).finish(f)
			want, code := OK, ExitHealthy
			switch {
			case slices.ContainsFunc(c.want, func(s string) bool { return strings.HasPrefix(s, "error") }):
				want, code = Failed, ExitErrors
			case len(c.want) > 0:
				want, code = Warned, ExitWarnings
			case len(f.unread) > 0:
				want = Unknown
			}
			if result := report.Entries[0].Result; result != want || report.ExitCode() != code {
				t.Errorf("%s and the exit code %d, want %s and %d", result, report.ExitCode(), want, code)
			}
		})
	}
}

// What does not change in a live Service is not to be upgraded but to be made anew, and
// says so in all of its words; everything else is mended by an upgrade.
func TestUnchangeable(t *testing.T) {
	key := Key{Namespace: "shop", Name: "web"}
	anew := []string{
		"Delete the Service, and make it anew: kubectl delete service web -n shop. Run helm upgrade outside -n shop with the same values, which makes what is missing. In between, the name does not resolve for any client.",
		"Or add an entry of another name, and point the clients to it: then none loses its Service.",
	}
	for _, c := range []struct {
		name   string
		values string
		spoil  func(spec *corev1.ServiceSpec)
		cause  string
		fix    []string
	}{
		{"headless to ClusterIP", web, func(s *corev1.ServiceSpec) { s.ClusterIP = corev1.ClusterIPNone }, "the API server keeps a headless one so",
			append(slices.Clone(anew), "Or leave it as it is, and write headless: true for web.")},
		{"ClusterIP to headless", headless, func(s *corev1.ServiceSpec) { s.ClusterIP = "10.96.0.1" }, "cannot be changed while it lives",
			append(slices.Clone(anew), "Or leave it as it is, and leave headless: true out for web.")},
		{"the first family", web, func(s *corev1.ServiceSpec) { s.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol} }, "the other family", anew},
		{"the first family of a headless one", headless, func(s *corev1.ServiceSpec) { s.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol} }, changed,
			[]string{"Undo the change, or run helm upgrade outside -n shop with the same values, with Helm 4 and --force-conflicts."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			entries := rendered(t, c.values)
			f := asStored(entries)
			c.spoil(&f.services[key].Spec)
			_, findings := assessAll(entries, f, release)
			if len(findings) != 1 || findings[0].Code != Drift || !strings.Contains(findings[0].Cause, c.cause) {
				t.Fatalf("%+v, want one drift because of %q", findings, c.cause)
			}
			if diff := cmp.Diff(c.fix, findings[0].Fix); diff != "" {
				t.Errorf("what to do (-want +got):\n%s", diff)
			}
		})
	}
}

// For values, whose release is unknown, what names the release is no drift, and a Service
// of another chart is.
func TestAssessValues(t *testing.T) {
	entries := rendered(t, web)
	f := asStored(entries)
	service := f.services[entries[0].Key]
	service.Annotations = nil
	service.Labels["app.kubernetes.io/instance"], service.Labels["helm.sh/chart"] = "other", "external-services-0.0.1"
	if _, findings := assessAll(entries, f, nil); len(findings) > 0 {
		t.Error(findings)
	}
	delete(service.Labels, "app.kubernetes.io/name")
	if _, findings := assessAll(entries, f, nil); len(findings) != 1 || findings[0].Code != NotOwned {
		t.Error(findings)
	}
}

func TestReleaseFindings(t *testing.T) {
	for status, want := range map[string]Code{"deployed": "", "failed": ReleaseFailed, "pending-upgrade": ReleasePending, "uninstalling": ReleasePending} {
		var got Code
		for _, f := range releaseFindings(&plan.Release{Name: "outside", Namespace: "shop", Status: status}) {
			got = f.Code
		}
		if got != want {
			t.Errorf("%s: %q, want %q", status, got, want)
		}
	}
}

func TestEntries(t *testing.T) {
	objects := &helm.Result{}
	for _, name := range []string{"a/x", "b/x", "a/y"} {
		service := &corev1.Service{}
		service.Namespace, service.Name, _ = strings.Cut(name, "/")
		objects.Services = append(objects.Services, service)
	}
	for _, c := range []struct{ names, want string }{{"", "a/x a/y b/x"}, {"x", "a/x b/x"}, {"b/x a/y", "a/y b/x"}, {"x z", `there is no entry "z"`}} {
		entries, err := wantedOf(objects, strings.Fields(c.names))
		var got []string
		for _, w := range entries {
			got = append(got, w.String())
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if !strings.HasPrefix(strings.Join(got, " "), c.want) {
			t.Errorf("%s: %q, want %q", c.names, got, c.want)
		}
	}
}

// names resolves what it has.
type names map[string][]string

func (n names) LookupHost(_ context.Context, host string) ([]string, error) {
	if addresses := n[host]; addresses != nil {
		return addresses, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func TestResolve(t *testing.T) {
	entries := rendered(t, "services: [{name: a, externalName: there.example}, {name: b, externalName: gone.example.}, {name: c, addresses: [10.0.0.1], ports: [{port: 80}]}]")
	for _, c := range []struct {
		host string
		want Severity
	}{{"", Warning}, {"10.96.0.1", Error}} {
		t.Setenv("KUBERNETES_SERVICE_HOST", c.host)
		assessed, _ := assessAll(entries, asStored(entries), release)
		options := ProbeOptions{Resolve: true, resolver: names{"there.example.": {"10.0.0.2", "10.0.0.1"}}}
		findings := options.run(t.Context(), entries, assessed, func(string) {})
		if len(findings) != 1 || findings[0].Severity != c.want || findings[0].Code != ExternalNameUnresolvable || findings[0].Name != "b" {
			t.Errorf("host %q: %v", c.host, findings)
		}
		if got := assessed[0].Resolution.Addresses; !slices.Equal(got, []string{"10.0.0.1", "10.0.0.2"}) || assessed[2].Resolution != nil {
			t.Errorf("%q, %v", got, assessed[2].Resolution)
		}
	}
}

// Connections to a server here: TCP, TLS with the name that is asked for, and HTTP.
func TestConnect(t *testing.T) {
	var host atomic.Value // of the last request
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host.Store(r.Host)
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		address string
		options ProbeOptions
		want    []string
		says    string // of the connection
	}{
		{"TCP", plain.Listener.Addr().String(), ProbeOptions{Connect: true}, nil, "connects"},
		{"nobody", refusing, ProbeOptions{Connect: true}, []string{"error unreachable"}, "connection refused"},
		{"HTTP", plain.Listener.Addr().String(), ProbeOptions{Connect: true, HTTP: "/"}, nil, "connects, HTTP status 200"},
		{"HTTP, broken", plain.Listener.Addr().String(), ProbeOptions{Connect: true, HTTP: "broken"}, []string{"warning http-failed"}, "connects, HTTP status 502, the answer has the status 502"},
		{"HTTP to TLS", secure.Listener.Addr().String(), ProbeOptions{Connect: true, HTTP: "/"}, nil, "connects, HTTP status 400"},
		{"TLS", secure.Listener.Addr().String(), ProbeOptions{Connect: true, TLS: true, ServerName: "example.com"}, nil, "connects, TLS 1.3 for example.com"},
		{"TLS with another name", secure.Listener.Addr().String(), ProbeOptions{Connect: true, TLS: true}, []string{"warning tls-failed"}, "x509: certificate is valid for example.com"},
		{"TLS to HTTP", plain.Listener.Addr().String(), ProbeOptions{Connect: true, TLS: true}, []string{"error tls-failed"}, "connects, tls: first record does not look like a TLS handshake"},
		{"HTTPS", secure.Listener.Addr().String(), ProbeOptions{Connect: true, TLS: true, HTTP: "/", ServerName: "example.com"}, nil, "connects, TLS 1.3 for example.com, HTTP status 200"},
		{"another port", refusing, ProbeOptions{Connect: true, Ports: []int{1}}, nil, ""},
		{"off", refusing, ProbeOptions{}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ip, text, err := net.SplitHostPort(c.address)
			if err != nil {
				t.Fatal(err)
			}
			port, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			w := &wanted{Key: Key{Namespace: "shop", Name: "web"}, service: &corev1.Service{}, state: &plan.State{
				Addresses: []plan.Address{{IP: ip, Ready: true}, {IP: "192.0.2.1"}},
				Ports:     []plan.Port{{Port: 80, TargetPort: int32(port), Protocol: "TCP"}, {Port: 53, TargetPort: 53, Protocol: "UDP"}},
			}}
			entry := &Entry{Key: w.Key}
			c.options.Timeout = 5 * time.Second
			c.options.roots = secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			var got []string
			for _, f := range c.options.run(t.Context(), []*wanted{w}, []*Entry{entry}, func(string) {}) {
				got = append(got, string(f.Severity)+" "+string(f.Code))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			if c.says == "" {
				if len(entry.Probes) > 0 {
					t.Errorf("%+v", entry.Probes)
				}
				return
			}
			// The address that is not ready is left out, and UDP is said to be.
			if len(entry.Probes) != 2 || !strings.Contains(entry.Probes[0].text(), c.says) || entry.Probes[1].Skipped == "" {
				t.Fatalf("%q, want %q", entry.Probes[0].text(), c.says)
			}
			if entry.Probes[0].Status == http.StatusOK {
				want := c.options.ServerName
				if want == "" {
					want = "web.shop.svc"
				}
				if got := host.Load(); got != want {
					t.Errorf("the host of the request is %v, want %q", got, want)
				}
			}
		})
	}
}

// One address of many entries is tried once, and never more than so many at a time.
func TestConnectOnce(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	port := int32(listener.Addr().(*net.TCPAddr).Port)
	var entries []*wanted
	var shown []*Entry
	for range 50 {
		entries = append(entries, &wanted{service: &corev1.Service{}, state: &plan.State{
			Addresses: []plan.Address{{IP: "127.0.0.1", Ready: true}}, Ports: []plan.Port{{Port: port, Protocol: "TCP"}},
		}})
		shown = append(shown, &Entry{})
	}
	if findings := (ProbeOptions{Connect: true}).run(t.Context(), entries, shown, func(string) {}); len(findings) > 0 {
		t.Error(findings)
	}
	for _, e := range shown {
		if len(e.Probes) != 1 || e.Probes[0] != shown[0].Probes[0] {
			t.Fatal("an address is tried twice")
		}
	}
	running, most := make(chan bool, 100), 0
	items := map[int]bool{}
	for i := range 40 {
		items[i] = true
	}
	done := make(chan int, 40)
	each(t.Context(), 3, items, "", func(string) {}, func(int, bool) {
		running <- true
		done <- len(running)
		time.Sleep(time.Millisecond)
		<-running
	})
	close(done)
	for n := range done {
		most = max(most, n)
	}
	if most > 3 || len(items) != 40 {
		t.Errorf("%d at a time", most)
	}
}

func TestWriteText(t *testing.T) {
	entries := rendered(t, `services:
- {name: a, addresses: [10.0.4.11], ports: [{name: tcp, port: 80}]}
- {name: b, addresses: [10.0.4.12], ports: [{port: 80}], headless: true}`)
	f := asStored(entries)
	f.services[entries[1].Key].Spec.SessionAffinity = corev1.ServiceAffinityClientIP
	report := &Report{Release: release}
	report.Entries, report.Findings = assessAll(entries, f, release)
	report.finish(f)
	report.Entries[0].Probes = []*Probe{{Address: "10.0.4.11", Port: 80, Protocol: "TCP", Millis: 1.25}, {Address: "10.0.4.11", Port: 53, Protocol: "UDP", Skipped: "not tried"}}
	var plain, painted bytes.Buffer
	if err := report.WriteText(&plain, false); err != nil {
		t.Fatal(err)
	}
	want := `The release outside in shop has the revision 3 (deployed).

ENTRY   WANTED                         ROUTES TO  RESULT
shop/a  external: 10.0.4.11            1 ours     ok
shop/b  external: 10.0.4.12, headless  1 ours     warning

ENTRY   ADDRESS    PORT    LATENCY  RESULT
shop/a  10.0.4.11  80/TCP  1.2 ms   connects
shop/a  10.0.4.11  53/UDP  -        not tried

2 checked: 1 ok, 1 with warnings.

FINDINGS

shop/b: warning (drift)
  What is wrong  The Service b is not what the release says: sessionAffinity is ClientIP instead of None.
  Likely cause   It was changed by hand or by another program.
  What to do     Undo the change, or run helm upgrade outside -n shop with the same values, with Helm 4 and --force-conflicts.
`
	if plain.String() != want {
		t.Errorf("got\n%s\nwant\n%s", plain.String(), want)
	}
	if err := report.WriteText(&painted, true); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"1 ours     \x1b[32mok\x1b[0m\n", "1 ours     \x1b[33mwarning\x1b[0m\n", "shop/b: \x1b[33mwarning\x1b[0m (drift)"} {
		if !strings.Contains(painted.String(), part) {
			t.Errorf("%q is not in\n%q", part, painted.String())
		}
	}
	if got := regexp.MustCompile("\x1b\\[[0-9]+m").ReplaceAllString(painted.String(), ""); got != want {
		t.Errorf("without its colours, the text is another:\n%s", got)
	}
}

// The fields that the guide documents, and lists that are never null.
func TestJSON(t *testing.T) {
	entries := rendered(t, web)
	f := asStored(entries)
	f.services[entries[0].Key].Labels = nil
	report := &Report{}
	report.Entries, report.Findings = assessAll(entries, f, release)
	text, err := json.Marshal(report.finish(f))
	if err != nil {
		t.Fatal(err)
	}
	var shape struct {
		Release  any              `json:"release"`
		Entries  []map[string]any `json:"entries"`
		Findings []map[string]any `json:"findings"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&shape); err != nil {
		t.Fatal(err)
	}
	guide := readGuide(t)
	for _, object := range []map[string]any{shape.Entries[0], shape.Findings[0]} {
		for field, value := range object {
			if !strings.Contains(guide, "`"+field+"`") {
				t.Errorf("extsvc.md does not have `%s`", field)
			}
			if value == nil && field != "resolution" {
				t.Errorf("%s is null", field)
			}
		}
	}
}

func readGuide(t *testing.T) string {
	t.Helper()
	guide, err := os.ReadFile(filepath.Join("..", "..", "charts", "external-services", "docs", "extsvc.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(guide), "## check: a release\n")
	if !found {
		t.Fatal("extsvc.md has no section about extsvc check")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// The guide has every code, for those who write programs.
func TestGuideHasEveryCode(t *testing.T) {
	guide := readGuide(t)
	source, err := os.ReadFile("check.go")
	if err != nil {
		t.Fatal(err)
	}
	matches := regexp.MustCompile(`(?m)(?:Code|Class|Result|Severity) += "([a-z-]+)"$`).FindAllStringSubmatch(string(source), -1)
	for _, match := range matches {
		if !strings.Contains(guide, "`"+match[1]+"`") {
			t.Errorf("extsvc.md does not have `%s`", match[1])
		}
	}
	if len(matches) != 30 {
		t.Errorf("%d codes, classes, results and severities in the source, want 30", len(matches))
	}
}
