package render

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"external-services/tests/internal/testenv"
	"external-services/tools/helm"
	"external-services/tools/values"
)

// resolverName is what the objects of the resolver are called in the namespace of the release.
const resolverName = "outside-external-services-resolver"

// render renders a text as values, for the release "outside" in the namespace "apps".
func render(t *testing.T, text string) *helm.Result {
	t.Helper()
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	vals, err := helm.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	result, err := helm.Render(chart, helm.Release{Name: "outside", Namespace: "apps"}, vals)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// ofKind are the objects of the resolver of a type.
func ofKind[T metav1.Object](result *helm.Result) (list []T) {
	for _, object := range result.OfResolvers {
		if o, ok := object.(T); ok {
			list = append(list, o)
		}
	}
	return list
}

// one is the only object of the resolver of a type.
func one[T metav1.Object](t *testing.T, result *helm.Result) T {
	t.Helper()
	list := ofKind[T](result)
	if len(list) != 1 {
		t.Fatalf("%d objects of the type %T, want 1", len(list), *new(T))
	}
	return list[0]
}

// configOf is the configuration of the resolver, read as the resolver reads it.
func configOf(t *testing.T, result *helm.Result) *values.ResolverConfig {
	t.Helper()
	config, err := values.ParseResolverConfig(one[*corev1.ConfigMap](t, result).Data[values.ResolverConfigKey])
	if err != nil {
		t.Fatal(err)
	}
	return config
}

const namedEntry = "services: [{name: db, addresses: [db.corp.example], ports: [{port: 3306}]}]\n"

// The resolver is there only if it is enabled and an entry needs it.
func TestResolverIsInstalledIfNeeded(t *testing.T) {
	const enabled = "resolver: {enabled: true, metrics: {podMonitor: true, prometheusRule: true}, admissionPolicy: true}\n"
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"a name":         {enabled + namedEntry, true},
		"a health check": {enabled + "services: [{name: db, addresses: [10.0.0.1], ports: [{port: 80}], healthCheck: {}}]", true},
		"a name of an entry whose pods have taken over": {enabled + "services: [{name: db, addresses: [db.corp.example], ports: [{port: 80}], selector: {a: b}, backend: cluster}]", true},
		"no entry":                     {enabled, false},
		"no name":                      {enabled + "services: [{name: db, addresses: [10.0.0.1], ports: [{port: 80}]}]", false},
		"an alias":                     {enabled + "services: [{name: db, externalName: db.corp.example, healthCheck: {}, resolve: {}}]", false},
		"the entry is off":             {enabled + "services: [{name: db, enabled: false, addresses: [db.corp.example], ports: [{port: 80}]}]", false},
		"the chart is off":             {enabled + "enabled: false\n" + namedEntry, false},
		"an override has IP addresses": {enabled + namedEntry + "overrides: {db: {addresses: [10.0.0.1]}}", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := len(render(t, c.text).OfResolvers); got > 0 != c.want {
				t.Errorf("%d objects of the resolver", got)
			}
		})
	}
}

