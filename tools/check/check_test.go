package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
)

var release = &helm.Deployed{Name: "outside", Namespace: "shop", Revision: 3, Status: "deployed"}

// rendered are the mappings of values, as the release outside in shop has them.
func rendered(t *testing.T, text string) []*service.Mapping {
	t.Helper()
	return service.Sorted(service.FromRendered(renderedObjects(t, text)))
}

func renderedObjects(t *testing.T, text string) *helm.Result {
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
	return objects
}

// live is what a cluster has. Tests change it.
type live struct{ service.Live }

// asStored is what a cluster has of healthy mappings, with what the API server fills in as far as check reads it.
func asStored(desired []*service.Mapping) *live {
	l := &live{service.Live{
		Services: map[service.Key]*corev1.Service{}, Slices: map[service.Key][]*discoveryv1.EndpointSlice{},
		Named: map[service.Key]*discoveryv1.EndpointSlice{}, Legacy: map[service.Key]*service.Endpoints{},
	}}
	for _, m := range desired {
		stored := m.Service.DeepCopy()
		stored.Annotations = map[string]string{"meta.helm.sh/release-name": release.Name, "meta.helm.sh/release-namespace": release.Namespace}
		stored.Spec.SessionAffinity = corev1.ServiceAffinityNone
		for i := range stored.Spec.Ports {
			port := &stored.Spec.Ports[i]
			port.Protocol = service.Protocol(port.Protocol)
			if port.TargetPort.IntValue() == 0 {
				port.TargetPort = intstr.FromInt32(port.Port)
			}
		}
		l.Services[m.Key] = stored
		for _, slice := range m.Slices {
			l.add(slice.DeepCopy())
		}
		if m.Endpoints != nil {
			l.Legacy[m.Key] = m.Endpoints.DeepCopy()
			l.add(sliceOf(m.Key, "mirrored", service.MirroredEndpoints, "tcp", m.Addresses[0].IP))
		}
	}
	return l
}

func (l *live) add(slice *discoveryv1.EndpointSlice) {
	key := service.ServiceOf(slice)
	l.Slices[key] = append(l.Slices[key], slice)
	slices.SortFunc(l.Slices[key], func(a, b *discoveryv1.EndpointSlice) int { return strings.Compare(a.Name, b.Name) })
	if slice.Labels[discoveryv1.LabelManagedBy] == "external-services" {
		l.Named[service.KeyOf(slice)] = slice
	}
}

// unread makes a resource of shop unreadable.
func (l *live) unread(resource service.Resource) {
	l.Unread = append(l.Unread, service.Unread{Resource: resource, Verb: "list", Namespaces: []string{"shop"}, Err: errors.New("no answer")})
}

