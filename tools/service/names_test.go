package service_test

import (
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

	"external-services/tools/helm"
	"external-services/tools/service"
	"external-services/tools/values"
)

// named is a values file with one entry whose addresses a resolver follows.
func named(addresses, more string) string {
	return "resolver: {enabled: true}\nservices: [{name: a, addresses: [" + addresses + "], ports: [{name: tcp, port: 80, targetPort: 81}]" + more + "}]"
}

// The mapping of an entry has what its resolver follows, from the ConfigMap, beside what the release writes itself.
func TestFollowedMapping(t *testing.T) {
	for _, c := range []struct {
		name, values, want string
		hosts              []string
		families           []string
		slices             int
	}{
		{"a name", named("db.example", ""), "external: db.example", []string{"db.example"}, nil, 0},
		{"a name beside an address", named("db.example, 10.0.0.1", ""), "external: 2 addresses", []string{"db.example"}, []string{"IPv4"}, 1},
		{"a health check", named("db.example, 10.0.0.1", ", healthCheck: {}"), "external: 2 addresses", []string{"db.example"}, []string{"IPv4"}, 0},
		{"a health check of addresses", named("10.0.0.1, '2001:db8::1'", ", healthCheck: {}"), "external: 2 addresses", nil, []string{"IPv4", "IPv6"}, 0},
		{"both", named("db.example", ", selector: {app: a}, backend: both"), "both: pods app=a and db.example", []string{"db.example"}, nil, 0},
		{"pods", named("db.example, 10.0.0.1", ", healthCheck: {}, selector: {app: a}, backend: cluster"), "cluster: pods app=a", nil, nil, 0},
		{"headless", strings.Replace(named("{host: db.example, hostname: db}", ", headless: true"), ", targetPort: 81", "", 1), "external: db.example, headless", []string{"db.example"}, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := render(t, c.values)
			if m.String() != c.want || !slices.Equal(m.Hosts(), c.hosts) || !slices.Equal(m.Families, c.families) || len(m.Slices) != c.slices {
				t.Errorf("%s, hosts %q, families %q, %d slices", m, m.Hosts(), m.Families, len(m.Slices))
			}
			if !m.IsFollowed() || m.Resolver.Name != "release-name-external-services-resolver" || m.Resolver.Namespace != "shop" {
				t.Errorf("resolver %+v", m.Resolver)
			}
			kind, target := string(values.EndpointSlice), int32(81)
			switch {
			case m.Backend == values.Cluster:
				kind, target = "", 0
			case m.Headless:
				target = 80
			}
			if m.Kind != kind || m.Ports[0].TargetPort != target {
				t.Errorf("kind %q, target port %d, want %q and %d", m.Kind, m.Ports[0].TargetPort, kind, target)
			}
		})
	}
	long := render(t, named("{host: db.example, hostname: db, zone: z1, draining: true}, {host: db2.example, ready: false}, db3.example", ""))
	want := []service.Address{
		{Host: "db.example", Hostname: "db", Zone: "z1", Draining: true}, {Host: "db2.example"}, {Host: "db3.example", Ready: true},
	}
	if !slices.Equal(long.Addresses, want) {
		t.Errorf("addresses %+v, want %+v", long.Addresses, want)
	}
	if m := render(t, "resolver: {enabled: true}\nservices: [{name: a, addresses: [10.0.0.1], ports: [{port: 80}]}]"); m.IsFollowed() {
		t.Error("an entry without a name is followed")
	}
}

