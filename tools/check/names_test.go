package check

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
	"external-services/tools/values"
)

// A release with names, by their entry.
const (
	oneName     = followed + "addresses: [db.example]}]"
	twoNames    = followed + "addresses: [db.example, db2.example]}]"
	nameAndIP   = followed + "addresses: [db.example, 10.0.4.11]}]"
	checkedName = followed + "addresses: [db.example, 10.0.4.11], healthCheck: {}}]"
	checkedIP   = followed + "addresses: [10.0.4.11], healthCheck: {}}]"
	nameBoth    = followed + "addresses: [db.example], selector: {app: web}, backend: both}]"
	nameCluster = followed + "addresses: [db.example, 10.0.4.11], healthCheck: {}, selector: {app: web}, backend: cluster}]"
	followed    = "resolver: {enabled: true}\nservices: [{name: web, ports: [{name: tcp, port: 80}], "
)

var webKey = service.Key{Namespace: "shop", Name: "web"}

// write adds a slice of the resolver: of a name, or of IP addresses without one.
func (l *live) write(host string, addresses ...string) *discoveryv1.EndpointSlice {
	slice := sliceOf(webKey, "web-dns-ipv4-"+strings.Trim(host, "."), values.ResolverManager, "tcp", addresses...)
	slice.AddressType = discoveryv1.AddressTypeIPv4
	if host != "" {
		slice.Annotations = map[string]string{values.HostAnnotation: host}
	}
	l.add(slice)
	return slice
}

// say adds an Event of the resolver about the Service web, later than those before.
func (l *live) say(reason, action, message string) {
	event := &corev1.Event{Reason: reason, Action: action, Message: message}
	event.EventTime.Time = time.Now().Add(time.Duration(len(l.Events[webKey])) * time.Second)
	l.Events[webKey] = append(l.Events[webKey], event)
}

