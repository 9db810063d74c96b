package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"external-services/tests/internal/account"
	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
	"external-services/tools/findings"
	"external-services/tools/plan"
)

// runPlan runs extsvc plan for a release, with a kubeconfig and values files.
func runPlan(t *testing.T, kubeconfig, release, namespace string, files []string, args ...string) (p plan.Plan, code int, errors string) {
	t.Helper()
	extsvc, err := testenv.Binary("extsvc")
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"plan", release, "-n", namespace, "--kubeconfig", kubeconfig, "-o", "json"}, args...)
	for _, file := range files {
		args = append(args, "-f", file)
	}
	cmd := exec.CommandContext(t.Context(), extsvc, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, _ := cmd.Output() // the exit code says what failed
	code = cmd.ProcessState.ExitCode()
	if code != findings.ExitFailed {
		decoder := json.NewDecoder(bytes.NewReader(out))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&p); err != nil {
			t.Fatalf("%q: exit code %d: %v\n%s\n%s", args, code, err, out, stderr.String())
		}
	}
	return p, code, stderr.String()
}

// planOf is runPlan for what works, as the administrator.
func planOf(t *testing.T, r release.Release, files []string, args ...string) plan.Plan {
	t.Helper()
	p, code, stderr := runPlan(t, cluster.Kubeconfig, r.Name, r.Namespace, files, args...)
	unread := slices.ContainsFunc(p.Findings, func(f findings.Finding) bool { return f.Code == findings.NotChecked })
	if code == findings.ExitFailed || code != p.ExitCode() || stderr != "" || unread {
		t.Fatalf("exit code %d: %s, %+v", code, stderr, p.Findings)
	}
	return p
}

// wantFindings fails if a plan has other findings than those named, as codes in order. It returns what they
// say.
func wantFindings(t *testing.T, p plan.Plan, want ...findings.Code) (said string) {
	t.Helper()
	var got []findings.Code
	for _, f := range p.Findings {
		got = append(got, f.Code)
		said += f.String() + "\n"
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("findings %q, want %q:\n%s", got, want, said)
	}
	return said
}

