package walls

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/account"
	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
)

// grants are the rules that an account has, by namespace.
type grants map[string][]rbacv1.PolicyRule

// rules are those of a Role in docs/rbac.
func rules(t *testing.T, file string) []rbacv1.PolicyRule {
	t.Helper()
	var role rbacv1.Role
	if err := yaml.UnmarshalStrict([]byte(document(t, "rbac", file+".yaml")), &role); err != nil {
		t.Fatal(err)
	}
	return role.Rules
}

// kubeconfig is for a service account of a namespace with a token of its own.
func (c *testCluster) kubeconfig(t *testing.T, namespace, name string) string {
	t.Helper()
	return account.Kubeconfig(t, c.client, c.Kubeconfig, namespace, name)
}

const deployer = "deployer"

// grant gives the account of a namespace rules, and nothing else.
func (c *testCluster) grant(t *testing.T, home string, g grants) {
	t.Helper()
	for namespace, rules := range g {
		if len(rules) == 0 {
			continue
		}
		role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: deployer}, Rules: rules}
		if _, err := c.client.RbacV1().Roles(namespace).Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		c.bind(t, home, namespace, "Role", deployer, rules[len(rules)-1])
	}
}

// bind gives the account of a namespace the rules of a role in a namespace, and waits until
// the API server knows one of them.
func (c *testCluster) bind(t *testing.T, home, namespace, kind, role string, rule rbacv1.PolicyRule) {
	t.Helper()
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: deployer + "-" + role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: home, Name: deployer}},
	}
	if _, err := c.client.RbacV1().RoleBindings(namespace).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.waitFor(t, home, namespace, rule, true)
}

// waitFor waits until the account of a namespace may, or may not, do what a rule says.
func (c *testCluster) waitFor(t *testing.T, home, namespace string, rule rbacv1.PolicyRule, allowed bool) {
	t.Helper()
	resource, subresource, _ := strings.Cut(rule.Resources[0], "/")
	attributes := &authorizationv1.ResourceAttributes{Namespace: namespace, Group: rule.APIGroups[0], Resource: resource, Subresource: subresource, Verb: rule.Verbs[0]}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: "system:serviceaccount:" + home + ":" + deployer, ResourceAttributes: attributes}}
	eventually(t, fmt.Sprintf("%+v is allowed: %t", rule, allowed), func() error {
		answer, err := c.client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
		if err == nil && answer.Status.Allowed != allowed {
			err = errors.New("not yet")
		}
		return err
	})
}

// life takes a release through its life, as an account, until something fails or is said to
// be forbidden. The entries are in a namespace of their own.
func (c *testCluster) life(t *testing.T, program, home, entries, kubeconfig string, environment ...string) error {
	t.Helper()
	before := fmt.Sprintf(`services:
- {name: a, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}]}
- {name: b, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}]}
- {name: c, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}], endpointsKind: Endpoints}
- {name: d, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}], endpointsKind: Endpoints}
`, entries)
	after := strings.NewReplacer("port: 80", "port: 81", "name: b", "name: e", "name: d", "name: f").Replace(before)
	r := release.Of(t, program, "r", home, kubeconfig)
	for _, step := range []struct {
		command string
		files   []string
		args    []string
	}{
		{"install", values(t, before), nil},
		{"upgrade", values(t, after), []string{"--wait", "--timeout", "20s"}},
		{"rollback", nil, []string{"r", "1", "--wait", "--timeout", "20s"}},
		{"history", nil, []string{"r"}},
		{"list", nil, nil},
		{"test", nil, []string{"r", "--logs", "--timeout", "20s"}},
		{"test", nil, []string{"r", "--logs", "--timeout", "20s"}}, // deletes the Pod of the first
		{"upgrade", values(t, after), []string{"--history-max", "1"}},
		{"uninstall", nil, []string{"r", "--wait", "--timeout", "20s"}},
	} {
		args := append([]string{step.command}, step.args...)
		if step.files != nil {
			args = append(r.WithChart(step.command, step.files), step.args...)
		}
		stop := func() {}
		if step.command == "test" {
			stop = c.succeed(t, home)
		}
		cmd := r.Command(args...)
		cmd.Env = append(os.Environ(), environment...)
		out, err := cmd.CombinedOutput()
		stop()
		// No node runs the Pod, so there is no log of it to get.
		if step.command == "test" && strings.Contains(string(out), "does not have a host assigned") {
			err = nil
		}
		if err != nil || strings.Contains(string(out), "is forbidden") {
			return fmt.Errorf("%s %q: %v\n%s", program, args, err, out)
		}
	}
	return nil
}