// sliceOf is an EndpointSlice of a Service that the chart did not create.
func sliceOf(key service.Key, name, manager, port string, addresses ...string) *discoveryv1.EndpointSlice {
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
	key := service.Key{Namespace: "shop", Name: "web"}
	slice := func(f *live) *discoveryv1.EndpointSlice { return f.Slices[key][0] }
	pods := func(f *live, addresses ...string) {
		f.add(sliceOf(key, "web-x", service.PodEndpoints, "tcp", addresses...))
	}
	unlabel := func(f *live) {
		delete(slice(f).Labels, discoveryv1.LabelServiceName)
		f.Slices = map[service.Key][]*discoveryv1.EndpointSlice{}
	}
	no := false
	for _, c := range []struct {
		name   string
		values string
		spoil  func(f *live)
		want   []string // severity and code
		routes string
		says   string
	}{
		{"healthy", web, func(*live) {}, nil, "2 own", ""},
		{"healthy and headless", headless, func(*live) {}, nil, "2 own", ""},
		{"healthy Endpoints", legacy, func(*live) {}, nil, "1 own", ""},
		{"healthy and parked", parked, func(f *live) { pods(f) }, nil, "1 own", ""},
		{"healthy with both", both, func(f *live) { pods(f, "10.244.0.1") }, nil, "1 own, 1 pod", ""},
		{"healthy pods", cluster, func(f *live) { pods(f, "10.244.0.1", "10.244.0.2") }, nil, "2 pods", ""},
		{"healthy alias", alias, func(*live) {}, nil, "-", ""},
		{"no Service", web, func(f *live) { delete(f.Services, key) }, []string{"error service-missing"}, "-", "helm upgrade outside -n shop"},
		{"no namespace", web, func(f *live) { delete(f.Services, key); f.Missing = []string{"shop"} }, nil, "-", ""},
		{"another's Service", web, func(f *live) { f.Services[key].Annotations["meta.helm.sh/release-name"] = "other" },
			[]string{"error not-owned"}, "-", "belongs to the release other in shop"},
		{"nobody's Service", web, func(f *live) { f.Services[key].Labels = nil }, []string{"error not-owned"}, "-", "was not created by Helm"},
		{"another type", web, func(f *live) {
			f.Services[key].Spec.Type, f.Services[key].Spec.ExternalName = corev1.ServiceTypeExternalName, "b.example"
		}, []string{"error drift"}, "2 own", "externalName is b.example, expected none"},
		{"another name outside", alias, func(f *live) { f.Services[key].Spec.ExternalName = "b.example" }, []string{"error drift"}, "-", "externalName is b.example, expected web.example"},
		{"an address as name outside", alias, func(f *live) { f.Services[key].Spec.ExternalName = "10.0.0.1" }, []string{"error drift", "error external-name-ip"}, "-", "addresses: [10.0.0.1]"},
		{"IPv6 as name outside", alias, func(f *live) { f.Services[key].Spec.ExternalName = "2001:db8::1" }, []string{"error drift", "error external-name-ip"}, "-", "addresses: [2001:db8::1]"},
		{"headless no more", headless, func(f *live) { f.Services[key].Spec.ClusterIP = "10.96.0.1" }, []string{"error drift"}, "2 own", "headless is false, expected true"},
		{"headless still", web, func(f *live) { f.Services[key].Spec.ClusterIP = corev1.ClusterIPNone }, []string{"error drift"}, "2 own", "headless is true, expected false"},
		{"another family", web, func(f *live) { f.Services[key].Spec.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol} }, []string{"error drift"}, "2 own", "ipFamilies is IPv6, expected IPv4"},
		{"an affinity", web, func(f *live) { f.Services[key].Spec.SessionAffinity = corev1.ServiceAffinityClientIP }, []string{"warning drift"}, "2 own", "sessionAffinity is ClientIP, expected None"},
		{"a label", web, func(f *live) { f.Services[key].Labels["external-services/backend"] = "both" }, []string{"warning drift"}, "2 own", "backend is both, expected external"},
		{"another port", web, func(f *live) { f.Services[key].Spec.Ports[0].Port = 81 }, []string{"error drift"}, "2 own", "ports: missing tcp 80, unexpected tcp 81"},
		{"another selector", both, func(f *live) { f.Services[key].Spec.Selector["app"] = "b"; pods(f, "10.244.0.1") }, []string{"error drift"}, "1 own, 1 pod", "selector is app=b, expected app=web"},
		{"no slice at all", web, func(f *live) { f.Slices, f.Named = nil, nil }, []string{"error endpoints-missing"}, "2 missing", "Argo CD"},
		{"no slice with both", both, func(f *live) {
			f.Slices, f.Named = map[service.Key][]*discoveryv1.EndpointSlice{}, nil
			pods(f, "10.244.0.1")
		},
			[]string{"error endpoints-missing"}, "1 pod, 1 missing", "CVE-2021-25740"},
		{"no slice of many", web, func(f *live) {
			f.Slices, f.Named = nil, map[service.Key]*discoveryv1.EndpointSlice{{Namespace: "a", Name: "b"}: nil}
		}, []string{"error endpoints-missing"}, "2 missing", "failed halfway"},
		{"no Endpoints", legacy, func(f *live) { f.Legacy, f.Slices = nil, nil }, []string{"error endpoints-missing"}, "1 missing", "which is missing Endpoints web"},
		{"no mirror", legacy, func(f *live) { f.Slices = nil }, []string{"error endpoints-missing"}, "1 missing", "no EndpointSlice mirrors it"},
		{"other Endpoints", legacy, func(f *live) { f.Legacy[key].Subsets[0].Addresses[0].IP = "10.0.9.9" }, []string{"error drift"}, "1 own", "unexpected 10.0.9.9"},
		{"no label", web, unlabel, []string{"error service-label-missing"}, "2 missing", "kubectl label endpointslice web-ipv4-0 -n shop"},
		{"another label", web, func(f *live) { slice(f).Labels[discoveryv1.LabelServiceName] = "b"; f.Slices = nil }, []string{"error service-label-missing"}, "2 missing", "has the label kubernetes.io/service-name=b"},
		{"another name of the port", web, func(f *live) { name := "b"; slice(f).Ports[0].Name = &name }, []string{"error port-name-mismatch"}, "2 own", `the Service has tcp 80, EndpointSlice web-ipv4-0 has b 80`},
		{"another protocol of the port", web, func(f *live) { p := corev1.ProtocolUDP; slice(f).Ports[0].Protocol = &p }, []string{"error port-name-mismatch"}, "2 own", `has tcp 80/UDP`},
		{"another name of a headless one's port", headless, func(f *live) { name := "b"; slice(f).Ports[0].Name = &name }, []string{"warning port-name-mismatch"}, "2 own", "SRV"},
		{"another number of the port", web, func(f *live) { port := int32(81); slice(f).Ports[0].Port = &port }, []string{"error drift"}, "2 own", "port tcp 80: targetPort is 81, expected 80"},
		{"another address", web, func(f *live) { slice(f).Endpoints[0].Addresses[0] = "10.0.9.9" }, []string{"error drift"}, "1 own, 1 foreign, 1 missing", "unexpected 10.0.9.9"},
		{"pods left", web, func(f *live) { pods(f, "10.244.0.1") }, []string{"error stale-endpoints"}, "2 own, 1 stale", "#103804"},
		{"pods left and mirrored", web, func(f *live) {
			pods(f, "10.244.0.1")
			f.add(sliceOf(key, "web-m", service.MirroredEndpoints, "tcp", "10.244.0.1"))
		}, []string{"error stale-endpoints"}, "2 own, 1 stale", "web-m, web-x"},
		{"pods left in Endpoints", web, func(f *live) {
			m := sliceOf(key, "web-m", service.MirroredEndpoints, "tcp", "10.244.0.1")
			m.Labels[service.ManagedBy] = "endpoint-controller"
			f.add(m)
		}, []string{"error stale-endpoints"}, "2 own, 1 stale", "web-m"},
		{"pods left at a parked selector", parked, func(f *live) { pods(f, "10.244.0.1") }, []string{"error stale-endpoints"}, "1 own, 1 stale", "web-x"},
		{"Endpoints by hand", web, func(f *live) { f.add(sliceOf(key, "web-m", service.MirroredEndpoints, "tcp", "10.0.9.9")) }, []string{"warning foreign-endpoints"}, "2 own, 1 foreign", "web-m"},
		{"a slice by hand", web, func(f *live) { f.add(sliceOf(key, "mine", "me", "tcp", "10.0.9.9")) }, []string{"warning foreign-endpoints"}, "2 own, 1 foreign", "mine"},
		{"a slice of an older release", web, func(f *live) { f.add(sliceOf(key, "web-ipv4-1", "external-services", "tcp", "10.0.9.9")) }, []string{"error stale-endpoints"}, "2 own, 1 stale", "web-ipv4-1"},
		{"nothing ready", web, func(f *live) {
			for i := range slice(f).Endpoints {
				slice(f).Endpoints[i].Conditions.Ready = &no
			}
		}, []string{"error drift", "error no-ready-endpoint"}, "2 own (2 not ready)", "None of the 2 endpoints"},
		{"no pod", cluster, func(f *live) { pods(f) }, []string{"error no-pods"}, "-", "every connection fails"},
		{"no pod, and addresses", both, func(f *live) { pods(f) }, []string{"warning no-pods"}, "1 own", "goes outside"},
		{"no pod has the port", cluster, func(f *live) { f.add(sliceOf(key, "web-x", service.PodEndpoints, "b", "10.244.0.1")) }, []string{"error pod-port-missing"}, "1 pod", "tcp 80 -> 80"},
		{"no pod has a port", both, func(f *live) {
			pods(f, "10.244.0.1")
			f.Slices[key][1].Ports = nil
		}, []string{"warning pod-port-missing"}, "1 own, 1 pod", "keeps going outside"},
		{"only some pods have the port", cluster, func(f *live) {
			pods(f, "10.244.0.2")
			f.add(sliceOf(key, "web-y", service.PodEndpoints, "b", "10.244.0.1"))
		}, nil, "2 pods", ""},
		{"Services not read", web, func(f *live) {
			f.Services = nil
			f.unread(service.Services)
		}, nil, "2 own", ""},
		{"Services not read, and another address", web, func(f *live) {
			f.Services = nil
			f.unread(service.Services)
			slice(f).Endpoints[0].Addresses[0] = "10.0.9.9"
		}, []string{"error drift"}, "1 own, 1 foreign, 1 missing", "unexpected 10.0.9.9"},
		{"slices not read", web, func(f *live) {
			f.Slices, f.Named = nil, nil
			f.unread(service.EndpointSlices)
		}, nil, "-", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			entries := rendered(t, c.values)
			f := asStored(entries)
			c.spoil(f)
			report := assess(entries, &f.Live, release)
			var got []string
			said := ""
			for _, finding := range report.Findings {
				got = append(got, string(finding.Severity)+" "+string(finding.Code))
				said += finding.String() + finding.Cause + strings.Join(finding.Fix, "\n")
				if finding.Subject() != "shop/web" || len(finding.Fix) == 0 {
					t.Errorf("%+v", finding)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) || !strings.Contains(said, c.says) {
				t.Errorf("%q, want %q and %q in\n%s", got, c.want, c.says, said)
			}
			if got := report.Entries[0].RoutesTo(); got != c.routes {
				t.Errorf("routes to %q, want %q", got, c.routes)
			}
			report.finish(&f.Live)
			want, code := OK, findings.ExitOK
			switch {
			case slices.ContainsFunc(c.want, func(s string) bool { return strings.HasPrefix(s, "error") }):
				want, code = Failed, findings.ExitErrors
			case len(c.want) > 0:
				want, code = Warned, findings.ExitNotice
			case len(f.Unread) > 0:
				want = Unknown
			}
			if result := report.Entries[0].Result; result != want || report.ExitCode() != code {
				t.Errorf("%s and the exit code %d, want %s and %d", result, report.ExitCode(), want, code)
			}
			for _, finding := range report.Findings {
				if finding.Effect != "" {
					t.Errorf("an effect of an upgrade: %+v", finding)
				}
			}
		})
	}
}