func TestNames(t *testing.T) {
	const failed, resolved, refused = values.NameNotResolved, values.NameResolved, values.AddressRefused
	const stale = "db.example (IPv4) was not resolved: no answer. Its last addresses stay in use."
	const never = "db.example (IPv4) was never resolved: no such name. It has no addresses until it is."
	no := false
	for _, c := range []struct {
		name   string
		values string
		spoil  func(f *live)
		want   []string // severity and code
		routes string
		says   string
	}{
		{"healthy", oneName, func(f *live) { f.write("db.example", "10.0.4.1", "10.0.4.2") }, nil, "2 followed", ""},
		{"healthy beside an address", nameAndIP, func(f *live) { f.write("db.example", "10.0.4.1") }, nil, "1 own, 1 followed", ""},
		{"healthy with a health check", checkedName, func(f *live) { f.write("db.example", "10.0.4.1"); f.write("", "10.0.4.11") }, nil, "2 followed", ""},
		{"healthy with pods", nameBoth, func(f *live) {
			f.write("db.example", "10.0.4.1")
			f.add(sliceOf(webKey, "web-x", service.PodEndpoints, "tcp", "10.244.0.1"))
		}, nil, "1 followed, 1 pod", ""},
		{"draining", oneName, func(f *live) {
			f.write("db.example", "10.0.4.1", "10.0.4.2").Endpoints[0].Conditions.Ready = &no
		}, nil, "2 followed (1 not ready)", ""},
		{"one address of two names", twoNames, func(f *live) { f.write("db.example", "10.0.4.1") }, nil, "1 followed", ""},
		{"pods have taken over", nameCluster, func(f *live) {
			f.add(sliceOf(webKey, "web-x", service.PodEndpoints, "tcp", "10.244.0.1"))
			f.say(failed, "db.example IPv4: nxdomain", never)
		}, nil, "1 pod", ""},
		{"no pod has taken over", nameCluster, func(f *live) {
			f.write("db.example", "10.0.4.1")
			f.add(sliceOf(webKey, "web-x", service.PodEndpoints, "tcp"))
		}, []string{"warning no-pods"}, "1 followed", "every connection goes outside until one is"},
		{"never resolved", oneName, func(f *live) { f.say(failed, "db.example IPv4: nxdomain", never) },
			[]string{"error name-unresolved"}, "-", "The DNS name db.example of shop/web has no address, so every connection fails." + never},
		{"not asked for", oneName, func(*live) {}, []string{"error name-unresolved"}, "-", "The resolver has not asked for it yet"},
		{"never resolved, and an address", nameAndIP, func(f *live) { f.say(failed, "db.example IPv4: nxdomain", never) },
			[]string{"warning name-unresolved"}, "1 own", "db.example of shop/web has no address. Connections go to the other endpoints." + never},
		{"never resolved, and another name", twoNames, func(f *live) {
			f.write("db2.example", "10.0.4.2")
			f.say(failed, "db.example IPv4: nxdomain", never)
		}, []string{"warning name-unresolved"}, "1 followed", never},
		{"two names never resolved", twoNames, func(*live) {}, []string{"error name-unresolved", "error name-unresolved"}, "-", "db2.example"},
		{"only the other family never resolved", oneName, func(f *live) {
			f.write("db.example", "10.0.4.1")
			f.say(failed, "db.example IPv6: nodata", "db.example (IPv6) was never resolved")
		}, nil, "1 followed", ""},
		{"an empty slice", oneName, func(f *live) { f.write("db.example") }, []string{"error name-unresolved"}, "-", ""},
		{"stale", oneName, func(f *live) { f.write("db.example", "10.0.4.1"); f.say(failed, "db.example IPv4: timeout", stale) },
			[]string{"warning name-stale"}, "1 followed", stale},
		{"stale, and resolved since", oneName, func(f *live) {
			f.write("db.example", "10.0.4.1")
			f.say(failed, "db.example IPv4: timeout", stale)
			f.say(resolved, "db.example IPv4", "")
		}, nil, "1 followed", ""},
		{"stale again", oneName, func(f *live) {
			f.write("db.example", "10.0.4.1")
			f.say(resolved, "db.example IPv4", "")
			f.say(failed, "db.example IPv4: timeout", stale)
		}, []string{"warning name-stale"}, "1 followed", stale},
		{"stale, while the other family is resolved", oneName, func(f *live) {
			f.write("db.example", "10.0.4.1")
			f.say(failed, "db.example IPv4: timeout", stale)
			f.say(resolved, "db.example IPv6", "")
		}, []string{"warning name-stale"}, "1 followed", stale},
		{"stale for the replica before", oneName, func(f *live) {
			f.write("db.example", "10.0.4.1")
			f.say(failed, "db.example IPv4: timeout", stale)
			for key := range f.Resolvers {
				f.Resolvers[key] = service.State{LeadingSince: time.Now().Add(time.Minute)}
			}
		}, nil, "1 followed", ""},
		{"refused", oneName, func(f *live) {
			f.write("db.example", "10.0.4.1")
			f.say(refused, "db.example IPv4: loopback", "The answer for db.example has addresses that are never written: 127.0.0.1 (loopback).")
		}, []string{"warning address-refused"}, "1 followed", "127.0.0.1 (loopback)"},
		{"not ready by the values", followed + "addresses: [{host: db.example, ready: false}]}]", func(f *live) {
			f.write("db.example", "10.0.4.1").Endpoints[0].Conditions.Ready = &no
		}, []string{"error no-ready-endpoint"}, "1 followed (1 not ready)", "ready: false"},
		{"an address is not written", checkedName, func(f *live) { f.write("db.example", "10.0.4.1") },
			[]string{"error endpoints-missing"}, "1 followed, 1 missing", "The resolver has not written 10.0.4.11 of shop/web"},
		{"no address is written", checkedIP, func(*live) {}, []string{"error endpoints-missing"}, "1 missing", "10.0.4.11"},
		{"slices of the release before", web, func(f *live) { f.write("db.example", "10.0.4.1") },
			[]string{"error resolver-slices-left"}, "2 own, 1 left", "kubectl delete endpointslice web-dns-ipv4-db.example -n shop"},
		{"slices left at an alias", alias, func(f *live) { f.write("db.example", "10.0.4.1") }, nil, "-", ""},
		{"a port by hand", oneName, func(f *live) {
			port := "b"
			f.write("db.example", "10.0.4.1").Ports[0].Name = &port
		}, []string{"error port-name-mismatch"}, "1 followed", "EndpointSlice web-dns-ipv4-db.example has b"},
		{"Events not read", oneName, func(f *live) { f.write("db.example", "10.0.4.1"); f.unread(service.EventObjects) }, nil, "1 followed", ""},
		{"Events not read, and no name", web, func(f *live) { f.unread(service.EventObjects) }, nil, "2 own", ""},
		{"slices not read", oneName, func(f *live) { f.unread(service.EndpointSlices) }, nil, "-", ""},
		{"a stopped resolver, and one name without an address", twoNames, func(f *live) {
			f.write("db.example", "10.0.4.1")
			for key := range f.Resolvers {
				f.Resolvers[key] = service.State{}
			}
		}, []string{"warning name-unresolved"}, "1 followed", "db2.example of shop/web has no address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			entries := rendered(t, c.values)
			f := asStored(entries)
			f.Events, f.Resolvers = map[service.Key][]*corev1.Event{}, map[service.Key]service.State{}
			for _, m := range entries {
				if m.IsFollowed() {
					f.Resolvers[service.Key{Namespace: m.Resolver.Namespace, Name: m.Resolver.Name}] = service.State{LeadingSince: time.Now().Add(-time.Hour)}
				}
			}
			c.spoil(f)
			report := assess(entries, &f.Live, release)
			var got []string
			said := ""
			for _, finding := range report.Findings {
				got = append(got, string(finding.Severity)+" "+string(finding.Code))
				said += finding.Message + finding.Cause + strings.Join(finding.Fix, "\n")
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
			want := OK
			switch {
			case slices.ContainsFunc(c.want, func(s string) bool { return strings.HasPrefix(s, "error") }):
				want = Failed
			case len(c.want) > 0:
				want = Warned
			case len(f.Unread) > 0 && len(entries[0].Hosts()) > 0:
				want = Unknown
			}
			if got := report.Entries[0].Result; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// leader is a Lease that a Pod holds.
func leader(resolver *helm.Resolver, renewed time.Time) *coordinationv1.Lease {
	pod := "pod"
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: resolver.Namespace, Name: resolver.Name},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &pod, RenewTime: &metav1.MicroTime{Time: renewed}, AcquireTime: &metav1.MicroTime{Time: renewed.Add(-time.Hour)},
		},
	}
}

// A check of a release with a resolver, from the objects of the cluster to the findings about the resolver.
func TestCheckResolver(t *testing.T) {
	result := renderedObjects(t, strings.Replace(oneName, "services: [", "services: [{name: plain, addresses: [10.0.4.12], ports: [{port: 80}]}, ", 1))
	resolver := &result.Resolvers[0]
	desired := service.Sorted(service.FromRendered(result))
	stored := asStored(desired)
	config := func(host string) *corev1.ConfigMap {
		object := configMap(t, result)
		object.Data[values.ResolverConfigKey] = strings.Replace(object.Data[values.ResolverConfigKey], "db.example", host, 1)
		return object
	}
	slice := stored.write("db.example", "10.0.4.1")
	base := []runtime.Object{stored.Services[webKey], stored.Services[service.Key{Namespace: "shop", Name: "plain"}], slice, desired[0].Slices[0]}
	running, same := leader(resolver, time.Now()), config("db.example")
	for _, c := range []struct {
		name    string
		objects []runtime.Object
		entries []string
		forbid  string
		options Options
		want    []string
		says    string
		result  Result // of web
	}{
		{"healthy", []runtime.Object{running, same}, nil, "", Options{}, nil, "", OK},
		{"no Lease", []runtime.Object{same}, nil, "", Options{}, []string{"warning resolver-not-running"}, "kubectl get pods -n shop -l external-services/resolver=" + resolver.Name, OK},
		{"an old Lease", []runtime.Object{leader(resolver, time.Now().Add(-time.Minute)), same}, nil, "", Options{}, []string{"warning resolver-not-running"}, "no Pod renews its Lease", OK},
		{"no ConfigMap", []runtime.Object{running}, nil, "", Options{}, []string{"warning resolver-config"}, "The ConfigMap " + resolver.Name + " does not exist", OK},
		{"another ConfigMap", []runtime.Object{running, config("db2.example")}, nil, "", Options{}, []string{"warning resolver-config"}, "differs from the release", OK},
		{"no YAML in the ConfigMap", []runtime.Object{running, config("{")}, nil, "", Options{}, []string{"warning resolver-config"}, "helm upgrade outside -n shop", OK},
		{"Leases forbidden", []runtime.Object{running, same}, nil, "leases", Options{}, []string{"warning not-checked"}, "verb get on the resource leases of the API group coordination.k8s.io in shop", OK},
		{"ConfigMaps forbidden", []runtime.Object{running, same}, nil, "configmaps", Options{}, []string{"warning not-checked"}, "verb get on the resource configmaps", OK},
		{"Events forbidden", []runtime.Object{running, same}, nil, "events", Options{}, []string{"warning not-checked"}, "verb list on the resource events", Unknown},
		{"another entry", nil, []string{"plain"}, "", Options{}, nil, "", ""},
		{"values of a release", nil, nil, "", Options{FromValues: true, Release: "outside"}, []string{"warning resolver-config", "warning resolver-not-running"}, "", OK},
		{"values of no release", nil, nil, "", Options{FromValues: true}, nil, "", OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := fake.NewClientset(slices.Concat(base, c.objects)...)
			client.PrependReactor("*", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
				return action.GetResource().Resource == c.forbid, nil, apierrors.NewForbidden(action.GetResource().GroupResource(), "", nil)
			})
			c.options.Entries, c.options.Progress = c.entries, func(string) {}
			report, err := Objects(t.Context(), client, result, release, c.options)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			said := ""
			for _, finding := range report.Findings {
				got = append(got, string(finding.Severity)+" "+string(finding.Code))
				said += finding.Message + strings.Join(finding.Fix, "\n")
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) || !strings.Contains(said, c.says) {
				t.Errorf("%q, want %q and %q in\n%s", got, c.want, c.says, said)
			}
			results := map[service.Key]Result{}
			for _, e := range report.Entries {
				results[e.Key] = e.Result
			}
			if results[webKey] != c.result || results[service.Key{Namespace: "shop", Name: "plain"}] != OK {
				t.Errorf("results %v", results)
			}
		})
	}
}

