package permissions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"external-services/tests/internal/guides"
	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
)

// life takes a release through its life, as an account, until something fails or is said to
// be forbidden. The entries are in a namespace of their own.
func (s server) life(t *testing.T, program, home, entries, kubeconfig string, environment ...string) error {
	t.Helper()
	before := fmt.Sprintf(`services:
- {name: a, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}]}
- {name: b, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}]}
- {name: c, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}], endpointsKind: Endpoints}
- {name: d, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}], endpointsKind: Endpoints}
`, entries)
	after := strings.NewReplacer("port: 80", "port: 81", "name: b", "name: e", "name: d", "name: f").Replace(before)
	return s.take(t, program, home, kubeconfig, environment, []step{
		{"install", release.Values(t, before), nil},
		{"upgrade", release.Values(t, after), []string{"--wait", "--timeout", "20s"}},
		{"rollback", nil, []string{"r", "1", "--wait", "--timeout", "20s"}},
		{"history", nil, []string{"r"}},
		{"list", nil, nil},
		{"test", nil, []string{"r", "--logs", "--timeout", "20s"}},
		{"test", nil, []string{"r", "--logs", "--timeout", "20s"}}, // deletes the Pod of the first
		{"upgrade", release.Values(t, after), []string{"--history-max", "1"}},
		{"uninstall", nil, []string{"r", "--wait", "--timeout", "20s"}},
	})
}

// step is a command of helm, and the values if it has some.
type step struct {
	command string
	files   []string
	args    []string
}

