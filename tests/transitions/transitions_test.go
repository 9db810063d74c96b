package transitions

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/plan"
)

const (
	// service is the name of the entry, and so of its Service.
	service = "orders"
	// releaseName is the name of the release in each namespace.
	releaseName = "outside"
	// settle is what the controllers get to write endpoints.
	settle = 2 * time.Minute
)

var all = flag.Bool("all", false, "run each Helm with each Kubernetes, in place of Helm 4 with the latest and Helm 3 with the oldest")

// Every ordered pair of states: as an upgrade, undone by a rollback; and as an upgrade
// that fails in the middle and is tried again. extsvc plan says before each upgrade what
// is refused, what is kept and what is left behind.
func TestTransitions(t *testing.T) {
	var results results
	t.Run("all", func(t *testing.T) {
		for i, s := range servers {
			for j, program := range programs {
				// The results differ by Helm and not by Kubernetes: each of the one with one of
				// the other sees both.
				if !*all && i == j {
					continue
				}
				for _, from := range states {
					for _, to := range states {
						if from.name == to.name {
							continue
						}
						name := strings.Join([]string{s.Version, program, from.name, to.name}, "/")
						t.Run(name+"/rollback", func(t *testing.T) {
							t.Parallel()
							r := newTrial(t, s, program, from, to)
							r.upgradeAndRollback(from, to, &results)
						})
						t.Run(name+"/retry", func(t *testing.T) {
							t.Parallel()
							r := newTrial(t, s, program, from, to)
							r.failAndRetry(from, to, &results)
						})
					}
				}
			}
		}
	})
	if !t.Failed() {
		results.compare(t)
	}
}

func (r trial) upgradeAndRollback(from, to state, results *results) {
	clusterIP := r.clusterIP()
	upgrade, rollback := transition(from, to), undone(from, to, r.program)
	r.predicts(to, upgrade)
	out, err := r.Try("upgrade", r.values(to))
	if r.want("the upgrade", upgrade, out, err) {
		results.add("upgrade", r, from, to, upgrade.result)
	}
	out, err = r.Output("rollback", releaseName, "1")
	if r.want("the rollback", rollback, out, err) {
		results.add("rollback", r, from, to, rollback.result)
	}
	if from.service == "ClusterIP" && to.service == "ClusterIP" && r.clusterIP() != clusterIP {
		r.t.Errorf("the ClusterIP was %s and is %s", clusterIP, r.clusterIP())
	}
}

// failAndRetry lets the upgrade fail at the endpoints, which come last, if it writes any,
// and else at the Service.
func (r trial) failAndRetry(from, to state, results *results) {
	want := retried(from, to, r.program)
	denied := "services"
	if len(to.slices) > 0 && to.name != "cluster" && !to.names() && from.name != "absent" {
		denied = "endpoints"
	}
	r.deny(denied)
	out, err := r.Try("upgrade", r.values(to))
	r.deny("")
	if want.result == left {
		if err != nil {
			r.t.Errorf("helm 3 was to say nothing of what it cannot delete: %v\n%s", err, out)
		}
	} else {
		if err == nil {
			r.t.Error("the upgrade was to fail and did not")
		} else if want.result != refused && !strings.Contains(out, denied+" are denied") {
			r.t.Errorf("the upgrade was to fail, and does so for another reason: %s", out)
		}
		r.predicts(to, want)
	}
	out, err = r.Try("upgrade", r.values(to))
	if r.want("the upgrade that is tried again", want, out, err) {
		results.add("retry", r, from, to, want.result)
	}
}

