package gitops

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/advice"
	"external-services/tests/internal/manifests"
	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
	"external-services/tools/findings"
	"external-services/tools/helm"
)

// helmRelease is a HelmRelease of Flux.
type helmRelease struct {
	namespace, name string
	target, storage string // its own namespace where they are empty
	digest          string // of a chart from an OCIRepository
	labels          map[string]string
	values          string
}

// install installs the release as Flux's helm-controller does, by the SDK of Helm: the objects in one namespace and the
// release's Secret in another one, and through a post-renderer.
func (r helmRelease) install(t *testing.T, s *testenv.APIServer) {
	t.Helper()
	settings := cli.New()
	settings.KubeConfig = s.Kubeconfig
	settings.SetNamespace(r.targetNamespace())
	var config action.Configuration
	if err := config.Init(settings.RESTClientGetter(), r.storageNamespace(), "secret", t.Logf); err != nil {
		t.Fatal(err)
	}
	chart, err := loader.Load(testenv.Chart())
	if err != nil {
		t.Fatal(err)
	}
	if r.digest != "" {
		chart.Metadata.Version += "+" + r.digest
	}
	values, err := helm.Parse([]byte(r.values))
	if err != nil {
		t.Fatal(err)
	}
	install := action.NewInstall(&config)
	install.ReleaseName, install.Namespace, install.PostRenderer = r.name, r.targetNamespace(), postRenderer{t, r}
	if _, err := install.Run(chart, values); err != nil {
		t.Fatal(err)
	}
}

func (r helmRelease) targetNamespace() string {
	if r.target != "" {
		return r.target
	}
	return r.namespace
}

func (r helmRelease) storageNamespace() string {
	if r.storage != "" {
		return r.storage
	}
	return r.namespace
}

// postRenderer adds what Flux adds to each object.
type postRenderer struct {
	t *testing.T
	helmRelease
}

func (p postRenderer) Run(rendered *bytes.Buffer) (*bytes.Buffer, error) {
	var out bytes.Buffer
	for _, o := range manifests.Parse(p.t, rendered.String()) {
		labels := o.GetLabels()
		maps.Copy(labels, p.labels)
		labels["helm.toolkit.fluxcd.io/name"], labels["helm.toolkit.fluxcd.io/namespace"] = p.name, p.namespace
		o.SetLabels(labels)
		if len(p.labels) > 0 {
			annotations := maps.Clone(o.GetAnnotations())
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations["example.org/added"] = "by commonMetadata"
			o.SetAnnotations(annotations)
		}
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return nil, err
		}
		out.WriteString("---\n" + string(text))
	}
	return &out, nil
}

const fluxValues = `services:
- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}], labels: {team: shop}}
- {name: parked, addresses: [10.0.4.12], ports: [{port: 80}], selector: {app: parked}}
- {name: legacy, addresses: [10.0.4.13], ports: [{port: 80}], endpointsKind: Endpoints}
- {name: alias, externalName: reports.corp.example, annotations: {note: a}}
`