// What changes in an entry that a resolver follows, before and after.
func TestDiffOfNames(t *testing.T) {
	const addresses = "services: [{name: a, addresses: [10.0.0.1], ports: [{name: tcp, port: 80, targetPort: 81}]}]"
	with := func(settings string) string {
		return strings.Replace(named("db.example", ""), "enabled: true", "enabled: true, "+settings, 1)
	}
	for _, c := range []struct{ name, before, after, want string }{
		{"nothing", named("db.example", ""), named("db.example", ""), ""},
		{"from addresses", addresses, named("db.example", ""), "addresses: +db.example, -10.0.0.1; ipFamilyPolicy: SingleStack -> PreferDualStack"},
		{"to addresses", named("db.example", ""), addresses, "addresses: +10.0.0.1, -db.example; ipFamilyPolicy: PreferDualStack -> SingleStack"},
		{"another name", named("db.example", ""), named("db2.example, db.example", ""), "addresses: +db2.example"},
		{"not ready", named("db.example, db2.example", ""), named("db.example, {host: db2.example, draining: true}", ""),
			"address db2.example: ready: true -> false; address db2.example: draining: false -> true"},
		{"a health check", named("db.example, 10.0.0.1", ""), named("db.example, 10.0.0.1", ", healthCheck: {}"), "healthCheck: none -> defaults"},
		{"another health check", named("db.example", ", healthCheck: {port: tcp, fall: 3}"), named("db.example", ", healthCheck: {fall: 5, port: tcp}"),
			"healthCheck: fall=3,port=tcp -> fall=5,port=tcp"},
		{"how it is followed", named("db.example", ""), named("db.example", ", resolve: {drainSeconds: 0, keepSeconds: 60}"), "resolve: none -> drainSeconds=0,keepSeconds=60"},
		{"another target port", named("db.example", ""), strings.Replace(named("db.example", ""), "81", "82", 1), "port tcp 80: targetPort: 81 -> 82"},
		{"what is followed", named("db.example", ""), with("nameservers: [10.0.0.53], minSeconds: 10, maxSeconds: 120, allowedNames: [db.example], allowedCIDRs: [10.0.0.0/8], deniedCIDRs: [10.1.0.0/16]"),
			"resolver.nameservers: +10.0.0.53; resolver.minSeconds: 5 -> 10; resolver.maxSeconds: 60 -> 120; resolver.allowedNames: +db.example; " +
				"resolver.allowedCIDRs: +10.0.0.0/8; resolver.deniedCIDRs: +10.1.0.0/16"},
		{"another network", with("deniedCIDRs: [10.0.0.0/8, 10.1.0.0/16]"), with("deniedCIDRs: [10.1.0.0/16, 10.2.0.0/16]"), "resolver.deniedCIDRs: +10.2.0.0/16, -10.0.0.0/8"},
		{"another image", named("db.example", ""), with("replicas: 3, image: {tag: other}"), ""},
	} {
		var changes []string
		for _, d := range service.Diff(render(t, c.before), render(t, c.after)) {
			changes = append(changes, d.Change())
		}
		if got := strings.Join(changes, "; "); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// ofResolver is a slice of the resolver for the Service a.
func ofResolver(name string) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}}}}
	slice.Name, slice.Namespace = name, "shop"
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: "a", discoveryv1.LabelManagedBy: values.ResolverManager}
	return slice
}

func TestClassifySlicesOfResolver(t *testing.T) {
	for values, want := range map[string]service.Class{
		named("db.example", ""):                                     service.Followed,
		named("10.0.0.1", ", healthCheck: {}"):                      service.Followed,
		named("db.example", ", selector: {a: b}, backend: cluster"): service.Followed,
		named("10.0.0.1", ""):                                       service.Left,
		"services: [{name: a, externalName: a.example}]":            service.Left,
	} {
		desired, slice := render(t, values), ofResolver("a-dns-ipv4-0")
		if got := service.Classify(slice, []*discoveryv1.EndpointSlice{slice}, desired.Service, desired); got != want {
			t.Errorf("%s: %s, want %s", values, got, want)
		}
	}
}

// A change of the family is no conflict of a name: the families of its addresses are not known, and the Service gets
// those of the cluster.
func TestConflictOfNames(t *testing.T) {
	six := &corev1.Service{Spec: corev1.ServiceSpec{ClusterIP: "fd00::1", IPFamilies: []corev1.IPFamily{corev1.IPv6Protocol}}}
	if code := service.Conflict(six, render(t, named("db.example, 10.0.0.1", ""))); code != "" {
		t.Error(code)
	}
}

func lease(renewed, acquired time.Time, holder string) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "r", Namespace: "shop"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, RenewTime: &metav1.MicroTime{Time: renewed}, AcquireTime: &metav1.MicroTime{Time: acquired}},
	}
}

// A resolver works if somebody holds its Lease, and renewed it lately.
func TestReadLease(t *testing.T) {
	now := time.Now()
	since := now.Add(-time.Hour).Truncate(time.Microsecond)
	for _, c := range []struct {
		name    string
		objects []runtime.Object
		stopped bool
	}{
		{"held", []runtime.Object{lease(now, since, "pod")}, false},
		{"missing", nil, true},
		{"given up", []runtime.Object{lease(now, since, "")}, true},
		{"left behind", []runtime.Object{lease(now.Add(-time.Minute), since, "pod")}, true},
		{"never held", []runtime.Object{&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "r", Namespace: "shop"}}}, true},
	} {
		resolvers := []helm.Resolver{{Namespace: "shop", Name: "r"}}
		live := &service.Live{}
		live.ReadResolvers(t.Context(), fake.NewClientset(c.objects...), resolvers, nil, func(string) {})
		if got := live.IsStopped(&resolvers[0]); got != c.stopped || len(live.Unread) > 0 {
			t.Errorf("%s: stopped is %t; %+v", c.name, got, live.Unread)
		}
		if state := live.Resolvers[service.Key{Namespace: "shop", Name: "r"}]; state.Config != nil || !c.stopped != state.LeadingSince.Equal(since) {
			t.Errorf("%s: %+v", c.name, state)
		}
	}
}