// configMap is the configuration of the resolver of a release.
func configMap(t *testing.T, result *helm.Result) *corev1.ConfigMap {
	t.Helper()
	for _, manifest := range result.Manifests {
		if strings.Contains(manifest, "kind: ConfigMap") {
			object := &corev1.ConfigMap{}
			if err := yaml.UnmarshalStrict([]byte(manifest), object); err != nil {
				t.Fatal(err)
			}
			return object
		}
	}
	t.Fatal("no ConfigMap")
	return nil
}

// The table says where connections of each kind go.
func TestWriteTextOfNames(t *testing.T) {
	entries := rendered(t, nameAndIP)
	f := asStored(entries)
	f.write("db.example", "10.0.4.1", "10.0.4.2")
	report := assess(entries, &f.Live, release)
	report.finish(&f.Live)
	var text bytes.Buffer
	if err := report.WriteText(&text, findings.Plain); err != nil {
		t.Fatal(err)
	}
	want := `Release outside in namespace shop: revision 3, deployed.

ENTRY     DESIRED                ROUTES TO          RESULT
shop/web  external: 2 addresses  1 own, 2 followed  ok

1 checked: 1 ok.
`
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
}

// Connections are tried to the addresses of the names, and with a health check to those that are ready.
func TestConnectToNames(t *testing.T) {
	no := false
	for text, want := range map[string][]string{nameAndIP: {"10.0.4.1", "10.0.4.11"}, checkedName: {"10.0.4.1"}} {
		entries := rendered(t, text)
		f := asStored(entries)
		f.write("db.example", "10.0.4.1", "10.0.4.2").Endpoints[1].Conditions.Ready = &no
		if entries[0].HealthCheck != nil {
			f.write("", "10.0.4.11").Endpoints[0].Conditions.Ready = &no
		}
		got := map[string]string{}
		for _, a := range assess(entries, &f.Live, release).Entries[0].outside() {
			got[a.ip] = a.name
		}
		if ips := slices.Sorted(maps.Keys(got)); !slices.Equal(ips, want) || got["10.0.4.1"] != "web.shop.svc" {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