// succeed plays the part of a node: a Pod of helm test succeeds as soon as it is there.
func (c *testCluster) succeed(t *testing.T, namespace string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			pods, err := c.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
			if err != nil && ctx.Err() == nil {
				done <- err
				return
			}
			for _, pod := range pods.Items {
				if pod.Status.Phase != corev1.PodPending {
					continue
				}
				pod.Status.Phase = corev1.PodSucceeded
				if _, err := c.client.CoreV1().Pods(namespace).UpdateStatus(ctx, &pod, metav1.UpdateOptions{}); err != nil && ctx.Err() == nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
					done <- err
					return
				}
			}
		}
		done <- nil
	}()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// withoutVerb is a copy of rules that lack a verb for a resource.
func withoutVerb(rules []rbacv1.PolicyRule, resource, verb string) (rest []rbacv1.PolicyRule) {
	for _, rule := range rules {
		for _, r := range rule.Resources {
			verbs := slices.Clone(rule.Verbs)
			if r == resource {
				verbs = slices.DeleteFunc(verbs, func(v string) bool { return v == verb })
			}
			if len(verbs) > 0 {
				rest = append(rest, rbacv1.PolicyRule{APIGroups: rule.APIGroups, Resources: []string{r}, Verbs: verbs})
			}
		}
	}
	return rest
}

// eachVerb runs a test for each verb of the Roles in some files: attempt gets all of them
// but for that verb, and has to fail.
func eachVerb(t *testing.T, files []string, attempt func(t *testing.T, id string, roles map[string][]rbacv1.PolicyRule) error) {
	t.Helper()
	roles := map[string][]rbacv1.PolicyRule{}
	for _, file := range files {
		roles[file] = rules(t, file)
	}
	for _, file := range files {
		for _, rule := range roles[file] {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					id := strings.ReplaceAll(strings.Join([]string{file, resource, verb}, "-"), "/", "-")
					t.Run(id, func(t *testing.T) {
						t.Parallel()
						less := maps.Clone(roles)
						less[file] = withoutVerb(roles[file], resource, verb)
						if err := attempt(t, id, less); err == nil {
							t.Errorf("%s.yaml grants %s of %s, and nothing needs it", file, verb, resource)
						}
					})
				}
			}
		}
	}
}

var installing = []string{"release", "entries", "endpoints", "test"}

// installer makes an account with the Roles that install, each where the guide binds it.
func (c *testCluster) installer(t *testing.T, id string, roles map[string][]rbacv1.PolicyRule) (home, entries, kubeconfig string) {
	t.Helper()
	home, entries = id+"-release", id+"-entries"
	c.namespace(t, home)
	c.namespace(t, entries)
	c.grant(t, home, grants{
		home:    slices.Concat(roles["release"], roles["test"]),
		entries: slices.Concat(roles["entries"], roles["endpoints"]),
	})
	return home, entries, c.kubeconfig(t, home, deployer)
}

// olderClient makes programs list before they watch, as those with a client older than
// that of Kubernetes 1.35 do.
const olderClient = "KUBE_FEATURE_WatchListClient=false"