// take takes the release r through steps.
func (s server) take(t *testing.T, program, home, kubeconfig string, environment []string, steps []step) error {
	t.Helper()
	r := release.Of(t, program, "r", home, kubeconfig)
	for _, step := range steps {
		args := append([]string{step.command}, step.args...)
		if step.files != nil {
			args = append(r.WithChart(step.command, step.files), step.args...)
		}
		stop := func() {}
		if step.command == "test" {
			stop = s.succeed(t, home)
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
func (s server) succeed(t *testing.T, namespace string) (stop func()) {
	t.Helper()
	return play(t, func(ctx context.Context) error {
		pods, err := s.API.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, pod := range pods.Items {
			if pod.Status.Phase != corev1.PodPending {
				continue
			}
			pod.Status.Phase = corev1.PodSucceeded
			if _, err := s.API.CoreV1().Pods(namespace).UpdateStatus(ctx, &pod, metav1.UpdateOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// play plays a part again and again, until it is stopped. What it changes, others may change or delete.
func play(t *testing.T, part func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			err := part(ctx)
			if err != nil && ctx.Err() == nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				done <- err
				return
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

// withoutVerb is a copy of rules that lack a verb for a resource of API groups.
func withoutVerb(rules []rbacv1.PolicyRule, groups []string, resource, verb string) (rest []rbacv1.PolicyRule) {
	for _, rule := range rules {
		for _, r := range rule.Resources {
			verbs := slices.Clone(rule.Verbs)
			if r == resource && slices.Equal(rule.APIGroups, groups) {
				verbs = slices.DeleteFunc(verbs, func(v string) bool { return v == verb })
			}
			if len(verbs) > 0 {
				rest = append(rest, rbacv1.PolicyRule{APIGroups: rule.APIGroups, Resources: []string{r}, Verbs: verbs})
			}
		}
	}
	return rest
}

// attempts is how often a program may do without a verb by chance: helm --wait needs to watch only what is not ready
// yet when it has listed it.
const attempts = 20

// eachVerb runs a test for each verb of the Roles in some files: attempt gets all of them
// but for that verb, and has to fail once.
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
					group, _, _ := strings.Cut(rule.APIGroups[0], ".")
					id := strings.ReplaceAll(strings.Join([]string{file, cmp.Or(group, "core"), resource, verb}, "-"), "/", "-")
					t.Run(id, func(t *testing.T) {
						t.Parallel()
						less := maps.Clone(roles)
						less[file] = withoutVerb(roles[file], rule.APIGroups, resource, verb)
						for n := range attempts {
							if attempt(t, fmt.Sprintf("%s-%d", id, n), less) != nil {
								return
							}
						}
						t.Errorf("%s.yaml grants %s of %s, and nothing needs it", file, verb, resource)
					})
				}
			}
		}
	}
}

var installing = []string{"release", "entries", "endpoints", "test"}

// installer makes an account with the Roles that install, each where the guide binds it.
func (s server) installer(t *testing.T, id string, roles map[string][]rbacv1.PolicyRule) (home, entries, kubeconfig string) {
	t.Helper()
	home, entries = id+"-release", id+"-entries"
	s.MakeNamespace(t, home)
	s.MakeNamespace(t, entries)
	s.grant(t, home, grants{
		home:    slices.Concat(roles["release"], roles["test"], roles["resolver"]),
		entries: slices.Concat(roles["entries"], roles["endpoints"], roles["resolver-entries"], roles["routes"]),
	})
	return home, entries, s.kubeconfig(t, home, deployer)
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
	for _, s := range servers {
		for _, program := range programs {
			for client, environment := range map[string][]string{"newer": nil, "older": {olderClient}} {
				t.Run(strings.Join([]string{s.Version, program, client}, "/"), func(t *testing.T) {
					t.Parallel()
					home, entries, kubeconfig := s.installer(t, "whole-"+program+"-"+client, roles)
					if err := s.life(t, program, home, entries, kubeconfig, environment...); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// Each verb of them is needed, by Helm 3 or by Helm 4.
func TestEachVerbOfTheRolesIsNeeded(t *testing.T) {
	s := servers[0]
	eachVerb(t, installing, func(t *testing.T, id string, roles map[string][]rbacv1.PolicyRule) error {
		for _, program := range programs {
			home, entries, kubeconfig := s.installer(t, id+"-"+program, roles)
			if err := s.life(t, program, home, entries, kubeconfig, olderClient); err != nil {
				return err
			}
		}
		return nil
	})
}

var reading = []string{"read-release", "read-entries"}

// read runs what reads a release, as an account with the Roles that read, until something
// is forbidden.
func (s server) read(t *testing.T, id string, roles map[string][]rbacv1.PolicyRule) error {
	t.Helper()
	home, entries := id+"-release", id+"-entries"
	s.MakeNamespace(t, home)
	s.MakeNamespace(t, entries)
	before := fmt.Sprintf(`resolver: {enabled: true}
services:
- {name: a, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}], selector: {app: a}}
- {name: b, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}], endpointsKind: Endpoints}
- {name: db, namespace: %[1]s, addresses: [db.corp.example], ports: [{port: 80}]}
`, entries) + inFront(entries)
	added := before + fmt.Sprintf("- {name: other, namespace: %s, externalName: c.example}\n", entries)
	release.Of(t, "helm", "r", home, s.Kubeconfig).Do("install", release.Values(t, before))
	testenv.Eventually(t, "the Endpoints are mirrored", func() error {
		slices, err := s.API.DiscoveryV1().EndpointSlices(entries).List(t.Context(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=b"})
		if err == nil && len(slices.Items) == 0 {
			err = errors.New("there is no EndpointSlice")
		}
		return err
	})
	s.grant(t, home, grants{home: roles["read-release"], entries: roles["read-entries"]})
	kubeconfig := s.kubeconfig(t, home, deployer)
	for _, command := range [][]string{
		{"check", "r", "-n", home, "-o", "json", "--exit-zero"}, // no resolver runs
		{"plan", "r", "-n", home, "-o", "json", "--exit-zero", "-f", release.Values(t, before)[0], "--set", "overrides.a.backend=both,overrides.g.labels.x=y,overrides.h.labels.x=y,overrides.i.labels.x=y"},
		{"plan", "r", "-n", home, "-o", "json", "--exit-zero", "-f", release.Values(t, added)[0]},
		{"import", "-n", entries},
	} {
		out, err := testenv.Run(t, "extsvc", append(command, "--kubeconfig", kubeconfig)...)
		if err != nil || strings.Contains(out, "is forbidden") {
			return fmt.Errorf("%q: %v\n%s", command, err, out)
		}
	}
	return nil
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
	for _, s := range servers {
		t.Run(s.Version, func(t *testing.T) {
			if err := s.read(t, "reader", roles); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEachVerbOfTheRolesThatReadIsNeeded(t *testing.T) {
	eachVerb(t, reading, servers[0].read)
}

// Kubernetes' own roles do not suffice where an entry has addresses: helm says what the
// guide says, and goes on when the Role is there. They do for aliases and for pods.
func TestBuiltInRoles(t *testing.T) {
	const namespace = "shop" // as in the guide
	said := strings.Split(strings.TrimSpace(guides.Block(t, "security.md", "text", "is forbidden")), "\n")
	if len(said) != 2 {
		t.Fatalf("the guide has %d messages, want those of Helm 3 and 4", len(said))
	}
	for _, s := range servers {
		s.MakeNamespace(t, namespace)
		kubeconfig := s.kubeconfig(t, namespace, deployer)
		for _, role := range []string{"edit", "admin"} {
			s.bind(t, namespace, namespace, "ClusterRole", role, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"create"}})
			for i, program := range programs {
				t.Run(s.Version+"/"+role+"/"+program, func(t *testing.T) {
					r := release.Of(t, program, "outside", namespace, kubeconfig)
					without := release.Values(t, "services: [{name: reports, externalName: reports.corp.example}, {name: web, backend: cluster, selector: {app: web}, ports: [{port: 80}]}]")
					r.Do("install", without)
					r.Uninstall()

					for _, kind := range []string{"EndpointSlice", "Endpoints"} {
						with := release.Values(t, "services: [{name: orders, addresses: [10.0.4.11], ports: [{port: 80}], endpointsKind: "+kind+"}]")
						out, err := r.Try("install", with)
						if err == nil || !strings.Contains(out, "is forbidden") || kind == "EndpointSlice" && !strings.Contains(out, said[i]) {
							t.Errorf("%s: %v: %s\nwant %s", kind, err, out, said[i])
						}
						if _, err := s.API.CoreV1().Services(namespace).Get(t.Context(), "orders", metav1.GetOptions{}); err != nil {
							t.Errorf("the Service that the guide speaks of: %v", err)
						}
						s.grant(t, namespace, grants{namespace: slices.Concat(rules(t, "entries"), rules(t, "endpoints"))})
						r.Do("upgrade", with, "--install")
						r.Uninstall()
						s.revoke(t, namespace)
						s.waitFor(t, namespace, namespace, rbacv1.PolicyRule{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"create"}}, false)
					}
				})
			}
			if role == "admin" {
				s.cannotGrant(t, namespace, kubeconfig)
			}
			if err := s.API.RbacV1().RoleBindings(namespace).Delete(t.Context(), deployer+"-"+role, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// cannotGrant checks that the administrator of a namespace may make Roles, and not these.
func (s server) cannotGrant(t *testing.T, namespace, kubeconfig string) {
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

// Values are templates: who writes them reads with the eyes of the account that installs.
func TestValuesReadWhatTheInstallerReads(t *testing.T) {
	const namespace = "templates"
	s := servers[0]
	s.MakeNamespace(t, namespace)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "password"}, StringData: map[string]string{"password": "s3cret"}}
	if _, err := s.API.CoreV1().Secrets(namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.grant(t, namespace, grants{namespace: slices.Concat(rules(t, "release"), rules(t, "entries"))})
	r := release.Of(t, "helm", "r", namespace, s.kubeconfig(t, namespace, deployer))
	r.Do("install", release.Values(t, `services:
- name: a
  externalName: a.example
  annotations: {seen: '{{ (lookup "v1" "Secret" .Release.Namespace "password").data.password | b64dec }}'}
`))
	service, err := s.API.CoreV1().Services(namespace).Get(t.Context(), "a", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if service.Annotations["seen"] != "s3cret" {
		t.Errorf("the annotations are %q; the guide warns of what is not so", service.Annotations)
	}
}