// predicts fails unless extsvc plan says what will come of an upgrade.
func (r trial) predicts(to state, want outcome) {
	r.t.Helper()
	p, err := plan.Upgrade(r.t.Context(), plan.Options{
		Cluster: helm.ClusterOptions{Kubeconfig: r.server.Kubeconfig, Namespace: r.Namespace},
		Release: releaseName,
		Values:  helm.Values{ValueFiles: r.values(to)},

		Progress: func(string) {},
	})
	if err != nil {
		r.t.Errorf("extsvc plan: %v", err)
		return
	}
	for result, effect := range map[string]findings.Effect{refused: findings.Refused, kept: findings.Kept, stale: findings.Stale} {
		if want.result == refused && result != refused {
			continue // what would come of it if it were not
		}
		says := slices.ContainsFunc(p.Findings, func(f findings.Finding) bool { return f.Effect == effect && f.Code != findings.RollbackStale })
		if says != (want.result == result) {
			r.t.Errorf("%s comes of it, and extsvc plan has the findings %+v", want.result, p.Findings)
		}
	}
	back := undone(r.from, to, r.program).result
	if wants := r.from.name != "externalName" && !r.from.selector && want.result != refused && (back == stale || back == refused); findings.Has(p.Findings, findings.RollbackStale, r.Namespace, service) != wants {
		r.t.Errorf("a rollback leaves endpoints of pods behind: %t, and extsvc plan has the findings %+v", wants, p.Findings)
	}
}

// trial is a release in a namespace of its own, beside a pod that may take over.
type trial struct {
	release.Release
	t       *testing.T
	server  *testenv.APIServer
	program string
	from    state
	names   bool // one of its states has a name, and the release has one in each
}

func newTrial(t *testing.T, s *testenv.APIServer, program string, from, to state) trial {
	t.Helper()
	_, name, _ := strings.Cut(t.Name(), s.Version+"/")
	namespace := strings.ToLower(strings.ReplaceAll(name, "/", "-"))
	ctx := t.Context()
	if _, err := s.API.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r := trial{release.Of(t, program, releaseName, namespace, s.Kubeconfig), t, s, program, from, from.names() || to.names()}
	r.makePod()
	r.Do("install", r.values(from))
	if r.names {
		r.startResolver()
	}
	r.eventually("the installation", situation{from.service, from.slices, from.endpoints})
	if from.selector {
		testenv.Eventually(t, "the controller has made the Endpoints of the selector", func() error {
			_, err := s.API.CoreV1().Endpoints(namespace).Get(ctx, service, metav1.GetOptions{})
			return err
		})
	}
	return r
}

// startResolver runs the resolver of the release until the end of the test.
func (r trial) startResolver() {
	r.t.Helper()
	deployments, err := r.server.API.AppsV1().Deployments(r.Namespace).List(r.t.Context(), metav1.ListOptions{})
	if err != nil || len(deployments.Items) != 1 {
		r.t.Fatalf("%d Deployments: %v", len(deployments.Items), err)
	}
	testenv.Beside(r.t, "resolver", func(ctx context.Context) (*exec.Cmd, error) {
		return r.server.HostProcess(ctx, r.server.API, &deployments.Items[0], "resolver", "--metrics-address=0", "--probe-address=0")
	})
}