// event is one of the resolver about the Service a, some seconds after the replica that works took over.
func event(reason, action string, seconds int, since time.Time) *corev1.Event {
	at := metav1.MicroTime{Time: since.Add(time.Duration(seconds) * time.Second)}
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "shop", Name: strings.ToLower(reason) + at.Format("150405.000000")},
		InvolvedObject: corev1.ObjectReference{Kind: "Service", Namespace: "shop", Name: "a"},
		Reason:         reason, Action: action, EventTime: at, Message: action, ReportingController: values.ResolverManager,
	}
}

// The newest Event about a name and a family counts, by when it was seen last, if the replica that works wrote it.
func TestNameEvent(t *testing.T) {
	const failed, resolved, refused = values.NameNotResolved, values.NameResolved, values.AddressRefused
	since := time.Now().Add(-time.Minute)
	again := event(failed, "db.example IPv4: timeout", 1, since)
	again.Series = &corev1.EventSeries{Count: 2, LastObservedTime: metav1.MicroTime{Time: since.Add(20 * time.Second)}}
	long := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + "." + strings.Repeat("c", 60)
	for _, c := range []struct {
		name, host string
		events     []*corev1.Event
		reasons    []string
		want       string // the action
	}{
		{"none", "db.example", nil, []string{failed}, ""},
		{"one", "db.example", []*corev1.Event{event(failed, "db.example IPv4: nxdomain", 1, since)}, []string{failed, resolved}, "db.example IPv4: nxdomain"},
		{"the newest", "db.example", []*corev1.Event{event(resolved, "db.example IPv4", 9, since), event(failed, "db.example IPv4: nxdomain", 1, since)},
			[]string{failed, resolved}, "db.example IPv4"},
		{"seen again", "db.example", []*corev1.Event{again, event(resolved, "db.example IPv4", 9, since)}, []string{failed, resolved}, "db.example IPv4: timeout"},
		{"another family", "db.example", []*corev1.Event{event(failed, "db.example IPv6: nxdomain", 1, since)}, []string{failed}, ""},
		{"another name", "db.example", []*corev1.Event{event(failed, "db.example2 IPv4: nxdomain", 1, since)}, []string{failed}, ""},
		{"another reason", "db.example", []*corev1.Event{event(refused, "db.example IPv4: loopback", 1, since)}, []string{failed}, ""},
		{"of the replica before", "db.example", []*corev1.Event{event(failed, "db.example IPv4: nxdomain", -1, since)}, []string{failed}, ""},
		{"a long name", long, []*corev1.Event{event(failed, (long + " IPv4: nxdomain")[:128], 1, since)}, []string{failed}, long[:128]},
	} {
		objects := []runtime.Object{lease(time.Now(), since, "pod")}
		for _, e := range c.events {
			objects = append(objects, e)
		}
		client := fake.NewClientset(objects...)
		selector := ""
		client.PrependReactor("list", "events", func(action clienttesting.Action) (bool, runtime.Object, error) {
			selector = action.(clienttesting.ListAction).GetListRestrictions().Fields.String()
			return false, nil, nil
		})
		m := render(t, named("db.example", ""))
		m.Resolver.Namespace, m.Resolver.Name = "shop", "r"
		live := &service.Live{}
		live.ReadResolvers(t.Context(), client, []helm.Resolver{*m.Resolver}, []*service.Mapping{m}, func(string) {})
		got := ""
		if e := live.NameEvent(m, c.host, corev1.IPv4Protocol, c.reasons...); e != nil {
			got = e.Action
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if selector != "involvedObject.kind=Service,reportingComponent=external-services-resolver" {
			t.Errorf("%s: the selector of Events is %q", c.name, selector)
		}
	}
}

// What may not be read about a resolver is a warning each, once, and the resolver counts as working.
func TestUnreadResolvers(t *testing.T) {
	client := fake.NewClientset()
	client.PrependReactor("*", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(action.GetResource().GroupResource(), "", nil)
	})
	m := render(t, named("db.example", ""))
	other := *m.Resolver
	other.Name = "other"
	live := &service.Live{}
	live.ReadResolvers(t.Context(), client, []helm.Resolver{*m.Resolver, other}, []*service.Mapping{m}, func(string) {})
	if live.IsStopped(m.Resolver) || live.NameEvent(m, "db.example", corev1.IPv4Protocol, values.NameNotResolved) != nil {
		t.Errorf("%+v", live)
	}
	var got []string
	for _, f := range live.Findings() {
		got = append(got, f.Message+" "+f.Cause)
	}
	for i, want := range []string{
		"Could not read the Leases of shop: leases.coordination.k8s.io is forbidden: <nil>. The role of this user does not allow the verb get on leases.",
		"Could not read the ConfigMaps of shop: configmaps is forbidden: <nil>. The role of this user does not allow the verb get on configmaps. The role view of Kubernetes does.",
		"Could not read the Events of shop: events is forbidden: <nil>. The role of this user does not allow the verb list on events. The role view of Kubernetes does.",
	} {
		if len(got) != 3 || got[i] != want {
			t.Errorf("%q, want %q as number %d", got, want, i)
		}
	}
}