// What the API server does not change in a live Service needs a new Service. An upgrade corrects everything else.
func TestDriftThatNoUpgradeRemoves(t *testing.T) {
	key := service.Key{Namespace: "shop", Name: "web"}
	recreate := []string{
		"Recreate the Service: kubectl delete service web -n shop. Run helm upgrade outside -n shop with the same values, which creates what is missing. In between, the name does not resolve.",
		"Or add an entry with another name, and point the clients to it. No client loses its Service then.",
	}
	for _, c := range []struct {
		name   string
		values string
		spoil  func(spec *corev1.ServiceSpec)
		cause  string
		fix    []string
	}{
		{"headless to ClusterIP", web, func(s *corev1.ServiceSpec) { s.ClusterIP = corev1.ClusterIPNone }, "the API server keeps it headless",
			append(slices.Clone(recreate), "Or keep the Service as it is, and set headless: true for web.")},
		{"ClusterIP to headless", headless, func(s *corev1.ServiceSpec) { s.ClusterIP = "10.96.0.1" }, "The clusterIP of a live Service cannot change",
			append(slices.Clone(recreate), "Or keep the Service as it is, and remove headless: true from web.")},
		{"the first family", web, func(s *corev1.ServiceSpec) { s.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol} }, "the other family", recreate},
		{"the first family of a headless one", headless, func(s *corev1.ServiceSpec) { s.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol} }, "changed by hand",
			[]string{"Undo the change, or run helm upgrade outside -n shop with the same values, with Helm 4 and --force-conflicts."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			entries := rendered(t, c.values)
			f := asStored(entries)
			c.spoil(&f.Services[key].Spec)
			list := assess(entries, &f.Live, release).Findings
			if len(list) != 1 || list[0].Code != findings.Drift || !strings.Contains(list[0].Cause, c.cause) {
				t.Fatalf("%+v, want one drift because of %q", list, c.cause)
			}
			if diff := cmp.Diff(c.fix, list[0].Fix); diff != "" {
				t.Errorf("fix (-want +got):\n%s", diff)
			}
		})
	}
}

