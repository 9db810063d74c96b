package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
	"external-services/tools/check"
	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
)

// runCheck runs extsvc check with a kubeconfig: in a pod, as a pod's program sees it, or
// outside of the cluster where the pod is empty.
func runCheck(t *testing.T, pod, kubeconfig string, args ...string) (r check.Report, code int, said string) {
	t.Helper()
	extsvc, err := testenv.Binary("extsvc")
	if err != nil {
		t.Fatal(err)
	}
	if pod != "" {
		if kubeconfig, err = cluster.KubeconfigIn(t.Context(), pod, kubeconfig); err != nil {
			t.Fatal(err)
		}
		args = slices.Clone(args)
		for i := range args[1:] {
			if args[i] != "-f" {
				continue
			}
			if args[i+1], err = cluster.FileIn(t.Context(), pod, args[i+1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	command := append([]string{extsvc, "check", "-o", "json", "--kubeconfig", kubeconfig}, args...)
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	if pod != "" {
		command = append([]string{"env", "KUBERNETES_SERVICE_HOST=10.96.0.1"}, command...)
		cmd = cluster.Command(t.Context(), pod, command...)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, _ := cmd.Output() // the exit code says what failed
	code = cmd.ProcessState.ExitCode()
	if code != findings.ExitFailed {
		decoder := json.NewDecoder(bytes.NewReader(out))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&r); err != nil {
			t.Fatalf("%q: exit code %d: %v\n%s\n%s", args, code, err, out, stderr.String())
		}
	}
	// kubectl exec adds the exit code.
	return r, code, strings.TrimSuffix(stderr.String(), fmt.Sprintf("command terminated with exit code %d\n", code))
}

// checkOf checks a release as the administrator, until the codes of the findings are
// those that are wanted: the controllers take their time.
func checkOf(t *testing.T, pod string, r release.Release, args []string, want ...findings.Code) (report check.Report) {
	t.Helper()
	slices.Sort(want)
	eventually(t, defaultWait, fmt.Sprintf("check finds %q", want), func() error {
		var code int
		var stderr string
		report, code, stderr = runCheck(t, pod, cluster.Kubeconfig, append([]string{r.Name, "-n", r.Namespace}, args...)...)
		if code == findings.ExitFailed || code != report.ExitCode() || stderr != "" {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		if got := codesOf(report); !slices.Equal(got, want) {
			return fmt.Errorf("it finds %q: %v", got, report.Findings)
		}
		return nil
	})
	return report
}

func codesOf(r check.Report) (codes []findings.Code) {
	for _, f := range r.Findings {
		codes = append(codes, f.Code)
	}
	slices.Sort(codes)
	return codes
}

// entryOf is an entry of a report.
func entryOf(t *testing.T, r check.Report, name string) *check.Entry {
	t.Helper()
	for _, e := range r.Entries {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("the report has no entry %s", name)
	return nil
}

// classes are the addresses of each class of an entry's endpoints.
func classes(e *check.Entry) map[service.Class][]string {
	found := map[service.Class][]string{}
	for _, endpoint := range e.Endpoints {
		found[endpoint.Class] = append(found[endpoint.Class], endpoint.Address)
		slices.Sort(found[endpoint.Class])
	}
	return found
}

// everyKind has an entry of each kind. The pods of the selectors are made by the test.
const everyKind = `services:
- {name: alias, externalName: check.example, ports: [{port: 7000}]}
- {name: outside, addresses: [192.168.90.1, 192.168.90.2], ports: [{name: tcp, port: 80, targetPort: 7000}, {name: dns, port: 53, protocol: UDP}]}
- {name: headless, addresses: [192.168.90.1], ports: [{port: 7000}], headless: true}
- {name: mirrored, addresses: [192.168.90.1], ports: [{name: tcp, port: 80, targetPort: 7000}], endpointsKind: Endpoints}
- {name: parked, addresses: [192.168.90.1], ports: [{port: 7000}], selector: {app: checked}}
- {name: both, addresses: [192.168.90.1], ports: [{name: tcp, port: 80, targetPort: 7000, podPort: web}], backend: both, selector: {app: checked}}
- {name: pods, ports: [{name: tcp, port: 80, podPort: web}], backend: cluster, selector: {app: checked}}
- {name: six, addresses: ["2001:db8:90::1"], ports: [{port: 7000}], sessionAffinity: ClientIP, sessionAffinityTimeoutSeconds: 60}
- {name: dual, addresses: [192.168.90.1, "2001:db8:90::1"], ports: [{port: 7000}], trafficDistribution: PreferClose, labels: {team: a}, annotations: {note: b}}
- {name: out, addresses: [192.168.90.1, {ip: 192.168.90.9, ready: false}], ports: [{port: 7000}], publishNotReadyAddresses: true}
`

// A release that is fine: check reports nothing, connects to every address, and knows
// where the cluster routes to, from a pod and from outside of the cluster. It changes
// nothing.
func TestCheckOfAHealthyRelease(t *testing.T) {
	needDataPlane(t)
	needIPv6(t)
	if err := cluster.AddOutside(t.Context(), "check-1", []string{"192.168.90.1", "2001:db8:90::1"}, "check.example"); err != nil {
		t.Fatal(err)
	}
	if err := cluster.AddOutside(t.Context(), "check-2", []string{"192.168.90.2"}); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"check-1", "check-2"} {
		if err := cluster.Serve(t.Context(), host, "http", ":7000"); err != nil {
			t.Fatal(err)
		}
	}
	for program, podIP := range map[string]string{"helm": "10.244.90.1", "helm4": "10.244.90.2"} {
		t.Run(program, func(t *testing.T) {
			namespace := ownNamespace("check", program)
			pod := namespace + "-client"
			makePod(t, pod, namespace)
			ip := makeReadyPod(t, namespace, namespace+"-pod", map[string]string{"app": "checked"}, podIP, "web")
			r := releaseOf(t, program, "checked", namespace)
			t.Cleanup(r.Uninstall)
			files := values(t, everyKind)
			r.Do("install", files)
			report := checkOf(t, pod, r, []string{"--connect"})
			if report.Release.Status != "deployed" || len(report.Entries) != 10 {
				t.Errorf("%+v", report)
			}
			for name, want := range map[string]map[service.Class][]string{
				"alias":    {},
				"outside":  {service.Own: {"192.168.90.1", "192.168.90.2"}},
				"mirrored": {service.Own: {"192.168.90.1"}},
				"parked":   {service.Own: {"192.168.90.1"}},
				"both":     {service.Own: {"192.168.90.1"}, service.Pods: {ip}},
				"pods":     {service.Pods: {ip}},
				"dual":     {service.Own: {"192.168.90.1", "2001:db8:90::1"}},
			} {
				e := entryOf(t, report, name)
				if got := classes(e); !maps.EqualFunc(got, want, slices.Equal) || e.Result != check.OK || len(e.Missing) > 0 {
					t.Errorf("%s: routes to %v, want %v: %+v", name, got, want, e)
				}
			}
			alias := entryOf(t, report, "alias")
			if want := []string{"192.168.90.1", "2001:db8:90::1"}; alias.Resolution == nil || !slices.Equal(alias.Resolution.Addresses, want) || alias.Resolution.Millis <= 0 || len(alias.Probes) != 2 {
				t.Errorf("alias resolves as %+v, want %q, and %d connections", alias.Resolution, want, len(alias.Probes))
			}
			tried, skipped := 0, 0
			for _, p := range entryOf(t, report, "outside").Probes {
				switch {
				case p.Protocol == "UDP" && p.Skipped != "":
					skipped++
				case p.Protocol == "TCP" && p.Port == 7000 && p.Error == "" && p.Millis > 0:
					tried++
				}
			}
			if tried != 2 || skipped != 2 {
				t.Errorf("outside: %d connections, and %d left out", tried, skipped)
			}
			// HTTP, and what does not speak TLS.
			report = checkOf(t, pod, r, []string{"--entry", "outside", "--http", "/"})
			if p := entryOf(t, report, "outside").Probes[0]; p.Status != 200 || p.ServerName != "outside."+namespace+".svc" {
				t.Errorf("HTTP: %+v", p)
			}
			checkOf(t, pod, r, []string{"--entry", "outside", "--tls"}, findings.TLSFailed)

			before := versions(t)
			checkOf(t, "", r, []string{"--no-resolve"})
			if after := versions(t); !maps.Equal(after, before) {
				t.Error("check has changed an object")
			}
			if report, code, stderr := runCheck(t, pod, cluster.Kubeconfig, "-n", namespace, "--no-resolve", "-f", files[0]); code != 0 || report.Release != nil || len(report.Entries) != 10 {
				t.Errorf("the values: exit code %d, %s: %v", code, stderr, report.Findings)
			}
			// Values that were not applied.
			report, code, stderr := runCheck(t, pod, cluster.Kubeconfig, "-n", namespace, "--no-resolve", "-f", files[0], "--set", "overrides.outside.addresses={192.168.90.2}")
			if got := codesOf(report); code != findings.ExitErrors || !slices.Equal(got, []findings.Code{findings.Drift}) {
				t.Errorf("other values: exit code %d, %s: %v", code, stderr, report.Findings)
			}
		})
	}
}

// Each trap, set up in a release that is fine before, and fine again after what check
// says to do.
func TestCheckNamesTraps(t *testing.T) {
	needDataPlane(t)
	const namespace, pod = "check-traps", "check-traps-client"
	ctx := t.Context()
	makePod(t, pod, namespace)
	if err := cluster.AddOutside(ctx, "check-traps", []string{"192.168.91.1"}, "check-traps.example"); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Serve(ctx, "check-traps", "tcp", ":7000"); err != nil {
		t.Fatal(err)
	}
	makeReadyPod(t, namespace, "checked", map[string]string{"app": "checked"}, "10.244.91.1", "web")
	const healthy = `services:
- {name: alias, externalName: check-traps.example}
- {name: web, addresses: [192.168.91.1], ports: [{name: tcp, port: 80, targetPort: 7000}]}
- {name: both, addresses: [192.168.91.1], ports: [{name: tcp, port: 80, targetPort: 7000, podPort: web}], backend: both, selector: {app: checked}}
- {name: mirrored, addresses: [192.168.91.1], ports: [{name: tcp, port: 80, targetPort: 7000}], endpointsKind: Endpoints}
`
	r := releaseOf(t, "helm", "trapped", namespace)
	t.Cleanup(r.Uninstall)
	files := values(t, healthy)
	r.Do("install", files)
	checkOf(t, pod, r, nil)

	services, slicesOf := client.CoreV1().Services(namespace), client.DiscoveryV1().EndpointSlices(namespace)
	patch := func(kind, name, text string) {
		t.Helper()
		var err error
		switch kind {
		case "Service":
			_, err = services.Patch(ctx, name, types.JSONPatchType, []byte(text), metav1.PatchOptions{})
		case "EndpointSlice":
			_, err = slicesOf.Patch(ctx, name, types.JSONPatchType, []byte(text), metav1.PatchOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	remove := func(names ...string) {
		t.Helper()
		for _, name := range names {
			if err := slicesOf.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	outside := func(name string, labels map[string]string) *discoveryv1.EndpointSlice {
		port, number := "tcp", int32(7000)
		return &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: labels},
			AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"192.168.91.7"}}},
			Ports:       []discoveryv1.EndpointPort{{Name: &port, Port: &number}},
		}
	}
	makeSlice := func(slice *discoveryv1.EndpointSlice) {
		t.Helper()
		if _, err := slicesOf.Create(ctx, slice, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	upgrade := func() { r.Do("upgrade", files) }
	kept := func(headless string) string {
		return healthy + "- {name: kept, addresses: [192.168.91.1], ports: [{port: 7000}], " + headless + "}"
	}
	for _, c := range []struct {
		name  string
		spoil func()
		mend  func() // as check says
		args  []string
		want  []findings.Code
		says  string
		code  int
	}{
		{
			// As a program leaves it that does not apply the two kinds.
			name: "all endpoints excluded",
			spoil: func() {
				remove("web-ipv4-0", "both-ipv4-0")
				if err := client.CoreV1().Endpoints(namespace).Delete(ctx, "mirrored", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			mend: upgrade, code: findings.ExitErrors,
			want: []findings.Code{findings.EndpointsMissing, findings.EndpointsMissing, findings.EndpointsMissing},
			says: "resource.exclusions",
		},
		{
			name: "a slice deleted", spoil: func() { remove("web-ipv4-0") }, mend: upgrade, code: findings.ExitErrors,
			want: []findings.Code{findings.EndpointsMissing}, says: "of check-traps/web, which is missing EndpointSlice web-ipv4-0",
		},
		{
			name: "the label of the Service stripped", code: findings.ExitErrors,
			spoil: func() {
				patch("EndpointSlice", "web-ipv4-0", `[{"op": "remove", "path": "/metadata/labels/kubernetes.io~1service-name"}]`)
			},
			mend: func() {
				patch("EndpointSlice", "web-ipv4-0", `[{"op": "add", "path": "/metadata/labels/kubernetes.io~1service-name", "value": "web"}]`)
			},
			want: []findings.Code{findings.ServiceLabelMissing}, says: "kubectl label endpointslice web-ipv4-0 -n check-traps --overwrite kubernetes.io/service-name=web",
		},
		{
			name: "the port of the slice renamed", code: findings.ExitErrors,
			spoil: func() {
				patch("EndpointSlice", "web-ipv4-0", `[{"op": "replace", "path": "/ports/0/name", "value": "other"}]`)
			},
			mend: upgrade, want: []findings.Code{findings.PortNameMismatch}, says: "the Service has tcp 80, EndpointSlice web-ipv4-0 has other 7000",
		},
		{
			name: "the port of the Service changed", code: findings.ExitErrors,
			spoil: func() { patch("Service", "web", `[{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]`) },
			mend: func() {
				patch("Service", "web", `[{"op": "replace", "path": "/spec/ports/0/port", "value": 80}]`)
			},
			want: []findings.Code{findings.Drift}, says: "ports: missing tcp 80, unexpected tcp 81",
		},
		{
			name: "an address changed", code: findings.ExitErrors,
			spoil: func() {
				patch("EndpointSlice", "web-ipv4-0", `[{"op": "replace", "path": "/endpoints/0/addresses/0", "value": "192.168.91.8"}]`)
			},
			mend: upgrade, want: []findings.Code{findings.Drift}, says: "addresses: missing 192.168.91.1, unexpected 192.168.91.8",
		},
		{
			name: "the selector removed", code: findings.ExitErrors,
			spoil: func() { patch("Service", "both", `[{"op": "remove", "path": "/spec/selector"}]`) },
			mend:  upgrade, want: []findings.Code{findings.Drift, findings.StaleEndpoints}, says: "selector is not set, expected app=checked",
		},
		{
			name: "a release without the selector", code: findings.ExitErrors,
			spoil: func() {
				r.Do("upgrade", values(t, strings.NewReplacer(", podPort: web", "", ", backend: both, selector: {app: checked}", "").Replace(healthy)))
			},
			mend: func() {
				if err := client.CoreV1().Endpoints(namespace).Delete(ctx, "both", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				eventually(t, defaultWait, "no stale slices", func() (err error) {
					report, _, _ := runCheck(t, pod, cluster.Kubeconfig, r.Name, "-n", namespace)
					for _, e := range entryOf(t, report, "both").Endpoints {
						if e.Class != service.Stale {
							continue
						}
						err = fmt.Errorf("%s is in %s", e.Address, e.Slice) // and perhaps in another, which check names next
						if err := slicesOf.Delete(ctx, e.Slice, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
							t.Fatal(err)
						}
					}
					return err
				})
				checkOf(t, pod, r, nil)
				upgrade()
			},
			want: []findings.Code{findings.StaleEndpoints}, says: "kubectl delete endpoints both -n check-traps --ignore-not-found",
		},
		{
			name: "headless, and not to be", code: findings.ExitErrors,
			spoil: func() {
				r.Do("upgrade", values(t, kept("headless: true")))
				r.Do("upgrade", values(t, kept("headless: false")))
			},
			mend: func() {
				// An upgrade as after another drift mends nothing.
				r.Do("upgrade", values(t, kept("headless: false")))
				checkOf(t, pod, r, nil, findings.Drift)
				if err := services.Delete(ctx, "kept", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				r.Do("upgrade", values(t, kept("headless: false")))
				checkOf(t, pod, r, nil)
				upgrade()
			},
			want: []findings.Code{findings.Drift}, says: "kubectl delete service kept -n check-traps",
		},
		{
			name: "an upgrade that is refused", code: findings.ExitNotice,
			spoil: func() {
				if out, err := r.Try("upgrade", files, "--set", "overrides.web.headless=true", "--set", "overrides.web.ports[0].name=tcp", "--set", "overrides.web.ports[0].port=7000"); err == nil {
					t.Fatalf("helm upgrade makes a Service headless: %s", out)
				}
			},
			mend: upgrade, want: []findings.Code{findings.ReleaseFailed}, says: "of the release trapped failed",
		},
		{
			name: "a foreign slice", code: findings.ExitNotice,
			spoil: func() { makeSlice(outside("foreign", map[string]string{discoveryv1.LabelServiceName: "web"})) },
			mend:  func() { remove("foreign") },
			want:  []findings.Code{findings.ForeignEndpoints}, says: "kubectl delete endpointslice foreign -n check-traps",
		},
		{
			name: "an alias of an IP address", code: findings.ExitErrors,
			spoil: func() {
				patch("Service", "alias", `[{"op": "replace", "path": "/spec/externalName", "value": "192.168.91.1"}]`)
			},
			mend: upgrade, want: []findings.Code{findings.Drift, findings.ExternalNameIP}, says: "addresses: [192.168.91.1]",
		},
		{
			name: "a Service deleted", code: findings.ExitErrors,
			spoil: func() {
				if err := services.Delete(ctx, "alias", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			mend: upgrade, want: []findings.Code{findings.ServiceMissing}, says: "The Service check-traps/alias does not exist",
		},
		{
			name: "a Service of somebody else", code: findings.ExitErrors,
			spoil: func() {
				patch("Service", "alias", `[{"op": "replace", "path": "/metadata/annotations/meta.helm.sh~1release-name", "value": "other"}]`)
			},
			mend: func() {
				patch("Service", "alias", `[{"op": "replace", "path": "/metadata/annotations/meta.helm.sh~1release-name", "value": "trapped"}]`)
			},
			want: []findings.Code{findings.NotOwned}, says: "belongs to the release other in check-traps",
		},
		{
			name: "an alias that does not resolve", code: findings.ExitErrors,
			spoil: func() {
				r.Do("upgrade", values(t, strings.Replace(healthy, "check-traps.example", "nowhere.example", 1)))
			},
			mend: upgrade, want: []findings.Code{findings.ExternalNameUnresolvable}, says: "DNS does not know the name",
		},
		{
			name: "no pod", code: findings.ExitErrors,
			spoil: func() {
				r.Do("upgrade", values(t, healthy+"- {name: podless, ports: [{port: 80}], backend: cluster, selector: {app: nothing}}"))
			},
			mend: upgrade, want: []findings.Code{findings.NoPods}, says: "every connection fails until one is",
		},
		{
			name: "no pod, and addresses", code: findings.ExitNotice,
			spoil: func() { r.Do("upgrade", files, "--set", "overrides.both.selector.app=nothing") },
			mend:  upgrade, want: []findings.Code{findings.NoPods}, says: "every connection goes outside until one is",
		},
		{
			name: "a port that no pod has", code: findings.ExitNotice,
			spoil: func() {
				r.Do("upgrade", values(t, strings.Replace(healthy, "podPort: web", "podPort: other", 1)))
			},
			mend: upgrade, want: []findings.Code{findings.PodPortMissing}, says: "tcp 80 -> other, so every connection to it keeps going outside",
		},
		{
			name: "no address ready", code: findings.ExitErrors,
			spoil: func() {
				patch("EndpointSlice", "web-ipv4-0", `[{"op": "replace", "path": "/endpoints/0/conditions/ready", "value": false}]`)
			},
			mend: upgrade, want: []findings.Code{findings.Drift, findings.NoReadyEndpoint}, says: "address 192.168.91.1: ready is false, expected true",
		},
		{
			name: "a host that does not answer", code: findings.ExitErrors, args: []string{"--connect", "--timeout", "2s"},
			spoil: func() {
				r.Do("upgrade", values(t, healthy+"- {name: down, addresses: [192.168.91.1, 192.168.91.200], ports: [{port: 7000}]}"))
			},
			mend: upgrade, want: []findings.Code{findings.Unreachable}, says: "192.168.91.200:7000 (",
		},
		{
			name: "a port that nobody serves", code: findings.ExitErrors, args: []string{"--connect"},
			spoil: func() {
				r.Do("upgrade", values(t, healthy+"- {name: closed, addresses: [192.168.91.1], ports: [{port: 7999}]}"))
			},
			mend: upgrade, want: []findings.Code{findings.Unreachable}, says: "192.168.91.1:7999 (connection refused)",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.spoil()
			eventually(t, defaultWait, fmt.Sprintf("check says %q", c.says), func() error {
				report := checkOf(t, pod, r, c.args, c.want...)
				text, err := json.Marshal(report.Findings)
				if err != nil {
					t.Fatal(err)
				}
				said := strings.ReplaceAll(strings.ReplaceAll(string(text), `\u003e`, ">"), `\"`, `"`)
				if report.ExitCode() != c.code || !strings.Contains(said, c.says) {
					return fmt.Errorf("exit code %d, want %d, in\n%s", report.ExitCode(), c.code, said)
				}
				return nil
			})
			c.mend()
			checkOf(t, pod, r, nil)
		})
	}

	// Outside of the cluster, a name that does not resolve may be one for pods only.
	r.Do("upgrade", values(t, strings.Replace(healthy, "check-traps.example", "nowhere.invalid", 1)))
	report := checkOf(t, "", r, []string{"--timeout", "1s"}, findings.ExternalNameUnresolvable)
	if report.ExitCode() != findings.ExitNotice {
		t.Errorf("exit code %d of %v", report.ExitCode(), report.Findings)
	}
}

// What a role may not list, check names with the verbs to grant, and checks the rest.
func TestCheckWithARoleThatLacksEndpoints(t *testing.T) {
	onlyAPI(t)
	const namespace = "check-role"
	makeNamespace(t, namespace)
	r := releaseOf(t, "helm", "checked", namespace)
	t.Cleanup(r.Uninstall)
	r.Do("install", values(t, `services:
- {name: a, addresses: [10.60.0.1], ports: [{port: 80}]}
- {name: b, addresses: [10.60.0.1], ports: [{port: 80}], endpointsKind: Endpoints}`))
	checkOf(t, "", r, nil)
	kubeconfig := makeReader(t, namespace, "check-reader", "services", "secrets")
	report, code, stderr := runCheck(t, "", kubeconfig, r.Name, "-n", namespace)
	if got := codesOf(report); code != findings.ExitNotice || !slices.Equal(got, []findings.Code{findings.NotChecked}) {
		t.Fatalf("exit code %d, %s: %v", code, stderr, report.Findings)
	}
	if f := report.Findings[0]; !strings.Contains(f.Message, "endpoints is forbidden") || f.Fix[0] != `Allow the verb list on the resource endpoints of the API group "" in check-role.` {
		t.Errorf("%+v", f)
	}
	if e := entryOf(t, report, "a"); e.Result != check.Unknown {
		t.Errorf("a: %+v", e)
	}
	role, err := client.RbacV1().ClusterRoles().Get(t.Context(), "check-reader", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	role.Rules = role.Rules[:1]
	if _, err := client.RbacV1().ClusterRoles().Update(t.Context(), role, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, defaultWait, "check says that EndpointSlices are forbidden", func() error {
		report, code, stderr := runCheck(t, "", kubeconfig, r.Name, "-n", namespace)
		if got := codesOf(report); code != findings.ExitNotice || !slices.Equal(got, []findings.Code{findings.NotChecked, findings.NotChecked}) ||
			report.Findings[0].Fix[0] != "Allow the verb list on the resource endpointslices of the API group discovery.k8s.io in check-role." {
			return fmt.Errorf("exit code %d, %s: %v", code, stderr, report.Findings)
		}
		return nil
	})
	if _, code, stderr := runCheck(t, "", makeReader(t, namespace, "check-nothing", "services"), r.Name, "-n", namespace); code != findings.ExitFailed || !strings.Contains(stderr, "extsvc check -f FILE") {
		t.Errorf("without secrets: exit code %d, %s", code, stderr)
	}
	if _, code, stderr := runCheck(t, "", cluster.Kubeconfig, "nothing", "-n", namespace); code != findings.ExitFailed || !strings.Contains(stderr, `release not found: "nothing" in namespace check-role`) {
		t.Errorf("of a release that is not there: exit code %d, %s", code, stderr)
	}
	report, code, _ = runCheck(t, "", cluster.Kubeconfig, "-n", "check-nowhere", "--set-json", `services=[{"name": "a", "externalName": "a.example"}]`, "--no-resolve")
	if got := codesOf(report); code != findings.ExitErrors || !slices.Equal(got, []findings.Code{findings.NamespaceMissing}) {
		t.Errorf("without the namespace: exit code %d, %v", code, report.Findings)
	}
}

// Who may list only in some namespaces is asked for these, although they are many.
func TestCheckWithRolesInNamespaces(t *testing.T) {
	onlyAPI(t)
	const namespace = "check-spread"
	ctx := t.Context()
	var names []string
	for i := range 4 {
		names = append(names, fmt.Sprintf("%s-%d", namespace, i))
		makeNamespace(t, names[i])
	}
	file := values(t, "services: [{name: a, externalName: a.example, namespaces: ["+strings.Join(names, ", ")+"]}]")[0]
	r := releaseOf(t, "helm", "spread", names[0])
	t.Cleanup(r.Uninstall)
	r.Do("install", []string{file})
	kubeconfig := makeReader(t, names[0], "check-spread", "configmaps")
	for i, name := range names {
		role := &rbacv1.Role{
			ObjectMeta: metav1.ObjectMeta{Name: "check-spread"},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"list"}}},
		}
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "check-spread"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "check-spread"},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: names[0], Name: "check-spread"}},
		}
		if i == len(names)-1 { // without the last one
			eventually(t, defaultWait, "check says that one namespace is left out", func() error {
				report, code, stderr := runCheck(t, "", kubeconfig, "spread", "-n", names[0], "-f", file, "--no-resolve")
				if got := codesOf(report); code != findings.ExitNotice || !slices.Equal(got, []findings.Code{findings.NotChecked}) || report.Findings[0].Namespace != name {
					return fmt.Errorf("exit code %d, %s: %v", code, stderr, report.Findings)
				}
				return nil
			})
		}
		if _, err := client.RbacV1().Roles(name).Create(ctx, role, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.RbacV1().RoleBindings(name).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, defaultWait, "check may list in every namespace", func() error {
		report, code, stderr := runCheck(t, "", kubeconfig, "spread", "-n", names[0], "-f", file, "--no-resolve")
		if code != findings.ExitOK || len(report.Entries) != 4 {
			return fmt.Errorf("exit code %d, %s: %v", code, stderr, report.Findings)
		}
		return nil
	})
}

// terminal opens a pseudo-terminal: what is written to the one end is read at the other.
func terminal(t *testing.T) (program, reader *os.File) {
	t.Helper()
	reader, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	var number, unlocked uint32
	for _, call := range []struct {
		request uintptr
		value   *uint32
	}{{syscall.TIOCSPTLCK, &unlocked}, {syscall.TIOCGPTN, &number}} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, reader.Fd(), call.request, uintptr(unsafe.Pointer(call.value))); errno != 0 {
			t.Fatal(errno)
		}
	}
	if program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	return program, reader
}

// On a terminal, check prints a table, in colours unless NO_COLOR is set, and with --watch again and again
// until it is interrupted, and then ends with the exit code of the last report. Shells complete the names of
// releases, namespaces, entries and formats.
func TestCheckOnATerminal(t *testing.T) {
	onlyAPI(t)
	const namespace = "check-terminal"
	makeNamespace(t, namespace)
	r := releaseOf(t, "helm", "shown", namespace)
	t.Cleanup(r.Uninstall)
	r.Do("install", values(t, "services: [{name: a, addresses: [10.60.0.1], ports: [{port: 80}]}]"))
	extsvc, err := testenv.Binary("extsvc")
	if err != nil {
		t.Fatal(err)
	}
	show := func(environment string, until func(said string) bool, args ...string) (said string, code int) {
		t.Helper()
		program, reader := terminal(t)
		cmd := exec.CommandContext(t.Context(), extsvc, append([]string{"check", r.Name, "-n", namespace, "--kubeconfig", cluster.Kubeconfig}, args...)...)
		cmd.Env = append(os.Environ(), environment)
		cmd.Stdout, cmd.Stderr = program, program
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if err := program.Close(); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 4096)
		for {
			n, err := reader.Read(buffer)
			said += string(buffer[:n])
			if err != nil { // the program has closed its end
				break
			}
			if until != nil && until(said) {
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
				until = nil
			}
		}
		cmd.Wait() // the exit code says what failed
		return said, cmd.ProcessState.ExitCode()
	}
	if said, code := show("NO_COLOR=", nil); code != findings.ExitOK || !strings.Contains(said, "check-terminal/a  external: 10.60.0.1  1 own      \x1b[32mok\x1b[0m") {
		t.Errorf("exit code %d:\n%s", code, said)
	}
	// but for what erases a line of progress, which there is after a second
	if said, code := show("NO_COLOR=1", nil); code != findings.ExitOK || strings.Contains(strings.ReplaceAll(said, "\r\x1b[K", ""), "\x1b") || !strings.Contains(said, "1 own      ok") {
		t.Errorf("without colours: exit code %d:\n%q", code, said)
	}
	if said, code := show("NO_COLOR=", nil, "-o", "json"); code != findings.ExitOK || !strings.Contains(said, `"findings": []`) {
		t.Errorf("as JSON: exit code %d:\n%s", code, said)
	}
	removed := false
	said, code := show("NO_COLOR=", func(said string) bool {
		if !removed && strings.Contains(said, "1 ok.") {
			removed = true
			if err := client.DiscoveryV1().EndpointSlices(namespace).Delete(t.Context(), "a-ipv4-0", metav1.DeleteOptions{}); err != nil {
				t.Error(err)
				return true
			}
		}
		return strings.Contains(said, "(endpoints-missing)")
	}, "--watch=200ms")
	if code != findings.ExitErrors || strings.Count(said, "\x1b[H\x1b[2J") < 2 {
		t.Errorf("watching: exit code %d:\n%q", code, said)
	}
	if _, code := show("NO_COLOR=", nil, "--exit-zero"); code != 0 {
		t.Errorf("with --exit-zero: %d", code)
	}
	for want, args := range map[string][]string{
		"shown\n:4":      {"-n", namespace, ""},
		"a\n:4":          {r.Name, "-n", namespace, "--entry", ""},
		namespace + "\n": {"-n", ""},
		"text\njson\n:4": {"-o", ""},
	} {
		args = append([]string{"__complete", "check", "--kubeconfig", cluster.Kubeconfig}, args...)
		out, err := exec.CommandContext(t.Context(), extsvc, args...).Output()
		if err != nil || !strings.Contains("\n"+string(out), "\n"+want) {
			t.Errorf("%q completes to %v, want %q\n%s", args, err, want, out)
		}
	}

	// Another program reads the same table, without colours.
	out, err := exec.CommandContext(t.Context(), extsvc, "check", r.Name, "-n", namespace, "--kubeconfig", cluster.Kubeconfig, "--exit-zero").Output()
	if err != nil || strings.Contains(string(out), "\x1b") || !strings.Contains(string(out), "\nENTRY ") {
		t.Errorf("in a pipe: %v\n%s", err, out)
	}
}

// manyServices is how many entries there are for the count of calls.
const manyServices = 5000

// makeMany makes the objects of many entries in ten namespaces, for the length of a test.
// The Services are headless, so that kube-proxy has no part in it.
func makeMany(t testing.TB, prefix string) *helm.Result {
	t.Helper()
	start := time.Now()
	var text strings.Builder
	text.WriteString("services:\n")
	for i := range manyServices {
		fmt.Fprintf(&text, "- {name: many-%d, namespace: %s-%d, addresses: [10.%d.%d.1], ports: [{name: tcp, port: 80}], headless: true}\n", i, prefix, i%10, 64+i/250, i%250)
	}
	vals, err := helm.Parse([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := helm.Mappings(chart, helm.Release{Name: "many"}, vals)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d entries rendered in %s", manyServices, time.Since(start).Round(time.Millisecond))
	ctx := context.Background()
	for i := range 10 {
		namespace := fmt.Sprintf("%s-%d", prefix, i)
		if _, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { // the controllers finish it
			if err := client.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	work := make(chan int, manyServices)
	for i := range manyServices {
		work <- i
	}
	close(work)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for i := range work {
				service, slice := objects.Services[i], objects.EndpointSlices[i]
				_, failed := client.CoreV1().Services(service.Namespace).Create(ctx, service, metav1.CreateOptions{})
				_, alsoFailed := client.DiscoveryV1().EndpointSlices(slice.Namespace).Create(ctx, slice, metav1.CreateOptions{})
				if err := errors.Join(failed, alsoFailed); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	t.Logf("and made after %s", time.Since(start).Round(time.Millisecond))
	return objects
}

// counter counts the requests to the API server, and how many are of one object.
type counter struct {
	next        http.RoundTripper
	calls, gets atomic.Int64
}

func (c *counter) RoundTrip(request *http.Request) (*http.Response, error) {
	c.calls.Add(1)
	if !request.URL.Query().Has("limit") {
		c.gets.Add(1)
	}
	return c.next.RoundTrip(request)
}

// counted is a client of the administrator that counts.
func counted(t testing.TB) (kubernetes.Interface, *counter) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.WarningHandler = rest.NoWarnings{}
	count := &counter{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		count.next = next
		return count
	})
	counted, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return counted, count
}

// peak is the highest size of the heap while a function runs, beyond that before it.
func peak(do func()) uint64 {
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	runtime.GC()
	before := heap()
	highest := before
	done := make(chan bool)
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
				highest = max(highest, heap())
			}
		}
	})
	do()
	close(done)
	group.Wait()
	return highest - before
}

// Many Services are listed, in pages, and never got one by one; of a few of them in the
// same cluster, only these are kept.
func TestCheckOfManyServices(t *testing.T) {
	needEmbedded(t, "it is about calls of the API, and 5,000 Services keep a node's kube-proxy busy")
	objects := makeMany(t, "check-many")
	hundred := &helm.Result{}
	for i := 0; i < manyServices; i += manyServices / 100 { // in every namespace some
		hundred.Services = append(hundred.Services, objects.Services[i])
		hundred.EndpointSlices = append(hundred.EndpointSlices, objects.EndpointSlices[i])
	}
	for _, c := range []struct {
		name    string
		objects *helm.Result
		entries int
	}{
		{"all", objects, manyServices},
		{"a hundred", hundred, 100},
	} {
		counted, count := counted(t)
		var report *check.Report
		var err error
		start := time.Now()
		memory := peak(func() {
			report, err = check.Objects(t.Context(), counted, c.objects, nil, check.Options{Progress: func(string) {}})
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d entries, %d calls in %s, at most %d MiB of heap", c.name, len(report.Entries), count.calls.Load(), time.Since(start).Round(time.Millisecond), memory>>20)
		if len(report.Entries) != c.entries || len(report.Findings) > 0 {
			t.Errorf("%s: %d entries, %v", c.name, len(report.Entries), report.Findings[:min(3, len(report.Findings))])
		}
		// Two kinds of which the cluster has more than those, in pages of 500.
		if most := int64(manyServices/500+1+1) * 2; count.calls.Load() > most || count.gets.Load() > 0 {
			t.Errorf("%s: %d calls, want at most %d; %d without a limit", c.name, count.calls.Load(), most, count.gets.Load())
		}
		if memory > 256<<20 {
			t.Errorf("%s: %d MiB of heap", c.name, memory>>20)
		}
	}
}

// BenchmarkCheck prints what a check of many Services takes.
func BenchmarkCheck(b *testing.B) {
	objects := makeMany(b, "check-benchmark")
	counted, count := counted(b)
	memory := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		memory = max(memory, peak(func() {
			if _, err := check.Objects(b.Context(), counted, objects, nil, check.Options{Progress: func(string) {}}); err != nil {
				b.Fatal(err)
			}
		}))
	}
	b.ReportMetric(float64(count.calls.Load())/float64(b.N), "calls/op")
	b.ReportMetric(float64(memory>>20), "MiB-heap")
	b.ReportMetric(manyServices, "Services")
}
