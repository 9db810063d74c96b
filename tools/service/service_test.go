package service_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
	"external-services/tools/values"
)

// render returns the mapping of the only entry of values.
func render(t *testing.T, values string) *service.Mapping {
	t.Helper()
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	vals, err := helm.Parse([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := helm.Render(chart, helm.Release{Namespace: "shop"}, vals)
	if err != nil {
		t.Fatal(err)
	}
	mappings := service.Sorted(service.FromRendered(objects))
	if len(mappings) != 1 {
		t.Fatalf("%d mappings, want 1", len(mappings))
	}
	return mappings[0]
}

// Each field of a mapping that changes is one difference, in the words of plan and of check.
func TestDiff(t *testing.T) {
	const base = "services: [{name: a, addresses: [10.0.0.1, 10.0.0.2], ports: [{name: http, port: 80}]%s}]"
	for _, c := range []struct {
		name, before, after string
		changes, drift      []string
		warning             bool // no difference matters for connections
	}{
		{name: "nothing", before: fmt.Sprintf(base, ""), after: fmt.Sprintf(base, "")},
		{
			name: "addresses", before: fmt.Sprintf(base, ""),
			after:   "services: [{name: a, addresses: [10.0.0.1, {ip: 10.0.0.3, ready: false}], ports: [{name: http, port: 80}]}]",
			changes: []string{"addresses: +10.0.0.3 (not ready), -10.0.0.2"},
			drift:   []string{"addresses: missing 10.0.0.2, unexpected 10.0.0.3 (not ready)"},
		},
		{
			name: "ports", before: fmt.Sprintf(base, ""),
			after:   "services: [{name: a, addresses: [10.0.0.1, 10.0.0.2], ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP}]}]",
			changes: []string{"ports: +dns 53/UDP", "port http 80: targetPort: 80 -> 8080"},
			drift:   []string{"ports: unexpected dns 53/UDP", "port http 80: targetPort is 8080, expected 80"},
		},
		{
			name: "settings", before: fmt.Sprintf(base, ""), after: fmt.Sprintf(base, ", sessionAffinity: ClientIP, sessionAffinityTimeoutSeconds: 60"),
			changes: []string{"sessionAffinity: None -> ClientIP", "sessionAffinityTimeoutSeconds: 10800 -> 60"},
			drift:   []string{"sessionAffinity is ClientIP, expected None", "sessionAffinityTimeoutSeconds is 60, expected 10800"},
			warning: true,
		},
		{
			name: "labels", before: fmt.Sprintf(base, ", labels: {team: a, old: b}"), after: fmt.Sprintf(base, ", labels: {team: b}"),
			changes: []string{"label: -old", "label team: a -> b"},
			drift:   []string{"label: missing old", "label team is b, expected a"},
			warning: true,
		},
		{
			name: "alias", before: "services: [{name: a, externalName: a.example}]", after: "services: [{name: a, externalName: b.example}]",
			changes: []string{"externalName: a.example -> b.example"},
			drift:   []string{"externalName is b.example, expected a.example"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var changes, drift []string
			for _, d := range service.Diff(render(t, c.before), render(t, c.after)) {
				changes, drift = append(changes, d.Change()), append(drift, d.Drift())
				if d.Routes == c.warning {
					t.Errorf("%s: routes is %t", d.Field, d.Routes)
				}
			}
			if !slices.Equal(changes, c.changes) || !slices.Equal(drift, c.drift) {
				t.Errorf("changes %q\nwant    %q\ndrift %q\nwant  %q", changes, c.changes, drift, c.drift)
			}
		})
	}
}

// A list that the API server forgets between two pages is read to its end all the same.
func TestExpiredList(t *testing.T) {
	client := fake.NewClientset()
	calls := 0
	client.PrependReactor("list", "services", func(action clienttesting.Action) (bool, runtime.Object, error) {
		calls++
		options := action.(clienttesting.ListActionImpl).ListOptions
		list := &corev1.ServiceList{}
		switch {
		case options.Continue != "":
			return true, nil, apierrors.NewResourceExpired("the list is too old")
		case options.Limit > 0:
			list.Continue = "next"
			list.Items = []corev1.Service{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}}
		default:
			list.Items = []corev1.Service{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, {ObjectMeta: metav1.ObjectMeta{Name: "b"}}}
		}
		return true, list, nil
	})
	names := map[string]bool{}
	if err := service.List(t.Context(), client.CoreV1().Services("shop").List, func(o *corev1.Service) { names[o.Name] = true }); err != nil {
		t.Fatal(err)
	}
	if calls != 3 || !names["a"] || !names["b"] {
		t.Errorf("%d calls, names %v", calls, names)
	}
}

// FromLive reads what belongs to the mappings, says what it could not read, and finds missing namespaces.
func TestFromLive(t *testing.T) {
	desired := render(t, "services: [{name: a, addresses: [10.0.0.1], ports: [{port: 80}]}]")
	other := desired.Service.DeepCopy()
	other.Name = "other"
	client := fake.NewClientset(desired.Service, desired.Slices[0], other)
	live, err := service.FromLive(t.Context(), client, []*service.Mapping{desired}, func(string) {})
	if err != nil || len(live.Services) != 1 || len(live.Unread) != 0 || len(live.Missing) != 0 {
		t.Fatalf("%v: %+v", err, live)
	}
	if drift := live.Drift(desired); len(drift) != 0 {
		t.Errorf("%+v", drift)
	}

	live, err = service.FromLive(t.Context(), fake.NewClientset(), []*service.Mapping{desired}, func(string) {})
	if err != nil || !slices.Equal(live.Missing, []string{"shop"}) || !live.IsMissing("shop") || len(live.Drift(desired)) != 0 {
		t.Errorf("%v: %+v", err, live)
	}

	client.PrependReactor("list", "endpointslices", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(discoveryv1.Resource("endpointslices"), "", nil)
	})
	live, err = service.FromLive(t.Context(), client, []*service.Mapping{desired}, func(string) {})
	if err != nil || live.CouldRead(service.EndpointSlices, "shop") || !live.CouldRead(service.Services, "shop") || len(live.Unread) != 1 {
		t.Errorf("%v: %+v", err, live)
	}
}