// A release through its life, made by one of the programs: what plan says is what
// happens, with the live objects where these differ from the release.
func TestPlan(t *testing.T) {
	onlyAPI(t)
	const namespace = "plan"
	makeNamespace(t, namespace)
	ctx := t.Context()
	entry := func(text string) []string {
		return values(t, "services: [{name: e, "+text+"}]")
	}
	const (
		addresses = "addresses: [10.60.0.1], ports: [{name: dns, port: 53}]"
		six       = "addresses: ['2001:db8:60::1'], ports: [{name: dns, port: 53}]"
		dual      = "addresses: ['2001:db8:60::1', 10.60.0.1], ports: [{name: dns, port: 53}]"
		selector  = ", selector: {app: planned}"
		headless  = ", headless: true"
		tcpAndUDP = "addresses: [10.60.0.1], ports: [{name: dns, port: 53}, {name: dns-udp, port: 53, protocol: UDP}]"
		udp       = "addresses: [10.60.0.1], ports: [{name: dns-udp, port: 53, protocol: UDP}]"
		endpoints = addresses + ", endpointsKind: Endpoints"
	)
	makeReadyPod(t, namespace, "planned", map[string]string{"app": "planned"}, "10.244.99.1", "dns-tcp")
	service := func() *corev1.Service {
		t.Helper()
		service, err := client.CoreV1().Services(namespace).Get(ctx, "e", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return service
	}

	for _, program := range []string{"helm", "helm4"} {
		start := func(t *testing.T, text string) release.Release {
			r := releaseOf(t, program, "planned", namespace)
			t.Cleanup(r.Uninstall)
			r.Do("install", entry(text))
			return r
		}
		// refused checks that helm upgrade fails as planned.
		refused := func(t *testing.T, r release.Release, files []string, why string) {
			t.Helper()
			if out, err := r.Try("upgrade", files); err == nil || !strings.Contains(out, why) {
				t.Errorf("helm upgrade: %v, want %q in\n%s", err, why, out)
			}
		}

		t.Run(program+"/life", func(t *testing.T) {
			r := releaseOf(t, program, "planned", namespace)
			p := planOf(t, r, entry(addresses))
			if p.Release.Revision != 0 || len(p.Changes) != 1 || p.Changes[0].Action != plan.Add || p.ExitCode() != findings.ExitNotice {
				t.Errorf("of a release that is not there: %+v", p)
			}
			start(t, addresses+selector)
			p = planOf(t, r, entry(addresses+selector))
			if p.Release.Revision != 1 || p.Release.Status != "deployed" || p.ExitCode() != findings.ExitOK {
				t.Errorf("without a change: %+v", p)
			}
			// As helm upgrade does: no values at all are those of the release.
			if p := planOf(t, r, nil); p.ExitCode() != findings.ExitOK {
				t.Errorf("without values: %+v", p)
			}
			if p := planOf(t, r, nil, "--reset-values"); len(p.Changes) != 1 || p.Changes[0].Action != plan.Remove {
				t.Errorf("with the values reset: %+v", p)
			}
			for _, flag := range []string{"--reuse-values", "--reset-then-reuse-values"} {
				p = planOf(t, r, nil, flag, "--set", "overrides.e.backend=both")
				if len(p.Changes) != 1 || !slices.Contains(p.Changes[0].Changes, "backend: external -> both") {
					t.Errorf("with %s: %+v", flag, p.Changes)
				}
				wantFindings(t, p)
			}
			wantFindings(t, planOf(t, r, nil, "--reuse-values", "--set", "overrides.e.backend=both", "--set", "overrides.e.selector.app=other"), findings.NoPods)
			wantFindings(t, planOf(t, r, entry("addresses: [10.60.0.1], ports: [{name: dns, port: 53, podPort: dns-tcp}], backend: both"+selector)))
			wantFindings(t, planOf(t, r, entry("addresses: [10.60.0.1], ports: [{name: dns, port: 53, podPort: other}], backend: both"+selector)), findings.PodPortMissing)
			p = planOf(t, r, values(t, "services: [{name: e, namespace: plan-nowhere, "+addresses+"}]"))
			wantFindings(t, p, findings.EntryRenamed, findings.NamespaceMissing)
		})

		// What the API server refuses is half done, and a rollback undoes that.
		t.Run(program+"/headless", func(t *testing.T) {
			r := start(t, "ports: [{name: dns, port: 53}], backend: cluster"+selector)
			files := entry(addresses + headless)
			wantFindings(t, planOf(t, r, files), findings.ClusterIPToHeadless, findings.SelectorRemoved, findings.WithoutBoth)
			refused(t, r, files, "may not change once set")
			ours := func() bool {
				_, err := client.DiscoveryV1().EndpointSlices(namespace).Get(ctx, "e-ipv4-0", metav1.GetOptions{})
				return err == nil
			}
			if !ours() {
				t.Error("the upgrade that was refused has made no EndpointSlice")
			}
			r.Run("rollback", r.Name, "1")
			if ours() {
				t.Error("the rollback has left the EndpointSlice")
			}
			r.Uninstall()
			wantNoLeftovers(t, r.Name) // the slices of a pod are those of any Service of this name

			r = start(t, addresses+headless)
			files = entry(addresses)
			wantFindings(t, planOf(t, r, files), findings.HeadlessToClusterIP)
			r.Do("upgrade", files)
			if service().Spec.ClusterIP != corev1.ClusterIPNone {
				t.Error("a headless Service gets a ClusterIP")
			}
			// The release says that there is a ClusterIP; the live Service does not.
			wantFindings(t, planOf(t, r, entry(addresses+headless)))
			r.Do("upgrade", entry(addresses+headless))
		})

		t.Run(program+"/families", func(t *testing.T) {
			needIPv6(t)
			r := start(t, six)
			wantFindings(t, planOf(t, r, entry(addresses)), findings.FamilyChange)
			refused(t, r, entry(addresses), "Invalid value")
			r.Do("upgrade", entry(dual))
			// The values do not say that IPv6 came first; the live Service does.
			wantFindings(t, planOf(t, r, entry(addresses)), findings.FamilyChange)
			refused(t, r, entry(addresses), "Invalid value")
			wantFindings(t, planOf(t, r, entry(six)))
			r.Do("upgrade", entry(six))
			r.Uninstall()

			r = start(t, addresses+headless)
			wantFindings(t, planOf(t, r, entry(six+headless)))
			r.Do("upgrade", entry(six+headless))
		})

		t.Run(program+"/Endpoints", func(t *testing.T) {
			r := start(t, addresses+selector)
			eventually(t, defaultWait, "the controller makes an Endpoints object", func() error {
				_, err := client.CoreV1().Endpoints(namespace).Get(ctx, "e", metav1.GetOptions{})
				return err
			})
			wantFindings(t, planOf(t, r, entry(endpoints)), findings.EndpointsExist)
			refused(t, r, entry(endpoints), "cannot be imported into the current release")
			// Without the selector, the object stays; the values alone do not tell.
			r.Do("upgrade", entry(addresses))
			wantFindings(t, planOf(t, r, entry(endpoints)), findings.EndpointsExist)
			refused(t, r, entry(endpoints), "cannot be imported into the current release")
			if err := client.CoreV1().Endpoints(namespace).Delete(ctx, "e", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			wantFindings(t, planOf(t, r, entry(endpoints)))
			r.Do("upgrade", entry(endpoints))
		})

		t.Run(program+"/stale", func(t *testing.T) {
			r := start(t, addresses+selector+", backend: both")
			podSlices := func() (names []string) {
				list, err := client.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=e," + discoveryv1.LabelManagedBy + "=endpointslice-controller.k8s.io"})
				if err != nil {
					t.Fatal(err)
				}
				for _, slice := range list.Items {
					if len(slice.Endpoints) > 0 {
						names = append(names, slice.Name)
					}
				}
				return names
			}
			eventually(t, defaultWait, "the pod is an endpoint", func() error {
				if len(podSlices()) != 1 {
					return errors.New("no EndpointSlice has it")
				}
				return nil
			})
			alias := entry("externalName: e.example")
			wantFindings(t, planOf(t, r, alias), findings.DNSAnswers, findings.SelectorRemoved)
			r.Do("upgrade", alias)
			wantFindings(t, planOf(t, r, entry(addresses)), findings.DNSAnswers, findings.StaleEndpoints)
			r.Do("upgrade", entry(addresses))
			if len(podSlices()) != 1 {
				t.Error("the endpoints of the pod are gone, and plan said they stay")
			}
			// The way out that plan names.
			wantFindings(t, planOf(t, r, entry(addresses+selector)))
			r.Do("upgrade", entry(addresses+selector))
			eventually(t, defaultWait, "the endpoints of the pod are cleared away", func() error {
				if names := podSlices(); len(names) > 0 {
					return fmt.Errorf("%q have some", names)
				}
				return nil
			})
		})

		// Helm 4 does right in a release that it installed, and plan cannot know which of
		// the two is used.
		t.Run(program+"/ports", func(t *testing.T) {
			r := start(t, tcpAndUDP)
			p := planOf(t, r, entry(udp))
			wantFindings(t, p, findings.PortRemoved, findings.PortsByNumber)
			if !slices.ContainsFunc(p.Findings, func(f findings.Finding) bool { return f.Effect == findings.Refused }) {
				t.Errorf("plan does not say that the upgrade is refused: %+v", p.Findings)
			}
			if program == "helm" {
				refused(t, r, entry(udp), "spec.ports: Required value")
			} else {
				r.Do("upgrade", entry(udp))
			}
		})
	}

	t.Run("releases in ConfigMaps", func(t *testing.T) {
		t.Setenv("HELM_DRIVER", "configmap")
		r := releaseOf(t, "helm", "mapped", namespace)
		t.Cleanup(r.Uninstall)
		r.Do("install", entry(addresses))
		if p := planOf(t, r, entry(addresses)); p.Release.Revision != 1 || p.ExitCode() != findings.ExitOK {
			t.Errorf("without a change: %+v", p)
		}
	})

	// The way out that plan names for a release that Helm 3 made.
	t.Run("ports with Helm 4 after Helm 3", func(t *testing.T) {
		three, four := releaseOf(t, "helm", "planned", namespace), releaseOf(t, "helm4", "planned", namespace)
		t.Cleanup(four.Uninstall)
		ports := func() (list []string) {
			for _, port := range service().Spec.Ports {
				list = append(list, port.Name+"/"+string(port.Protocol))
			}
			return list
		}
		want := []string{"dns/TCP", "dns-udp/UDP"}
		three.Do("install", entry(addresses))
		wantFindings(t, planOf(t, three, entry(tcpAndUDP)), findings.PortsByNumber)
		four.Do("upgrade", entry(tcpAndUDP))
		if got := ports(); slices.Equal(got, want) {
			t.Errorf("Helm 4 as it is does right: %q", got)
		}
		four.Do("upgrade", entry(addresses))
		four.Do("upgrade", entry(tcpAndUDP), "--server-side=true")
		if got := ports(); !slices.Equal(got, want) {
			t.Errorf("with --server-side=true the ports are %q, want %q", got, want)
		}
	})
}

// An object of the name that the release does not own: Helm refuses, and takes it over
// with the flag that plan names.
func TestPlanOfAnObjectThatIsNotOwned(t *testing.T) {
	onlyAPI(t)
	const namespace = "plan-owned"
	makeNamespace(t, namespace)
	file := values(t, "services: [{name: mine, externalName: mine.example}, {name: taken, addresses: [10.60.0.1], ports: [{port: 80}]}]")
	for _, program := range []string{"helm", "helm4"} {
		t.Run(program, func(t *testing.T) {
			r := releaseOf(t, program, "planned", namespace)
			t.Cleanup(r.Uninstall)
			r.Do("install", values(t, "services: [{name: mine, externalName: mine.example}]"))
			wantFindings(t, planOf(t, r, file))
			taken := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "taken"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
			if _, err := client.CoreV1().Services(namespace).Create(t.Context(), taken, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			p := planOf(t, r, file)
			said := wantFindings(t, p, findings.NotOwned)
			if want := "plan-owned/taken: refused (not-owned): The Service plan-owned/taken exists and was not created by Helm"; !strings.HasPrefix(said, want) {
				t.Errorf("want %q in %s", want, said)
			}
			if out, err := r.Try("upgrade", file); err == nil || !strings.Contains(out, "cannot be imported into the current release") {
				t.Errorf("helm upgrade: %v\n%s", err, out)
			}
			r.Do("upgrade", file, "--take-ownership")
			if p := planOf(t, r, file); p.ExitCode() != findings.ExitOK {
				t.Errorf("after taking it over: %+v", p)
			}
			other := releaseOf(t, program, "other", namespace)
			p = planOf(t, other, file)
			said = wantFindings(t, p, findings.NotOwned, findings.NotOwned, findings.NotOwned)
			if want := "belongs to the release planned in plan-owned"; strings.Count(said, want) != 3 {
				t.Errorf("want %q three times in %s", want, said)
			}
		})
	}
}

// A release of an application's chart: plan looks at the entries of both aliases and
// nothing else, and sees that a helm was killed while it upgraded.
func TestPlanOfAnApplication(t *testing.T) {
	onlyAPI(t)
	const namespace = "plan-application"
	makeNamespace(t, namespace)
	parent, err := testenv.Application(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// A Job that nothing runs in this cluster: helm waits for it.
	hook := "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: never\n  annotations: {helm.sh/hook: pre-upgrade}\nspec:\n  template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}\n"
	if err := os.MkdirAll(filepath.Join(parent, "templates"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(parent, "templates", "job.yaml"), []byte(hook), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(parent, "templates", "map.yaml"), []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"helm", "helm4"} {
		t.Run(program, func(t *testing.T) {
			r := releaseOf(t, program, "application", namespace)
			t.Cleanup(r.Uninstall)
			r.Run("install", r.Name, parent)
			if _, code, stderr := runPlan(t, cluster.Kubeconfig, r.Name, namespace, nil); code != findings.ExitFailed || !strings.Contains(stderr, `release "application" is of the chart application: set --chart to its folder or archive`) {
				t.Errorf("without the chart: %d %s", code, stderr)
			}
			if p := planOf(t, r, nil, "--chart", parent); p.ExitCode() != findings.ExitOK {
				t.Errorf("without a change: %+v", p)
			}
			p := planOf(t, r, nil, "--chart", parent, "--set", "partners.enabled=false", "--set", "global.region=us-2")
			var got []string
			for _, c := range p.Changes {
				got = append(got, string(c.Action)+" "+c.Name)
			}
			if want := []string{"change orders-db", "remove payments", "remove warehouse"}; !slices.Equal(got, want) {
				t.Errorf("changes %q, want %q", got, want)
			}
			wantFindings(t, p, findings.EntryRemoved, findings.EntryRemoved)

			upgrade := r.Command("upgrade", r.Name, parent)
			if err := upgrade.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, defaultWait, "helm upgrade waits for its hook", func() error {
				list, err := client.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "owner=helm,status=pending-upgrade"})
				if err == nil && len(list.Items) != 1 {
					err = errors.New("no release is pending")
				}
				return err
			})
			if err := upgrade.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			upgrade.Wait() // killed
			wantFindings(t, planOf(t, r, nil, "--chart", parent), findings.ReleasePending)
			if out, err := r.Output("upgrade", r.Name, parent); err == nil || !strings.Contains(out, "another operation") {
				t.Errorf("helm upgrade: %v\n%s", err, out)
			}
			r.Run("rollback", r.Name)
			wantFindings(t, planOf(t, r, nil, "--chart", parent))
		})
	}
}

// plan works with a role that may only read, and changes nothing; what a role may not
// read, it names.
func TestPlanOnlyReads(t *testing.T) {
	onlyAPI(t)
	const namespace, other, empty = "plan-reads", "plan-reads-too", "plan-reads-empty"
	makeNamespace(t, namespace)
	makeNamespace(t, other)
	makeNamespace(t, empty)
	makeReadyPod(t, namespace, "planned", map[string]string{"app": "planned"}, "10.244.99.2", "web")
	r := releaseOf(t, "helm", "planned", namespace)
	t.Cleanup(r.Uninstall)
	r.Do("install", values(t, `services:
- {name: a, addresses: [10.60.0.1], ports: [{port: 80}]}
- {name: b, namespace: plan-reads-too, externalName: b.example}
- {name: c, externalName: c.example}`))
	files := values(t, `services:
- {name: a, backend: both, addresses: [10.60.0.1, 10.60.0.2], ports: [{port: 80, podPort: web}], selector: {app: planned}}
- {name: b, namespace: plan-reads-too, externalName: other.example}
- {name: d, addresses: [10.60.0.3], ports: [{port: 80}], headless: true}
- {name: e, namespace: plan-reads-empty, addresses: [10.60.0.4], ports: [{port: 80}], endpointsKind: Endpoints}`)

	for _, namespace := range []string{namespace, other, empty} { // what every namespace gets
		eventually(t, defaultWait, "the objects of "+namespace, func() error {
			_, account := client.CoreV1().ServiceAccounts(namespace).Get(t.Context(), "default", metav1.GetOptions{})
			_, authority := client.CoreV1().ConfigMaps(namespace).Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
			return errors.Join(account, authority)
		})
	}
	everything := []string{"services", "endpoints", "pods", "secrets", "namespaces"}
	// The administrator may write, so that a write would show; the reader may not, so that
	// none is needed.
	for user, kubeconfig := range map[string]string{
		"administrator": cluster.Kubeconfig,
		"reader":        makeReader(t, namespace, "reader", everything...),
	} {
		before := versions(t)
		p, code, stderr := runPlan(t, kubeconfig, r.Name, namespace, files)
		after := versions(t)
		for name, version := range after {
			if before[name] != version {
				t.Errorf("%s: %s is new or has changed", user, name)
			}
		}
		if len(after) != len(before) {
			t.Errorf("%s: %d objects before, %d after", user, len(before), len(after))
		}
		if code != findings.ExitErrors || stderr != "" || len(p.Changes) != 5 {
			t.Errorf("%s: exit code %d, %q, %+v", user, code, stderr, p)
		}
		wantFindings(t, p, findings.EntryRemoved, findings.RollbackStale)
	}

	for name, c := range map[string]struct {
		without string
		want    []string
	}{
		"pods":       {"pods", []string{"Could not read the pods of " + namespace}},
		"namespaces": {"namespaces", []string{"Could not read the namespace " + empty}},
		"services":   {"services", []string{"Could not read the Services of " + namespace + ", " + empty + ", " + other}},
		"endpoints":  {"endpoints", []string{"Could not read the Endpoints of " + empty}},
	} {
		t.Run("without "+name, func(t *testing.T) {
			resources := slices.DeleteFunc(slices.Clone(everything), func(s string) bool { return s == c.without })
			p, code, stderr := runPlan(t, makeReader(t, namespace, "without-"+name, resources...), r.Name, namespace, files)
			var got []string
			for _, f := range p.Findings {
				if f.Code != findings.NotChecked {
					continue
				}
				message, why, _ := strings.Cut(f.Message, ": ")
				got = append(got, message)
				if !strings.Contains(why, "is forbidden") || len(f.Fix) != 1 || !strings.Contains(f.Fix[0], "the resource "+c.without) {
					t.Errorf("%+v", f)
				}
			}
			slices.Sort(got)
			slices.Sort(c.want)
			if code != findings.ExitErrors || stderr != "" || !slices.Equal(got, c.want) {
				t.Errorf("exit code %d, %q, not checked %q, want %q", code, stderr, got, c.want)
			}
			wantFindings(t, p, findings.EntryRemoved, findings.NotChecked, findings.RollbackStale)
		})
	}
	_, code, stderr := runPlan(t, makeReader(t, namespace, "without-secrets", "services"), r.Name, namespace, files)
	if want := `read release "planned": `; code != findings.ExitFailed || !strings.Contains(stderr, want) || !strings.Contains(stderr, "is forbidden") || !strings.Contains(stderr, "extsvc plan --from") {
		t.Errorf("without secrets: exit code %d, %s", code, stderr)
	}
}

// makeReadyPod makes a Pod that is ready, with a container port of a name, and returns its
// address. On the embedded cluster nothing runs in it, and the address is the one that is
// given.
func makeReadyPod(t *testing.T, namespace, name string, labels map[string]string, ip, port string) string {
	t.Helper()
	if kindCluster != nil {
		makeServer(t, testenv.Server{Name: name, Namespace: namespace, Labels: labels, Ports: map[string]testenv.Port{port: {Number: 7000, Protocol: "tcp"}}})
		selector := metav1.FormatLabelSelector(metav1.SetAsLabelSelector(labels))
		pods, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: selector})
		if err != nil || len(pods.Items) != 1 {
			t.Fatalf("%d pods: %v", len(pods.Items), err)
		}
		return pods.Items[0].Status.PodIP
	}
	nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) == 0 {
		t.Fatalf("%d nodes: %v", len(nodes.Items), err)
	}
	eventually(t, defaultWait, "the Pod is made", func() error { // when its service account is there
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
			Spec: corev1.PodSpec{NodeName: nodes.Items[0].Name, Containers: []corev1.Container{{
				Name: "server", Image: "server", Ports: []corev1.ContainerPort{{Name: port, ContainerPort: 7000}},
			}}},
		}
		pod, err := client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
		_, err = client.CoreV1().Pods(namespace).UpdateStatus(t.Context(), pod, metav1.UpdateOptions{})
		return err
	})
	t.Cleanup(func() {
		now := int64(0)
		if err := client.CoreV1().Pods(namespace).Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			t.Error(err)
		}
	})
	return ip
}