// Who has the Roles of the guide, and nothing else, takes a release through its life.
func TestRoles(t *testing.T) {
	roles := map[string][]rbacv1.PolicyRule{}
	for _, file := range installing {
		roles[file] = rules(t, file)
	}
	for _, c := range clusters {
		for _, program := range programs {
			for client, environment := range map[string][]string{"newer": nil, "older": {olderClient}} {
				t.Run(strings.Join([]string{c.version, program, client}, "/"), func(t *testing.T) {
					t.Parallel()
					home, entries, kubeconfig := c.installer(t, "whole-"+program+"-"+client, roles)
					if err := c.life(t, program, home, entries, kubeconfig, environment...); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// Each verb of them is needed, by Helm 3 or by Helm 4.
func TestEachVerbOfTheRolesIsNeeded(t *testing.T) {
	c := clusters[0]
	eachVerb(t, installing, func(t *testing.T, id string, roles map[string][]rbacv1.PolicyRule) error {
		for _, program := range programs {
			home, entries, kubeconfig := c.installer(t, id+"-"+program, roles)
			if err := c.life(t, program, home, entries, kubeconfig, olderClient); err != nil {
				return err
			}
		}
		return nil
	})
}

var reading = []string{"read-release", "read-entries"}

// read runs what reads a release, as an account with the Roles that read, until something
// is forbidden.
func (c *testCluster) read(t *testing.T, id string, roles map[string][]rbacv1.PolicyRule) error {
	t.Helper()
	home, entries := id+"-release", id+"-entries"
	c.namespace(t, home)
	c.namespace(t, entries)
	before := fmt.Sprintf(`services:
- {name: a, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}], selector: {app: a}}
- {name: b, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}], endpointsKind: Endpoints}
`, entries)
	release.Of(t, "helm", "r", home, c.Kubeconfig).Do("install", values(t, before))
	eventually(t, "the Endpoints are mirrored", func() error {
		slices, err := c.client.DiscoveryV1().EndpointSlices(entries).List(t.Context(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=b"})
		if err == nil && len(slices.Items) == 0 {
			err = errors.New("there is no EndpointSlice")
		}
		return err
	})
	c.grant(t, home, grants{home: roles["read-release"], entries: roles["read-entries"]})
	kubeconfig := c.kubeconfig(t, home, deployer)
	for _, command := range [][]string{
		{"check", "r", "-n", home, "-o", "json"},
		{"plan", "r", "-n", home, "-o", "json", "--exit-zero", "-f", values(t, before)[0], "--set", "overrides.a.backend=both"},
		{"import", "-n", entries},
	} {
		out, err := extsvc(t, append(command, "--kubeconfig", kubeconfig)...)
		if err != nil || strings.Contains(out, "is forbidden") {
			return fmt.Errorf("%q: %v\n%s", command, err, out)
		}
	}
	return nil
}

func extsvc(t *testing.T, args ...string) (string, error) {
	t.Helper()
	program, err := testenv.Binary("extsvc")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	return string(out), err
}

// Who has the Roles that read, and nothing else, checks, plans and imports.
func TestRolesThatRead(t *testing.T) {
	roles := map[string][]rbacv1.PolicyRule{}
	for _, file := range reading {
		roles[file] = rules(t, file)
		for _, rule := range roles[file] {
			for _, verb := range rule.Verbs {
				if verb != "get" && verb != "list" {
					t.Errorf("%s.yaml grants %s of %q", file, verb, rule.Resources)
				}
			}
		}
	}
	for _, c := range clusters {
		t.Run(c.version, func(t *testing.T) {
			if err := c.read(t, "reader", roles); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEachVerbOfTheRolesThatReadIsNeeded(t *testing.T) {
	eachVerb(t, reading, clusters[0].read)
}

// Kubernetes' own roles do not suffice where an entry has addresses: helm says what the
// guide says, and goes on when the Role is there. They do for aliases and for pods.
func TestBuiltInRoles(t *testing.T) {
	const namespace = "shop" // as in the guide
	said := strings.Split(strings.TrimSpace(block(t, "security.md", "text", "is forbidden")), "\n")
	if len(said) != 2 {
		t.Fatalf("the guide has %d messages, want those of Helm 3 and 4", len(said))
	}
	for _, c := range clusters {
		c.namespace(t, namespace)
		kubeconfig := c.kubeconfig(t, namespace, deployer)
		for _, role := range []string{"edit", "admin"} {
			c.bind(t, namespace, namespace, "ClusterRole", role, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"create"}})
			for i, program := range programs {
				t.Run(c.version+"/"+role+"/"+program, func(t *testing.T) {
					r := release.Of(t, program, "outside", namespace, kubeconfig)
					without := values(t, "services: [{name: reports, externalName: reports.corp.example}, {name: web, backend: cluster, selector: {app: web}, ports: [{port: 80}]}]")
					r.Do("install", without)
					r.Uninstall()

					for _, kind := range []string{"EndpointSlice", "Endpoints"} {
						with := values(t, "services: [{name: orders, addresses: [10.0.4.11], ports: [{port: 80}], endpointsKind: "+kind+"}]")
						out, err := r.Try("install", with)
						if err == nil || !strings.Contains(out, "is forbidden") || kind == "EndpointSlice" && !strings.Contains(out, said[i]) {
							t.Errorf("%s: %v: %s\nwant %s", kind, err, out, said[i])
						}
						if _, err := c.client.CoreV1().Services(namespace).Get(t.Context(), "orders", metav1.GetOptions{}); err != nil {
							t.Errorf("the Service that the guide speaks of: %v", err)
						}
						c.grant(t, namespace, grants{namespace: slices.Concat(rules(t, "entries"), rules(t, "endpoints"))})
						r.Do("upgrade", with, "--install")
						r.Uninstall()
						c.revoke(t, namespace)
						c.waitFor(t, namespace, namespace, rbacv1.PolicyRule{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"create"}}, false)
					}
				})
			}
			if role == "admin" {
				c.cannotGrant(t, namespace, kubeconfig)
			}
			if err := c.client.RbacV1().RoleBindings(namespace).Delete(t.Context(), deployer+"-"+role, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// cannotGrant checks that the administrator of a namespace may make Roles, and not these.
func (c *testCluster) cannotGrant(t *testing.T, namespace, kubeconfig string) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for file, may := range map[string]bool{"release": true, "test": true, "entries": false, "endpoints": false} {
		role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: file}, Rules: rules(t, file)}
		_, err := client.RbacV1().Roles(namespace).Create(t.Context(), role, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if may && err != nil || !may && !apierrors.IsForbidden(err) {
			t.Errorf("%s.yaml as admin: %v", file, err)
		}
	}
}

// revoke takes back what grant has given in a namespace.
func (c *testCluster) revoke(t *testing.T, namespace string) {
	t.Helper()
	if err := errors.Join(
		c.client.RbacV1().RoleBindings(namespace).Delete(t.Context(), deployer+"-"+deployer, metav1.DeleteOptions{}),
		c.client.RbacV1().Roles(namespace).Delete(t.Context(), deployer, metav1.DeleteOptions{}),
	); err != nil {
		t.Fatal(err)
	}
}

// Values are templates: who writes them reads with the eyes of the account that installs.
func TestValuesReadWhatTheInstallerReads(t *testing.T) {
	const namespace = "templates"
	c := clusters[0]
	c.namespace(t, namespace)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "password"}, StringData: map[string]string{"password": "s3cret"}}
	if _, err := c.client.CoreV1().Secrets(namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.grant(t, namespace, grants{namespace: slices.Concat(rules(t, "release"), rules(t, "entries"))})
	r := release.Of(t, "helm", "r", namespace, c.kubeconfig(t, namespace, deployer))
	r.Do("install", values(t, `services:
- name: a
  externalName: a.example
  annotations: {seen: '{{ (lookup "v1" "Secret" .Release.Namespace "password").data.password | b64dec }}'}
`))
	service, err := c.client.CoreV1().Services(namespace).Get(t.Context(), "a", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if service.Annotations["seen"] != "s3cret" {
		t.Errorf("the annotations are %q; the guide warns of what is not so", service.Annotations)
	}
}