// values writes a values file with the entry in a state.
func (r trial) values(s state) []string {
	r.t.Helper()
	var entries []string
	if s.entry != "" {
		entries = append(entries, fmt.Sprintf("{name: %s, %s}", service, s.entry))
	}
	text := ""
	if r.names {
		entries = append(entries, "{name: other, addresses: [other.corp.example], ports: [{name: http, port: 80}]}")
		text = fmt.Sprintf("resolver: {enabled: true, nameservers: [%q]}\n", dns.Addr())
	}
	text += fmt.Sprintf("services: [%s]\n", strings.Join(entries, ", "))
	file := filepath.Join(r.t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return []string{file}
}

// want fails, and returns false, unless helm said, and the cluster has, what the outcome is.
func (r trial) want(step string, want outcome, out string, err error) bool {
	r.t.Helper()
	if want.result == refused {
		if err == nil || !strings.Contains(out, want.message) {
			r.t.Errorf("%s was to be refused with %q: %v\n%s", step, want.message, err, out)
			return false
		}
		return true
	}
	if err != nil {
		r.t.Errorf("%s: %v\n%s", step, err, out)
		return false
	}
	return r.eventually(step, want.situation)
}

// eventually waits until the cluster has what is wanted, and looks again a moment later:
// a controller that has more to write would do it then.
func (r trial) eventually(what string, want situation) bool {
	r.t.Helper()
	deadline := time.Now().Add(settle)
	var got situation
	for time.Now().Before(deadline) {
		if got = r.observe(); got.String() == want.String() {
			time.Sleep(500 * time.Millisecond)
			if got = r.observe(); got.String() == want.String() {
				return true
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.t.Errorf("after %s there is %s, want %s", what, got, want)
	return false
}

// observe reads the Service, all its EndpointSlices, and its Endpoints.
func (r trial) observe() situation {
	r.t.Helper()
	ctx := context.WithoutCancel(r.t.Context())
	var s situation
	if svc := r.service(); svc != nil {
		s.service = string(svc.Spec.Type)
		if svc.Spec.ClusterIP == corev1.ClusterIPNone {
			s.service = corev1.ClusterIPNone
		}
	}
	list, err := r.server.API.DiscoveryV1().EndpointSlices(r.Namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, slice := range list.Items {
		for _, endpoint := range slice.Endpoints {
			for _, port := range slice.Ports {
				s.slices = union(s.slices, []string{fmt.Sprintf("%s:%d", endpoint.Addresses[0], *port.Port)})
			}
		}
	}
	endpoints, err := r.server.API.CoreV1().Endpoints(r.Namespace).Get(ctx, service, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		r.t.Fatal(err)
	}
	for _, subset := range endpoints.Subsets {
		for _, address := range subset.Addresses {
			for _, port := range subset.Ports {
				s.endpoints = union(s.endpoints, []string{fmt.Sprintf("%s:%d", address.IP, port.Port)})
			}
		}
	}
	return s
}

// service is the Service, or nil if there is none.
func (r trial) service() *corev1.Service {
	r.t.Helper()
	svc, err := r.server.API.CoreV1().Services(r.Namespace).Get(context.WithoutCancel(r.t.Context()), service, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return svc
}

func (r trial) clusterIP() string {
	r.t.Helper()
	if svc := r.service(); svc != nil {
		return svc.Spec.ClusterIP
	}
	return ""
}

// deny keeps helm from writing and deleting objects of a kind, see denyPolicy. It returns
// when the API server does as it is told.
func (r trial) deny(kind string) {
	r.t.Helper()
	ctx := context.WithoutCancel(r.t.Context())
	patch := fmt.Sprintf(`{"metadata": {"labels": {%q: %q}}}`, denyLabel, kind)
	if _, err := r.server.API.CoreV1().Namespaces().Patch(ctx, r.Namespace, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		r.t.Fatal(err)
	}
	meta, dryRun := metav1.ObjectMeta{Name: "deny-check"}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	denied := map[string]func() error{
		"services": func() error {
			spec := corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "deny.example"}
			_, err := r.server.API.CoreV1().Services(r.Namespace).Create(ctx, &corev1.Service{ObjectMeta: meta, Spec: spec}, dryRun)
			return err
		},
		"endpoints": func() error {
			_, err := r.server.API.DiscoveryV1().EndpointSlices(r.Namespace).Create(ctx, &discoveryv1.EndpointSlice{ObjectMeta: meta, AddressType: discoveryv1.AddressTypeIPv4}, dryRun)
			return err
		},
	}
	for deadline := time.Now().Add(settle); ; time.Sleep(50 * time.Millisecond) {
		asTold := true
		for name, try := range denied {
			asTold = asTold && (try() != nil) == (name == kind)
		}
		if asTold {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the API server does not begin or end to deny %q", kind)
		}
	}
}

// makePod makes a pod that the selector matches, ready, as a kubelet would report it.
func (r trial) makePod() {
	r.t.Helper()
	ctx := r.t.Context()
	pods := r.server.API.CoreV1().Pods(r.Namespace)
	made := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "orders-0", Labels: map[string]string{"app": service}},
		Spec: corev1.PodSpec{
			NodeName:                      node,
			TerminationGracePeriodSeconds: new(int64),
			AutomountServiceAccountToken:  new(bool),
			Containers:                    []corev1.Container{{Name: "orders", Image: "orders"}},
		},
	}
	var err error
	// The controller for service accounts makes that of a new namespace.
	for deadline := time.Now().Add(settle); ; time.Sleep(50 * time.Millisecond) {
		if made, err = pods.Create(ctx, made.DeepCopy(), metav1.CreateOptions{}); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
	made.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: podIP, PodIPs: []corev1.PodIP{{IP: podIP}},
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
	}
	if _, err := pods.UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
		r.t.Fatal(err)
	}
}