// What could not be read is a warning, with the permission that is missing, if that is why.
func TestUnreadFindings(t *testing.T) {
	forbidden := apierrors.NewForbidden(discoveryv1.Resource("endpointslices"), "", nil)
	live := &service.Live{Missing: []string{"web"}, Unread: []service.Unread{
		{Resource: service.Services, Verb: "list", Namespaces: []string{"shop"}, Err: errors.New("connection refused")},
		{Resource: service.EndpointSlices, Verb: "list", Namespaces: []string{"shop", "web"}, Err: forbidden},
	}}
	list := live.Findings()
	if len(list) != 3 || list[0].Code != findings.NotChecked || list[1].Code != findings.NotChecked || list[2].Code != findings.NamespaceMissing {
		t.Fatalf("%+v", list)
	}
	refused, role := list[0], list[1]
	if refused.Severity != findings.Warning || refused.Namespace != "shop" || !strings.Contains(refused.Message, "Services of shop: connection refused") {
		t.Errorf("%+v", refused)
	}
	if role.Namespace != "" || !strings.Contains(role.Cause+strings.Join(role.Fix, ""), "list on the resource endpointslices of the API group discovery.k8s.io in shop, web") {
		t.Errorf("%+v", role)
	}
}

func TestClassify(t *testing.T) {
	desired := render(t, "services: [{name: a, addresses: [10.0.0.1], ports: [{port: 80}]}]")
	slice := func(name, manager string) *discoveryv1.EndpointSlice {
		return &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", Labels: map[string]string{discoveryv1.LabelManagedBy: manager}},
			Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{"10.244.0.1"}}},
		}
	}
	pods, mirrored := slice("a-x", service.PodEndpoints), slice("a-y", service.MirroredEndpoints)
	selecting := desired.Service.DeepCopy()
	selecting.Spec.Selector = map[string]string{"app": "a"}
	for _, c := range []struct {
		slice *discoveryv1.EndpointSlice
		all   []*discoveryv1.EndpointSlice
		live  *corev1.Service
		want  service.Class
	}{
		{desired.Slices[0], nil, desired.Service, service.Own},
		{pods, nil, selecting, service.Pods},
		{pods, nil, desired.Service, service.Stale},
		{mirrored, []*discoveryv1.EndpointSlice{mirrored, pods}, desired.Service, service.Stale},
		{mirrored, []*discoveryv1.EndpointSlice{mirrored}, desired.Service, service.Foreign},
		{slice("b", "me"), nil, desired.Service, service.Foreign},
	} {
		if got := service.Classify(c.slice, c.all, c.live, desired); got != c.want {
			t.Errorf("%s: %s, want %s", c.slice.Name, got, c.want)
		}
	}
}

func TestMappingString(t *testing.T) {
	for values, want := range map[string]string{
		"services: [{name: a, externalName: a.example}]":                                                                    "external: alias of a.example",
		"services: [{name: a, addresses: [10.0.0.1], headless: true, ports: [{port: 80}]}]":                                 "external: 10.0.0.1, headless",
		"services: [{name: a, addresses: [10.0.0.1, 10.0.0.2], selector: {app: a}, backend: both, ports: [{port: 80}]}]":    "both: pods app=a and 2 addresses",
		"services: [{name: a, addresses: [10.0.0.1], endpointsKind: Endpoints, ports: [{port: 80}]}]":                       "external: 10.0.0.1, in Endpoints",
		"services: [{name: a, addresses: [10.0.0.1, 10.0.0.2], selector: {app: a}, backend: cluster, ports: [{port: 80}]}]": "cluster: pods app=a",
	} {
		if got := render(t, values).String(); got != want || strings.Contains(got, "%") {
			t.Errorf("%s: %q, want %q", values, got, want)
		}
	}
}

// Every field of an entry is part of the model: as a field of Mapping, or as a row of Settings, which plan, check
// and import then know.
func TestEveryFieldIsInTheModel(t *testing.T) {
	known := map[string]bool{ // of Mapping, or what decides whether and how it is rendered
		"enabled": true, "externalName": true, "addresses": true, "ports": true, "headless": true, "backend": true,
		"selector": true, "labels": true, "annotations": true, "endpointsKind": true, "resolve": true, "healthCheck": true,
		"ingress": true, "route": true, "backendTLS": true, // Routes
	}
	fields := map[string]bool{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[values.Mapping]()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields[name] = true
	}
	for _, setting := range service.Settings {
		if setting.FromValues && !fields[setting.Name] {
			t.Errorf("Settings has %s, which is not a field of an entry", setting.Name)
		}
		known[setting.Name] = known[setting.Name] || setting.FromValues
	}
	for name := range fields {
		if !known[name] {
			t.Errorf("the field %s of an entry is not in the model: add a row to Settings", name)
		}
	}
}