// A drift names each object that differs.
func TestDriftNamesObjects(t *testing.T) {
	key := service.Key{Namespace: "shop", Name: "web"}
	entries := rendered(t, "services: [{name: web, addresses: [10.0.4.11, '2001:db8::1'], ports: [{name: tcp, port: 80}]}]")
	f := asStored(entries)
	f.Services[key].Spec.PublishNotReadyAddresses = true
	f.Slices[key][1].Endpoints[0].Addresses[0] = "2001:db8::9"
	f.Slices[key][0].Labels[discoveryv1.LabelManagedBy] = "somebody"
	var got []string
	for _, finding := range assess(entries, &f.Live, release).Findings {
		got = append(got, string(finding.Severity)+" "+finding.Message)
	}
	want := []string{
		"error The Service web differs from the release: publishNotReadyAddresses is true, expected false.",
		"warning The EndpointSlice web-ipv4-0 differs from the release: label endpointslice.kubernetes.io/managed-by is somebody, expected external-services.",
		"error The EndpointSlice web-ipv6-0 differs from the release: addresses: missing 2001:db8::1, unexpected 2001:db8::9.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Values do not name a release: then its labels are no drift. A Service of another chart is not owned.
func TestAssessValues(t *testing.T) {
	entries := rendered(t, web)
	f := asStored(entries)
	stored := f.Services[entries[0].Key]
	stored.Annotations = nil
	stored.Labels["app.kubernetes.io/instance"], stored.Labels["helm.sh/chart"] = "other", "external-services-0.0.1"
	if list := assess(entries, &f.Live, nil).Findings; len(list) > 0 {
		t.Error(list)
	}
	delete(stored.Labels, "app.kubernetes.io/name")
	if list := assess(entries, &f.Live, nil).Findings; len(list) != 1 || list[0].Code != findings.NotOwned {
		t.Error(list)
	}
}

func TestReleaseFindings(t *testing.T) {
	for status, want := range map[string]findings.Code{
		"deployed": "", "failed": findings.ReleaseFailed, "pending-upgrade": findings.ReleasePending, "uninstalling": findings.ReleasePending,
	} {
		var got findings.Code
		deployed := &helm.Deployed{Name: "outside", Namespace: "shop", Status: status, Blocked: want == findings.ReleasePending}
		for _, f := range assess(nil, &service.Live{}, deployed).Findings {
			got = f.Code
			if f.Severity != findings.Warning {
				t.Errorf("%s: severity %s", status, f.Severity)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", status, got, want)
		}
	}
}

func TestSelectEntries(t *testing.T) {
	mappings := map[service.Key]*service.Mapping{}
	for _, name := range []string{"a/x", "b/x", "a/y"} {
		var key service.Key
		key.Namespace, key.Name, _ = strings.Cut(name, "/")
		mappings[key] = &service.Mapping{Key: key}
	}
	for _, c := range []struct{ names, want string }{
		{"", "a/x a/y b/x"}, {"x", "a/x b/x"}, {"b/x a/y", "a/y b/x"}, {"x z", `no entry is named "z"`},
	} {
		entries, err := selectEntries(mappings, strings.Fields(c.names))
		var got []string
		for _, m := range entries {
			got = append(got, m.Key.String())
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
		want findings.Severity
	}{{"", findings.Warning}, {"10.96.0.1", findings.Error}} {
		t.Setenv("KUBERNETES_SERVICE_HOST", c.host)
		report := assess(entries, &asStored(entries).Live, release)
		assessed := report.Entries
		options := ProbeOptions{Resolve: true, Timeout: DefaultTimeout, Concurrency: DefaultConcurrency, resolver: names{"there.example.": {"10.0.0.2", "10.0.0.1"}}}
		options.run(t.Context(), report, func(string) {})
		list := report.Findings
		if len(list) != 1 || list[0].Severity != c.want || list[0].Code != findings.ExternalNameUnresolvable || list[0].Entry != "b" {
			t.Errorf("host %q: %v", c.host, list)
		}
		if got := assessed[0].Resolution.Addresses; !slices.Equal(got, []string{"10.0.0.1", "10.0.0.2"}) || assessed[2].Resolution != nil {
			t.Errorf("%q, %v", got, assessed[2].Resolution)
		}
	}
}

// greet starts a server that says something to each connection, and returns its address.
func greet(t *testing.T, text string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // the end of the test
			}
			fmt.Fprint(conn, text)
			conn.Close()
		}
	}()
	return listener.Addr().String()
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
	greeting := greet(t, "220 mail.example ESMTP\r\n")
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
		{"HTTP, broken", plain.Listener.Addr().String(), ProbeOptions{Connect: true, HTTP: "broken"}, []string{"warning http-failed"}, "connects, HTTP status 502"},
		{"HTTP to a mail server", greeting, ProbeOptions{Connect: true, HTTP: "/"}, []string{"error http-failed"}, "connects, "},
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
			key := service.Key{Namespace: "shop", Name: "web"}
			entry := &Entry{Key: key, Desired: &service.Mapping{
				Key:       key,
				Addresses: []service.Address{{IP: ip, Ready: true}, {IP: "192.0.2.1"}},
				Ports:     []service.Port{{Port: 80, TargetPort: int32(port), Protocol: "TCP"}, {Port: 53, TargetPort: 53, Protocol: "UDP"}},
			}}
			c.options.Timeout, c.options.Concurrency = 5*time.Second, DefaultConcurrency
			c.options.roots = secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			var got []string
			report := &Report{Entries: []*Entry{entry}}
			c.options.run(t.Context(), report, func(string) {})
			for _, f := range report.Findings {
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
	report := &Report{}
	for range 50 {
		report.Entries = append(report.Entries, &Entry{Desired: &service.Mapping{
			Addresses: []service.Address{{IP: "127.0.0.1", Ready: true}}, Ports: []service.Port{{Port: port, Protocol: "TCP"}},
		}})
	}
	ProbeOptions{Connect: true, Timeout: DefaultTimeout, Concurrency: DefaultConcurrency}.run(t.Context(), report, func(string) {})
	if len(report.Findings) > 0 {
		t.Error(report.Findings)
	}
	for _, e := range report.Entries {
		if len(e.Probes) != 1 || e.Probes[0] != report.Entries[0].Probes[0] {
			t.Fatal("an address is tried twice")
		}
	}
	// Three tasks run at a time, and never more: each of the first ones waits until there are three.
	var mu sync.Mutex
	running, most, ran := 0, 0, 0
	three := make(chan struct{})
	reachedThree := sync.OnceFunc(func() { close(three) })
	var tasks []func()
	for range 40 {
		tasks = append(tasks, func() {
			mu.Lock()
			running++
			if most = max(most, running); running >= 3 {
				reachedThree()
			}
			mu.Unlock()
			select {
			case <-three:
			case <-time.After(time.Minute):
				t.Error("three tasks never run at a time")
			}
			mu.Lock()
			running, ran = running-1, ran+1
			mu.Unlock()
		})
	}
	ProbeOptions{Concurrency: 3}.each(t.Context(), "", func(string) {}, tasks)
	if most != 3 || ran != 40 {
		t.Errorf("%d at a time, %d in all", most, ran)
	}
}

func TestWriteText(t *testing.T) {
	entries := rendered(t, `services:
- {name: a, addresses: [10.0.4.11], ports: [{name: tcp, port: 80}]}
- {name: b, addresses: [10.0.4.12], ports: [{port: 80}], headless: true}`)
	f := asStored(entries)
	f.Services[entries[1].Key].Spec.SessionAffinity = corev1.ServiceAffinityClientIP
	report := assess(entries, &f.Live, release)
	report.finish(&f.Live)
	report.Entries[0].Probes = []*Probe{{Address: "10.0.4.11", Port: 80, Protocol: "TCP", Millis: 1.25}, {Address: "10.0.4.11", Port: 53, Protocol: "UDP", Skipped: "not tried"}}
	var plain, painted bytes.Buffer
	if err := report.WriteText(&plain, findings.Plain); err != nil {
		t.Fatal(err)
	}
	want := `Release outside in namespace shop: revision 3, deployed.

ENTRY   DESIRED                        ROUTES TO  RESULT
shop/a  external: 10.0.4.11            1 own      ok
shop/b  external: 10.0.4.12, headless  1 own      warning

ENTRY   ADDRESS    PORT    LATENCY  RESULT
shop/a  10.0.4.11  80/TCP  1.2 ms   connects
shop/a  10.0.4.11  53/UDP  -        not tried

2 checked: 1 ok, 1 with warnings.

FINDINGS

shop/b: warning (drift)
  Problem  The Service b differs from the release: sessionAffinity is ClientIP, expected None.
  Cause    The manifest does not set it, and so no upgrade and no reconcile removes it. Somebody added it, an earlier manifest set it, or the Service is older than the release, which took it over.
  Fix      Remove it by hand: kubectl patch service b -n shop --type=merge -p '{"spec":{"sessionAffinity":null,"sessionAffinityConfig":null}}'
`
	if plain.String() != want {
		t.Errorf("got\n%s\nwant\n%s", plain.String(), want)
	}
	if err := report.WriteText(&painted, findings.Colour); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"1 own      \x1b[32mok\x1b[0m\n", "1 own      \x1b[33mwarning\x1b[0m\n", "shop/b: \x1b[33mwarning\x1b[0m (drift)"} {
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
	f.Services[entries[0].Key].Labels = nil
	report := assess(entries, &f.Live, release)
	report.finish(&f.Live)
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Release  any              `json:"release"`
		Entries  []map[string]any `json:"entries"`
		Findings []map[string]any `json:"findings"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&document); err != nil {
		t.Fatal(err)
	}
	guide := readGuide(t)
	for _, object := range []map[string]any{document.Entries[0], document.Findings[0]} {
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

// The guide explains every class, result and effect.
func TestGuideHasEveryValue(t *testing.T) {
	guide := readGuide(t)
	for _, value := range []string{
		string(service.Own), string(service.Followed), string(service.Pods), string(service.Stale), string(service.Left), string(service.Foreign),
		string(OK), string(Unknown), string(Warned), string(Failed),
	} {
		if !strings.Contains(guide, "`"+value+"`") {
			t.Errorf("extsvc.md does not have `%s`", value)
		}
	}
}