// makeReader makes a service account that may get and list some resources in every
// namespace, and EndpointSlices, and returns the path of its kubeconfig.
func makeReader(t *testing.T, namespace, name string, resources ...string) string {
	t.Helper()
	ctx := t.Context()
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: resources, Verbs: []string{"get", "list"}},
			{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"get", "list"}},
		},
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: name}},
	}
	if _, err := client.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(ctx)
		if err := errors.Join(
			client.RbacV1().ClusterRoleBindings().Delete(ctx, name, metav1.DeleteOptions{}),
			client.RbacV1().ClusterRoles().Delete(ctx, name, metav1.DeleteOptions{}),
			client.CoreV1().ServiceAccounts(namespace).Delete(ctx, name, metav1.DeleteOptions{}),
		); err != nil {
			t.Error(err)
		}
	})
	testenv.WaitForAccess(t, client, namespace, name, authorizationv1.ResourceAttributes{Verb: "list", Group: "discovery.k8s.io", Resource: "endpointslices"}, true)
	return account.Kubeconfig(t, client, cluster.Kubeconfig, namespace, name)
}

// versions has the resource version of every object in the cluster, but for what the
// cluster renews by itself.
func versions(t *testing.T) map[string]string {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1 // the cluster serves nobody else
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	lists, err := client.Discovery().ServerPreferredResources()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, resource := range list.APIResources {
			if !slices.Contains(resource.Verbs, "list") || slices.Contains([]string{"Lease", "Node", "Event"}, resource.Kind) {
				continue
			}
			items, err := objects.Resource(group.WithResource(resource.Name)).List(t.Context(), metav1.ListOptions{})
			if apierrors.IsMethodNotSupported(err) || apierrors.IsNotFound(err) {
				continue
			}
			if err != nil {
				t.Fatalf("list %s: %v", resource.Name, err)
			}
			for _, item := range items.Items {
				found[fmt.Sprintf("%s %s/%s", resource.Name, item.GetNamespace(), item.GetName())] = item.GetResourceVersion()
			}
		}
	}
	if len(found) == 0 {
		t.Fatal("the cluster has no object")
	}
	return found
}