// What the resolver is told is what the values say, expanded, with the overrides of each namespace.
func TestResolverConfig(t *testing.T) {
	yes, no := true, false
	got := configOf(t, render(t, `
global: {zone: corp.example}
endpoints: {maxPerSlice: 7}
resolver:
  enabled: true
  nameservers: [10.0.0.53, "[2001:db8::53]:5353"]
  minSeconds: 6
  maxSeconds: 66
  allowedNames: ["*.corp.example"]
  allowedCIDRs: [10.0.0.0/8]
  deniedCIDRs: [10.244.0.0/16]
services:
- name: db
  namespaces: [shop, billing]
  addresses:
    - "db.{{ .Values.global.zone }}."
    - 10.0.4.11
    - {host: "db-2.{{ .Values.global.zone }}", hostname: db-2, zone: eu-1a, ready: false}
    - {host: db-3.corp.example, draining: true}
  ports: [{name: mysql, port: 3306, targetPort: 3307, appProtocol: mysql}, {name: x, port: 53, protocol: UDP}]
  selector: {app: db}
  backend: both
  headless: false
  resolve: {keepSeconds: 60, drainSeconds: 0, maxAddresses: 9}
- name: checked
  addresses: [10.0.4.11, {ip: '{{ print "10.0.4.12" }}', ready: false}, db.corp.example]
  ports: [{port: 80}]
  headless: true
  publishNotReadyAddresses: true
  trafficDistribution: PreferSameZone
  healthCheck: {intervalSeconds: 5, timeoutSeconds: 1, rise: 1, fall: 2}
namespaceOverrides:
  billing: {db: {resolve: null, addresses: [db.billing.corp.example]}}
`))
	// The ports are those of the endpoints: the resolver does not read those that clients call.
	ports := []values.Port{{Name: "mysql", Port: 3307, AppProtocol: "mysql"}, {Name: "x", Port: 53, Protocol: "UDP"}}
	zero := 0
	entry := func(name, namespace string, backend values.Backend, ports []values.Port, m values.Mapping) values.Entry {
		m.Backend, m.Ports = backend, ports
		return values.Entry{Name: name, Patch: values.Patch{Namespace: namespace, Mapping: m}}
	}
	want := &values.ResolverConfig{
		Following: values.Following{
			Nameservers: []string{"10.0.0.53", "[2001:db8::53]:5353"}, MinSeconds: 6, MaxSeconds: 66,
			AllowedNames: []string{"*.corp.example"}, AllowedCIDRs: []string{"10.0.0.0/8"}, DeniedCIDRs: []string{"10.244.0.0/16"},
		},
		MaxPerSlice: 7,
		Entries: []values.Entry{
			entry("checked", "apps", values.External, []values.Port{{Port: 80}}, values.Mapping{
				Addresses: []values.Address{{IP: "10.0.4.11"}, {IP: "10.0.4.12", Ready: &no}, {Host: "db.corp.example"}},
				Headless:  &yes, PublishNotReadyAddresses: &yes, TrafficDistribution: values.PreferSameZone,
				HealthCheck: &values.HealthCheck{IntervalSeconds: 5, TimeoutSeconds: 1, Rise: 1, Fall: 2},
			}),
			entry("db", "billing", values.Both, ports, values.Mapping{Addresses: []values.Address{{Host: "db.billing.corp.example"}}}),
			entry("db", "shop", values.Both, ports, values.Mapping{
				Addresses: []values.Address{
					{Host: "db.corp.example"},
					{Host: "db-2.corp.example", Hostname: "db-2", Zone: "eu-1a", Ready: &no},
					{Host: "db-3.corp.example", Ready: &no, Draining: &yes},
				},
				Resolve: &values.Resolve{KeepSeconds: 60, DrainSeconds: &zero, MaxAddresses: 9},
			}),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the configuration (-want +got):\n%s", diff)
	}
}

// The resolver can read its configuration in every scenario that needs it, and its addresses are in no slice
// of the release.
func TestResolverReadsItsConfig(t *testing.T) {
	read := 0
	for _, scenario := range scenarios(t) {
		vals, err := helm.Merge(helm.Values{ValueFiles: scenario.Files})
		if err != nil {
			t.Fatal(err)
		}
		chart, err := helm.Embedded()
		if err != nil {
			t.Fatal(err)
		}
		result, err := helm.Render(chart, helm.Release{Name: "outside", Namespace: "apps"}, vals)
		if err != nil {
			t.Fatal(err)
		}
		if len(result.OfResolvers) == 0 {
			continue
		}
		read++
		written := map[string]bool{}
		for _, slice := range result.EndpointSlices {
			for _, e := range slice.Endpoints {
				written[slice.Namespace+"/"+slice.Labels["kubernetes.io/service-name"]+" "+e.Addresses[0]] = true
			}
		}
		for _, e := range configOf(t, result).Entries {
			if len(e.Addresses) == 0 || len(e.Ports) == 0 {
				t.Errorf("%s: the entry %s/%s has %d addresses and %d ports", scenario.Name, e.Namespace, e.Name, len(e.Addresses), len(e.Ports))
			}
			for _, a := range e.Addresses {
				if (a.IP == "") == (a.Host == "") || written[e.Namespace+"/"+e.Name+" "+a.IP] {
					t.Errorf("%s: %s/%s: the address %+v, in a slice of the release: %t", scenario.Name, e.Namespace, e.Name, a, a.Host == "")
				}
			}
		}
	}
	if read < 6 {
		t.Errorf("%d scenarios with a resolver, want at least 6", read)
	}
}

// The IP addresses of an entry stay in slices of the release, unless it has a health check. The families of a
// name are not known, so its Service has those that the cluster has.
func TestNamesAmongAddresses(t *testing.T) {
	for name, c := range map[string]struct {
		addresses, more string
		policy          corev1.IPFamilyPolicy
		families        string
		slices          string
	}{
		"names":                        {"a.example, b.example", "", corev1.IPFamilyPolicyPreferDualStack, "[]", "[]"},
		"beside IPv4":                  {"a.example, 10.0.0.1", "", corev1.IPFamilyPolicyPreferDualStack, "[]", "[db-ipv4-0]"},
		"beside both":                  {"2001:db8::1, a.example, 10.0.0.1", "", corev1.IPFamilyPolicyPreferDualStack, "[]", "[db-ipv4-0 db-ipv6-0]"},
		"IPv6, with a health check":    {"2001:db8::1", "healthCheck: {}", corev1.IPFamilyPolicySingleStack, "[IPv6]", "[]"},
		"a name with a health check":   {"a.example, 10.0.0.1", "healthCheck: {}", corev1.IPFamilyPolicyPreferDualStack, "[]", "[]"},
		"a name, and pods":             {"a.example, 10.0.0.1", "selector: {a: b}, backend: cluster", corev1.IPFamilyPolicyPreferDualStack, "[]", "[]"},
		"a health check that is taken": {"10.0.0.1", "healthCheck: null", corev1.IPFamilyPolicySingleStack, "[IPv4]", "[db-ipv4-0]"},
	} {
		t.Run(name, func(t *testing.T) {
			result := render(t, fmt.Sprintf("resolver: {enabled: true}\nservices: [{name: db, addresses: [%s], ports: [{port: 80}], %s}]", c.addresses, c.more))
			spec := result.Services[0].Spec
			if deref(spec.IPFamilyPolicy) != c.policy || fmt.Sprint(spec.IPFamilies) != c.families {
				t.Errorf("the Service is %s with the families %v", deref(spec.IPFamilyPolicy), spec.IPFamilies)
			}
			names := []string{}
			for _, slice := range result.EndpointSlices {
				names = append(names, slice.Name)
			}
			if fmt.Sprint(names) != c.slices {
				t.Errorf("the slices of the release are %v, want %s", names, c.slices)
			}
		})
	}
}

// What the release says of names to people: what it maps, and what helm test connects to.
func TestNamesInNotesAndTests(t *testing.T) {
	result := render(t, `
resolver: {enabled: true}
services:
- {name: a, addresses: [a.example, {host: b.example, draining: true}, 10.0.0.1], ports: [{port: 80}]}
- {name: b, addresses: [{host: a.example, ready: false}], ports: [{port: 80}]}
`)
	for _, want := range []string{"a.example (followed), b.example (followed, draining), 10.0.0.1\n", "a.example (followed, not ready)\n"} {
		if !strings.Contains(result.Notes, want) {
			t.Errorf("the notes lack %q:\n%s", want, result.Notes)
		}
	}
	if args := result.Pods[0].Spec.Containers[0].Args; fmt.Sprint(args) != "[5 a.apps 80 b.apps]" {
		t.Errorf("the arguments of helm test are %q", args)
	}
}

// The Deployment meets the Pod Security Standard restricted, and has the arguments that the resolver reads.
func TestResolverDeployment(t *testing.T) {
	result := render(t, "resolver: {enabled: true}\nservices: [{name: db, namespaces: [shop, billing], addresses: [db.corp.example], ports: [{port: 80}]}]")
	deployment := one[*appsv1.Deployment](t, result)
	pod := deployment.Spec.Template.Spec
	if deployment.Name != resolverName || deployment.Namespace != "apps" || deref(deployment.Spec.Replicas) != 2 || pod.ServiceAccountName != resolverName {
		t.Errorf("%s/%s, %d replicas with the account %s", deployment.Namespace, deployment.Name, deref(deployment.Spec.Replicas), pod.ServiceAccountName)
	}
	container := pod.Containers[0]
	if want := []string{
		"--config=apps/" + resolverName, "--lease=" + resolverName, "--namespaces=billing,shop", "--metrics-address=:8080", "--probe-address=:8081",
	}; !slices.Equal(container.Args, want) {
		t.Errorf("the arguments are %q, want %q", container.Args, want)
	}
	security, own := pod.SecurityContext, container.SecurityContext
	if !deref(security.RunAsNonRoot) || deref(security.RunAsUser) != 65532 || security.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault ||
		deref(own.AllowPrivilegeEscalation) || !deref(own.ReadOnlyRootFilesystem) || fmt.Sprint(own.Capabilities.Drop) != "[ALL]" {
		t.Errorf("the Pod may do more than restricted allows: %+v, %+v", security, own)
	}
	if account := one[*corev1.ServiceAccount](t, result); !deref(pod.AutomountServiceAccountToken) || deref(account.AutomountServiceAccountToken) {
		t.Error("the token is to be mounted by the Pod, and not by the account")
	}
	if container.ReadinessProbe.HTTPGet.Path != "/readyz" || container.LivenessProbe.HTTPGet.Path != "/healthz" {
		t.Errorf("the probes are %v and %v", container.ReadinessProbe, container.LivenessProbe)
	}
	selector := deployment.Spec.Selector.MatchLabels
	want := map[string]string{"app.kubernetes.io/component": "resolver", "external-services/resolver": resolverName}
	if diff := cmp.Diff(want, selector); diff != "" {
		t.Errorf("a Deployment cannot change its selector (-want +got):\n%s", diff)
	}
	for key, value := range want {
		if deployment.Spec.Template.Labels[key] != value {
			t.Errorf("the Pods have the labels %v", deployment.Spec.Template.Labels)
		}
	}
	away := pod.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution
	if len(away) != 1 || cmp.Diff(want, away[0].PodAffinityTerm.LabelSelector.MatchLabels) != "" {
		t.Errorf("the Pods avoid %v", away)
	}
	if budget := one[*policyv1.PodDisruptionBudget](t, result); budget.Spec.MaxUnavailable.String() != "1" || cmp.Diff(want, budget.Spec.Selector.MatchLabels) != "" {
		t.Errorf("the budget is %+v", budget.Spec)
	}
	if alone := render(t, "resolver: {enabled: true, replicas: 1}\n"+namedEntry); len(ofKind[*policyv1.PodDisruptionBudget](alone)) > 0 {
		t.Error("a single Pod has a budget, which would block the drain of its node")
	}
}

// The image is that of the chart's version, another tag, or a digest. Null is the default.
func TestResolverImage(t *testing.T) {
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	own := "external-services-resolver:" + chart.Metadata.Version
	for settings, want := range map[string]string{
		"": own, "image: null": own, "image: {repository: null, tag: null, digest: null}": own,
		"image: {tag: v1}": "external-services-resolver:v1",
		"image: {tag: v1, digest: '" + sha256Digest + "'}": "external-services-resolver@" + sha256Digest,
	} {
		deployment := one[*appsv1.Deployment](t, render(t, "resolver: {enabled: true, "+settings+"}\n"+namedEntry))
		if got := deployment.Spec.Template.Spec.Containers[0].Image; got != want {
			t.Errorf("%q gives the image %s, want %s", settings, got, want)
		}
	}
}

const sha256Digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// The Pods restart with what the resolver does, so that helm --wait waits for new names, and with nothing else.
func TestResolverRestarts(t *testing.T) {
	pods := func(more, entry string) corev1.PodTemplateSpec {
		return one[*appsv1.Deployment](t, render(t, "resolver: {enabled: true"+more+"}\nservices: [{name: db, ports: [{port: 80}], "+entry+"}]")).Spec.Template
	}
	before := pods("", "addresses: [db.corp.example]")
	for name, c := range map[string]struct {
		after    corev1.PodTemplateSpec
		restarts bool
	}{
		"another name":      {pods("", "addresses: [db-2.corp.example]"), true},
		"other settings":    {pods(", allowedNames: ['*.corp.example']", "addresses: [db.corp.example]"), true},
		"another namespace": {pods("", "addresses: [db.corp.example], namespace: shop"), true},
		"other labels":      {pods("", "addresses: [db.corp.example], labels: {a: b}, annotations: {a: b}"), false},
		"an IP address":     {pods("", "addresses: [db.corp.example, 10.0.4.11]"), false},
	} {
		if restarts := !cmp.Equal(before, c.after); restarts != c.restarts {
			t.Errorf("%s restarts the Pods: %v", name, restarts)
		}
	}
}

// The resolver may do this, and nothing else: in the namespaces of its entries, and with its own Lease and
// ConfigMap in that of the release.
func TestResolverPermissions(t *testing.T) {
	result := render(t, "resolver: {enabled: true, admissionPolicy: true}\nservices: [{name: db, namespaces: [shop, billing], addresses: [db.corp.example], ports: [{port: 80}]}, {name: a, namespace: other, addresses: [10.0.0.1], ports: [{port: 80}]}]")
	const entries = "events.k8s.io/events create; /services list,watch; discovery.k8s.io/endpointslices list,watch,create,update,delete"
	const release = "events.k8s.io/events create; /configmaps " + resolverName + " list,watch; coordination.k8s.io/leases create; " +
		"coordination.k8s.io/leases " + resolverName + " get,update; /events create,patch"
	want := map[string]string{"shop": entries, "billing": entries, "apps": release}
	got := map[string]string{}
	for _, role := range ofKind[*rbacv1.Role](result) {
		var rules []string
		for _, rule := range role.Rules {
			words := []string{strings.Join(rule.APIGroups, ",") + "/" + strings.Join(rule.Resources, ",")}
			words = append(append(words, rule.ResourceNames...), strings.Join(rule.Verbs, ","))
			rules = append(rules, strings.Join(words, " "))
		}
		got[role.Namespace] = strings.Join(rules, "; ")
		if role.Name != resolverName+".apps" {
			t.Errorf("the Role in %s is called %s, which a release in another namespace may have too", role.Namespace, role.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the Roles (-want +got):\n%s", diff)
	}
	bound := map[string]bool{}
	for _, binding := range ofKind[*rbacv1.RoleBinding](result) {
		bound[binding.Namespace] = true
		if want := (rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: resolverName + ".apps"}); binding.RoleRef != want {
			t.Errorf("the RoleBinding in %s is for %v", binding.Namespace, binding.RoleRef)
		}
		if want := []rbacv1.Subject{{Kind: "ServiceAccount", Name: resolverName, Namespace: "apps"}}; !slices.Equal(binding.Subjects, want) {
			t.Errorf("the RoleBinding in %s is for %v", binding.Namespace, binding.Subjects)
		}
	}
	if len(bound) != len(want) {
		t.Errorf("there are RoleBindings in %v", bound)
	}
	// An entry in the namespace of the release: one Role has both.
	together := ofKind[*rbacv1.Role](render(t, "resolver: {enabled: true}\n"+namedEntry))
	if len(together) != 1 || len(together[0].Rules) != 7 {
		t.Errorf("%d Roles for one namespace", len(together))
	}
}

// The admission policy is about the account of the resolver alone.
func TestResolverAdmissionPolicy(t *testing.T) {
	result := render(t, "resolver: {enabled: true, admissionPolicy: true, deniedCIDRs: [10.244.0.0/16], allowedCIDRs: [10.0.0.0/8]}\n"+namedEntry)
	policy, binding := one[*admissionv1.ValidatingAdmissionPolicy](t, result), one[*admissionv1.ValidatingAdmissionPolicyBinding](t, result)
	if binding.Spec.PolicyName != policy.Name || policy.Name != resolverName+".apps" || policy.Namespace != "" || binding.Namespace != "" {
		t.Errorf("the binding %s is for %s, the policy is %s", binding.Name, binding.Spec.PolicyName, policy.Name)
	}
	if fmt.Sprint(binding.Spec.ValidationActions) != "[Deny]" || deref(policy.Spec.FailurePolicy) != admissionv1.Fail {
		t.Errorf("the actions are %v, the failure policy is %s", binding.Spec.ValidationActions, deref(policy.Spec.FailurePolicy))
	}
	conditions := policy.Spec.MatchConditions
	if len(conditions) != 1 || conditions[0].Expression != "request.userInfo.username == 'system:serviceaccount:apps:"+resolverName+"'" {
		t.Errorf("the conditions are %v", conditions)
	}
	variables := map[string]string{}
	for _, v := range policy.Spec.Variables {
		variables[v.Name] = v.Expression
	}
	if !strings.HasSuffix(variables["denied"], `"ff00::/8","10.244.0.0/16"]`) || variables["allowed"] != `["10.0.0.0/8"]` {
		t.Errorf("the networks are %v", variables)
	}
	if !strings.Contains(policy.Spec.Validations[0].Expression, `== "`+values.ResolverManager+`"`) {
		t.Errorf("the slices are told apart by %s", policy.Spec.Validations[0].Expression)
	}
}

// The alerts read metrics that the resolver has, of the Pods that the PodMonitor names.
func TestResolverAlerts(t *testing.T) {
	result := render(t, "resolver: {enabled: true, metrics: {podMonitor: true, prometheusRule: true}}\n"+namedEntry)
	source, err := os.ReadFile(testenv.Path("tools", "resolver", "metrics.go"))
	if err != nil {
		t.Fatal(err)
	}
	objects := ofKind[*unstructured.Unstructured](result)
	if len(objects) != 2 || objects[0].GetKind() != "PodMonitor" || objects[0].GetName() != resolverName || objects[1].GetKind() != "PrometheusRule" {
		t.Fatalf("%d objects for Prometheus", len(objects))
	}
	groups, _, err := unstructured.NestedSlice(objects[1].Object, "spec", "groups")
	if err != nil {
		t.Fatal(err)
	}
	rules := groups[0].(map[string]any)["rules"].([]any)
	if len(rules) != 4 {
		t.Errorf("%d alerts, want 4", len(rules))
	}
	for _, rule := range rules {
		rule := rule.(map[string]any)
		expression := rule["expr"].(string)
		metric := regexp.MustCompile(`extsvc_resolver_(\w+)\{job="apps/` + resolverName + `"`).FindStringSubmatch(expression)
		if metric == nil || !strings.Contains(string(source), fmt.Sprintf("%q", metric[1])) {
			t.Errorf("%s reads %s", rule["alert"], expression)
		}
		annotations := rule["annotations"].(map[string]any)
		for _, key := range []string{"summary", "description"} {
			if text, _ := annotations[key].(string); !strings.HasSuffix(text, ".") {
				t.Errorf("%s has the %s %q", rule["alert"], key, text)
			}
		}
	}
}

// Two aliases of the chart in one release have two resolvers, whatever the length of the release's name.
func TestResolverOfAliases(t *testing.T) {
	file := filepath.Join(t.TempDir(), "values.yaml")
	text := ""
	for _, alias := range []string{"databases", "partners"} {
		text += alias + ":\n  resolver: {enabled: true}\n  services: [{name: " + alias + ", addresses: [db.corp.example], ports: [{port: 80}]}]\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	chart, err := helm.Load(umbrella(t))
	if err != nil {
		t.Fatal(err)
	}
	vals, err := helm.Merge(helm.Values{ValueFiles: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	release := strings.Repeat("r", 53)
	documents, _, err := helm.Manifests(chart, helm.Release{Name: release, Namespace: "shop"}, vals)
	if err != nil {
		t.Fatal(err)
	}
	var manifests strings.Builder
	for _, document := range documents {
		if strings.Contains(document.Name, "/resolver/") {
			fmt.Fprintf(&manifests, "---\n%s\n", document.Content)
		}
	}
	result := decode(t, manifests.String())
	found, selectors := map[string]bool{}, map[string]bool{}
	for _, object := range result.OfResolvers {
		o := object.(metav1.Object)
		key := fmt.Sprintf("%T %s/%s", o, o.GetNamespace(), o.GetName())
		if found[key] {
			t.Errorf("%s is rendered twice", key)
		}
		found[key] = true
		if deployment, ok := o.(*appsv1.Deployment); ok {
			selector := deployment.Spec.Selector.MatchLabels["external-services/resolver"]
			if len(selector) > 63 || selectors[selector] {
				t.Errorf("the selector %q has %d characters, or is there already", selector, len(selector))
			}
			selectors[selector] = true
		}
	}
	if len(selectors) != 2 {
		t.Errorf("%d resolvers, want 2", len(selectors))
	}
}
