package resolver

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"external-services/tests/internal/account"
	"external-services/tests/internal/testenv"
	"external-services/tools/values"
)

// TestEachVerb takes each verb of the Role away, in a namespace of its own: an Event says so, and the other
// namespaces go on.
func TestEachVerb(t *testing.T) {
	t.Parallel()
	namespaces := []string{"eachverb"}
	denied := map[string][2]string{} // resource and verb, by namespace
	for _, pair := range [][2]string{
		{"services", "list"}, {"services", "watch"}, {"endpointslices", "list"}, {"endpointslices", "watch"},
		{"endpointslices", "create"}, {"endpointslices", "update"}, {"endpointslices", "delete"},
	} {
		namespace := "eachverb-" + pair[0] + "-" + pair[1]
		namespaces, denied[namespace] = append(namespaces, namespace), pair
		_, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	answers(nameOf(t, "db"), "10.0.30.1")
	i := install(t, "helm", entry(nameOf(t, "db"), "selector: {app: db}\n  resolve: {drainSeconds: 3600}\n  namespaces: ["+strings.Join(namespaces, ", ")+"]"))
	for namespace, pair := range denied {
		i.deny(namespace, pair[0], pair[1])
	}
	r := i.startReplica(0)
	wantEvent := func(namespace string) {
		t.Helper()
		pair := denied[namespace]
		want := fmt.Sprintf("cannot %s resource %q", pair[1], pair[0])
		testenv.Eventually(t, "an Event that the resolver "+want, func() error {
			messages := slices.Concat(i.in(namespace).events("WriteFailed"), i.events("NamespaceNotRead"))
			if !slices.ContainsFunc(messages, func(m string) bool { return strings.Contains(m, want) && strings.Contains(m, namespace) }) {
				return fmt.Errorf("Events %q", messages)
			}
			return nil
		})
	}
	i.wantAddresses("db", "10.0.30.1")
	for namespace, pair := range denied {
		switch pair[1] {
		case "watch", "create": // no slice can be written
			wantEvent(namespace)
		default:
			i.in(namespace).wantAddresses("db", "10.0.30.1")
		}
	}
	answers(i.name("db"), "10.0.30.2")
	i.wantAddresses("db", "10.0.30.1(draining) 10.0.30.2")

	// The pods have taken over, so that the slices are to be deleted.
	ofPods := &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.30.9"}}}}
	ofPods.Name, ofPods.Labels = "pods", map[string]string{discoveryv1.LabelServiceName: "db"}
	if _, err := client.DiscoveryV1().EndpointSlices("eachverb-endpointslices-delete").Create(t.Context(), ofPods, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	i.editConfig("backend: external", "backend: cluster")
	for namespace, pair := range denied {
		switch pair[1] {
		case "list": // a watch that begins with all objects (KEP-3157) does without
			i.in(namespace).wantAddresses("db", "10.0.30.1(draining) 10.0.30.2")
		case "update", "delete":
			wantEvent(namespace)
		}
	}
	if n := r.metric(`slice_writes_total{result="forbidden"}`); n == 0 {
		t.Error("no metric counts the writes that were forbidden")
	}
	if n := r.metric(`watch_errors_total{namespace="eachverb-services-watch"}`); n == 0 {
		t.Error("no metric counts the lists that were forbidden")
	}
	i.editConfig("backend: cluster", "backend: external")
	answers(i.name("db"), "10.0.30.3")
	i.wantAddresses("db", "10.0.30.1(draining) 10.0.30.2(draining) 10.0.30.3")
}

// in is the same release, seen in another namespace of it.
func (i *installation) in(namespace string) *installation {
	other := *i
	other.namespace = namespace
	return &other
}

// editConfig replaces a text in the resolver's configuration by hand.
func (i *installation) editConfig(old, new string) {
	i.t.Helper()
	maps := client.CoreV1().ConfigMaps(i.namespace)
	list, err := maps.List(i.t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=outside"})
	if err != nil || len(list.Items) != 1 {
		i.t.Fatalf("%d ConfigMaps: %v", len(list.Items), err)
	}
	config := &list.Items[0]
	if !strings.Contains(config.Data["config.yaml"], old) {
		i.t.Fatalf("no %q in\n%s", old, config.Data["config.yaml"])
	}
	config.Data["config.yaml"] = strings.ReplaceAll(config.Data["config.yaml"], old, new)
	if _, err := maps.Update(i.t.Context(), config, metav1.UpdateOptions{}); err != nil {
		i.t.Fatal(err)
	}
}

// deny takes a verb away from the Role of the resolver in a namespace.
func (i *installation) deny(namespace, resource, verb string) {
	i.t.Helper()
	roles := client.RbacV1().Roles(namespace)
	list, err := roles.List(i.t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=outside"})
	if err != nil || len(list.Items) != 1 {
		i.t.Fatalf("%d Roles in %s: %v", len(list.Items), namespace, err)
	}
	role := &list.Items[0]
	denied := authorizationv1.ResourceAttributes{Namespace: namespace, Resource: resource, Verb: verb}
	for n := range role.Rules {
		if rule := &role.Rules[n]; slices.Contains(rule.Resources, resource) {
			rule.Verbs = slices.DeleteFunc(rule.Verbs, func(v string) bool { return v == verb })
			denied.Group = rule.APIGroups[0]
		}
	}
	if _, err := roles.Update(i.t.Context(), role, metav1.UpdateOptions{}); err != nil {
		i.t.Fatal(err)
	}
	testenv.WaitForAccess(i.t, client, i.namespace, i.deployment().Spec.Template.Spec.ServiceAccountName, denied, false)
}

// TestAdmissionPolicy: the account of the resolver may write its own slices, and no address of the cluster, also if
// its own filter lets it through.
func TestAdmissionPolicy(t *testing.T) {
	t.Parallel()
	answers(nameOf(t, "db"), "10.0.31.1", "10.0.31.2")
	i := install(t, "helm", strings.Replace(entry(nameOf(t, "db"), ""), "{enabled: true}",
		"{enabled: true, admissionPolicy: true, allowedCIDRs: [10.0.0.0/8, \"::/0\"], deniedCIDRs: [10.0.31.2/32]}", 1))
	api := i.asResolver().DiscoveryV1().EndpointSlices(i.namespace)
	slice := func(name, manager, address string) *discoveryv1.EndpointSlice {
		s := &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{address}}}}
		if strings.Contains(address, ":") {
			s.AddressType = discoveryv1.AddressTypeIPv6
		}
		s.Name, s.Labels = name, map[string]string{discoveryv1.LabelManagedBy: manager}
		return s
	}
	// The policy works as soon as the API server has read it.
	testenv.Eventually(t, "the policy", func() error {
		_, err := api.Create(t.Context(), slice("foreign", "somebody", "10.0.31.1"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return wantDenied(err, "may write only its own EndpointSlices")
	})
	for _, address := range []string{"10.0.31.2", "192.0.2.1", "240.0.0.1"} {
		_, err := api.Create(t.Context(), slice("own", values.ResolverManager, address), metav1.CreateOptions{})
		if err := wantDenied(err, "may write no address"); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := client.DiscoveryV1().EndpointSlices(i.namespace).Create(t.Context(), slice("theirs", "somebody", "192.0.2.1"), metav1.CreateOptions{}); err != nil {
		t.Errorf("others are limited too: %v", err)
	}
	if err := wantDenied(api.Delete(t.Context(), "theirs", metav1.DeleteOptions{}), "may write only its own EndpointSlices"); err != nil {
		t.Error(err)
	}

	// A resolver whose filter is off: its configuration has no networks.
	i.editConfig(`["10.0.31.2/32"]`, "[]")
	r := i.startReplica(0)
	testenv.Eventually(t, "an Event of the refusal", func() error {
		if messages := i.events("WriteFailed"); !slices.ContainsFunc(messages, func(m string) bool { return strings.Contains(m, "may write no address") }) {
			return fmt.Errorf("Events %q", messages)
		}
		return nil
	})
	if got := i.addresses("db"); got != "" {
		t.Errorf("addresses %q", got)
	}
	if n := r.metric(`slice_writes_total{result="error"}`) + r.metric(`slice_writes_total{result="forbidden"}`); n == 0 {
		t.Error("no metric counts the refused write")
	}
	answers(i.name("db"), "10.0.31.1")
	i.wantAddresses("db", "10.0.31.1")
}

func wantDenied(err error, message string) error {
	if !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), message) {
		return fmt.Errorf("error %v, want %q", err, message)
	}
	return nil
}

// asResolver is a client with the account of the resolver.
func (i *installation) asResolver() kubernetes.Interface {
	i.t.Helper()
	path := account.Kubeconfig(i.t, client, cluster.Kubeconfig, i.namespace, i.deployment().Spec.Template.Spec.ServiceAccountName)
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		i.t.Fatal(err)
	}
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		i.t.Fatal(err)
	}
	return clientset
}