// A release of Flux that is fine: check finds nothing and plan says that nothing changes, with the namespace of the
// HelmRelease, of the objects and of Helm's storage alike, whatever Flux adds to the objects. What the values change,
// plan still says.
func TestFluxRelease(t *testing.T) {
	for _, r := range []helmRelease{
		{namespace: "flux-plain", name: "plain"},
		{namespace: "flux-apps", name: "target", target: "flux-target"},
		{namespace: "flux-apps", name: "both", target: "flux-target-2", storage: "flux-storage", digest: "e4ed55ab6d84",
			labels: map[string]string{"cost": "shared", "example.org/owner": "platform"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			s := servers[0]
			for _, namespace := range []string{r.namespace, r.targetNamespace(), r.storageNamespace()} {
				s.MakeNamespace(t, namespace)
			}
			r.values = fluxValues
			r.install(t, s)
			files := release.Values(t, fluxValues)
			namespaces := []string{r.targetNamespace(), r.storageNamespace()}
			for _, namespace := range slices.Compact(namespaces) {
				report := wantFindings(t, s, []string{r.name, "-n", namespace})
				if report.Release == nil || report.Release.Namespace != r.targetNamespace() || len(report.Entries) != 4 {
					t.Errorf("-n %s: %+v", namespace, report.Release)
				}
				p, code, said := planOf(t, s, r.name, "-n", namespace, "-f", files[0])
				if code != findings.ExitOK || len(p.Changes) > 0 || p.Release.Namespace != r.targetNamespace() {
					t.Errorf("-n %s, the same values: exit code %d, %+v %s", namespace, code, p.Changes, said)
				}
			}
			changed := release.Values(t, strings.NewReplacer(", labels: {team: shop}", "", "{note: a}", "{}").Replace(fluxValues))
			p, code, _ := planOf(t, s, r.name, "-n", r.targetNamespace(), "-f", changed[0])
			var changes []string
			for _, c := range p.Changes {
				changes = append(changes, c.Name+" "+strings.Join(c.Changes, ", "))
			}
			if want := []string{"alias annotation: -note", "orders label: -team"}; code != findings.ExitNotice || !slices.Equal(changes, want) {
				t.Errorf("changed values: exit code %d, %q, want %q", code, changes, want)
			}

			// The advice names the command of Flux.
			if err := s.API.DiscoveryV1().EndpointSlices(r.targetNamespace()).Delete(t.Context(), "orders-ipv4-0", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			report := wantFindings(t, s, []string{r.name, "-n", r.targetNamespace()}, findings.EndpointsMissing)
			want := "Run flux reconcile helmrelease " + r.name + " -n " + r.namespace + " --force, which creates what is missing."
			if fix := report.Findings[0].Fix; !slices.Contains(fix, want) {
				t.Errorf("the advice is %q, want %q", fix, want)
			}
		})
	}
}

// A user who may list Secrets in one namespace only is told that there is no release, and how to find it.
func TestNoRelease(t *testing.T) {
	s := servers[0]
	s.MakeNamespace(t, "flux-none")
	_, code, said := checkOf(t, s, "nothing", "-n", "flux-none")
	if code != findings.ExitFailed || !strings.Contains(said, "with Flux use the namespace of the HelmRelease") {
		t.Errorf("exit code %d, %s", code, said)
	}
}

// Two HelmReleases with one entry: check says who has it and what happens, and its advice leaves the entry to one.
func TestTwoReleases(t *testing.T) {
	s := servers[0]
	const namespace = "flux-two"
	s.MakeNamespace(t, namespace)
	const entry = "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}\n"
	files := release.Values(t, entry)
	first, second := release.Of(t, "helm", "first", namespace, s.Kubeconfig), release.Of(t, "helm", "second", namespace, s.Kubeconfig)
	first.Do("install", files)
	second.Do("install", files, "--take-ownership")
	report := wantFindings(t, s, []string{"first", "-n", namespace}, findings.NotOwned)
	f := report.Findings[0]
	if !strings.Contains(f.Message, "is an object of this release, and belongs to the release second in "+namespace) || !strings.Contains(f.Cause, "without asking") {
		t.Errorf("%+v", f)
	}
	wantFindings(t, s, []string{"second", "-n", namespace})

	// In the order that the advice says: the first release loses the entry, and its objects stay.
	keep, free, found := strings.Cut(f.Fix[0], ", and after the upgrade ")
	if !found {
		t.Fatalf("%q", f.Fix)
	}
	advice.Run(t, s.Kubeconfig, advice.Command.FindString(keep))
	first.Do("upgrade", release.Values(t, "services: []"))
	advice.Run(t, s.Kubeconfig, strings.TrimSuffix(advice.Command.FindString(free), "."))
	second.Do("upgrade", files)
	wantFindings(t, s, []string{"second", "-n", namespace})
	wantFindings(t, s, []string{"first", "-n", namespace})
}

// A Service that was there before the release, with a selector and another name of its port: Flux takes it over and says
// that it is ready, and nothing is routed. The advice of check mends it.
func TestTakenOver(t *testing.T) {
	for _, program := range programs {
		t.Run(program, func(t *testing.T) {
			s := servers[0]
			namespace := "flux-taken-" + program
			s.MakeNamespace(t, namespace)
			makePod(t, s, namespace, map[string]string{"app": "old"})
			old := `apiVersion: v1
kind: Service
metadata: {name: orders, namespace: ` + namespace + `}
spec: {selector: {app: old}, ports: [{name: web, port: 80}]}
`
			file := release.Values(t, old)[0]
			advice.Run(t, s.Kubeconfig, "kubectl apply -f "+file)
			files := release.Values(t, "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}\n")
			args := []string{"--take-ownership"}
			if program == "helm4" {
				args = append(args, "--force-conflicts")
			}
			r := release.Of(t, program, "taken", namespace, s.Kubeconfig)
			r.Do("install", files, args...)
			report := wantFindings(t, s, []string{"taken", "-n", namespace}, findings.Drift, findings.PortNameMismatch)
			advice.Follow(t, s.Kubeconfig, driftOf(t, report).Fix)
			wantFindings(t, s, []string{"taken", "-n", namespace})
		})
	}
}

// What a manifest does not set and somebody adds to a Service, no upgrade removes: check says so, and its advice does.
func TestLeftByUpgrades(t *testing.T) {
	const text = `services:
- {name: orders, addresses: [10.0.4.11], ports: [{name: http, port: 80}]}
- {name: pods, ports: [{port: 80}], backend: cluster, selector: {app: pods}}
`
	for _, program := range programs {
		t.Run(program, func(t *testing.T) {
			s := servers[0]
			namespace := "left-" + program
			s.MakeNamespace(t, namespace)
			makePod(t, s, namespace, map[string]string{"app": "pods"})
			r := release.Of(t, program, "outside", namespace, s.Kubeconfig)
			files := release.Values(t, text)
			r.Do("install", files)
			args := []string{"outside", "-n", namespace}
			wantFindings(t, s, args)
			for _, c := range []struct{ name, service, patch, says string }{
				{"a selector", "orders", `{"spec":{"selector":{"app":"pods"}}}`, "selector is app=pods, expected none"},
				{"a port", "orders", `{"spec":{"ports":[{"name":"http","port":80},{"name":"admin","port":81}]}}`, "ports: unexpected admin 81"},
				{"another number of a port", "pods", `{"spec":{"ports":[{"port":81}]}}`, "ports: missing 80, unexpected 81"},
				{"an address of a node", "orders", `{"spec":{"externalIPs":["192.0.2.7"]}}`, "externalIPs is 192.0.2.7, expected none"},
				{"an affinity", "orders", `{"spec":{"sessionAffinity":"ClientIP"}}`, "sessionAffinity is ClientIP, expected None"},
				{"a timeout", "orders", `{"spec":{"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":60}}}}`, "sessionAffinityTimeoutSeconds is 60"},
				{"a protocol of a port", "orders", `{"spec":{"ports":[{"name":"http","port":80,"appProtocol":"http"}]}}`, "appProtocol is http, expected none"},
				{"another port of the pods", "pods", `{"spec":{"ports":[{"port":80,"targetPort":8080}]}}`, "podPort is 8080, expected 80"},
				{"addresses that are not ready", "orders", `{"spec":{"publishNotReadyAddresses":true}}`, "publishNotReadyAddresses is true, expected false"},
			} {
				t.Run(c.name, func(t *testing.T) {
					advice.Run(t, s.Kubeconfig, "kubectl patch service "+c.service+" -n "+namespace+" --type=merge -p '"+c.patch+"'")
					upgrade := []string{}
					if program == "helm4" {
						upgrade = append(upgrade, "--force-conflicts")
					}
					out, failed := r.Try("upgrade", files, upgrade...)
					if failed != nil && !strings.Contains(out, "spec.ports[1].name: Required value") {
						t.Fatalf("%v\n%s", failed, out)
					}
					report, _, _ := checkOf(t, s, args...)
					f := driftOf(t, report)
					if !strings.Contains(f.Message, c.says) || !strings.Contains(f.Cause, "The manifest does not set it") {
						t.Errorf("%+v, want %q", f, c.says)
					}
					advice.Follow(t, s.Kubeconfig, f.Fix)
					if failed != nil {
						r.Do("upgrade", files, upgrade...)
					}
					wantFindings(t, s, args)
				})
			}
		})
	}
}
