// Package render checks what helm template makes of the examples and of each
// value, as typed objects.
package render

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	terratest "github.com/gruntwork-io/terratest/modules/helm"
	"github.com/gruntwork-io/terratest/modules/k8s"
	"github.com/gruntwork-io/terratest/modules/logger"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/testenv"
	"external-services/tools/helm"
)

var update = flag.Bool("update", false, "write what helm renders to testdata/golden")

// objects compares what documents say and not how they are written.
var objects = cmpopts.IgnoreFields(helm.Result{}, "Manifests")

func TestMain(m *testing.M) {
	flag.Parse()
	if err := testenv.UsePath("helm"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// template renders the chart with the real helm, for the release "outside" in the
// namespace "apps".
func template(t *testing.T, options terratest.Options, args ...string) string {
	t.Helper()
	options.Logger = logger.Discard
	options.KubectlOptions = k8s.NewKubectlOptions("", "", "apps")
	return terratest.RenderTemplateContext(t, t.Context(), &options, testenv.Chart(), "outside", nil, append(args, testenv.GatewayAPI()...)...)
}

func decode(t *testing.T, manifests string) *helm.Result {
	t.Helper()
	result, err := helm.Decode(manifests)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// scenarios are the values that the repository ships, and those of testdata/values.
func scenarios(t *testing.T) []testenv.Scenario {
	t.Helper()
	list, err := testenv.Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "values", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata/values: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		list = append(list, testenv.Scenario{Name: name, Files: []string{file}})
	}
	return list
}

// Each scenario renders what its golden file holds, decodes strictly to the kinds that
// the chart has, and renders the same with Helm 4 and through the library that extsvc
// uses.
func TestGolden(t *testing.T) {
	for _, scenario := range scenarios(t) {
		t.Run(scenario.Name, func(t *testing.T) {
			t.Parallel()
			// The Pod of helm test is much the same in all of them: see TestTestPod.
			manifests := template(t, terratest.Options{ValuesFiles: scenario.Files}, "--skip-tests")
			want := decode(t, template(t, terratest.Options{ValuesFiles: scenario.Files}))

			golden := filepath.Join("testdata", "golden", scenario.Name+".yaml")
			if *update {
				if err := os.WriteFile(golden, []byte(manifests), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v: run make generate", err)
			}
			if diff := cmp.Diff(string(text), manifests); diff != "" {
				t.Errorf("helm template differs from %s; if that is meant, run make generate (-want +got):\n%s", golden, diff)
			}

			args := append([]string{"template", "outside", testenv.Chart(), "--namespace", "apps"}, testenv.GatewayAPI()...)
			for _, file := range scenario.Files {
				args = append(args, "-f", file)
			}
			four, err := helm4(t, args...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, decode(t, four), objects); diff != "" {
				t.Errorf("Helm 3 and 4 render different objects (-3 +4):\n%s", diff)
			}

			chart, err := helm.Embedded()
			if err != nil {
				t.Fatal(err)
			}
			values, err := helm.Merge(helm.Values{ValueFiles: scenario.Files})
			if err != nil {
				t.Fatal(err)
			}
			result, err := helm.Render(chart, helm.Release{Name: "outside", Namespace: "apps"}, values)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, decode(t, result.YAML()), objects); diff != "" {
				t.Errorf("helm and extsvc render different objects (-helm +extsvc):\n%s", diff)
			}
		})
	}
}

// Both majors of Helm lint every scenario without a fault. helm lint has no --api-versions, and logs that the Gateway API
// is missing.
func TestLint(t *testing.T) {
	for _, scenario := range scenarios(t) {
		t.Run(scenario.Name, func(t *testing.T) {
			t.Parallel()
			args := []string{"lint", testenv.Chart(), "--namespace", "apps"}
			for _, file := range scenario.Files {
				args = append(args, "-f", file)
			}
			for name, run := range map[string]func(*testing.T, ...string) (string, error){"Helm 3": helm3, "Helm 4": helm4} {
				out, err := run(t, args...)
				out = regexp.MustCompile(`(?m)^.*Fail:.* which the cluster does not have: .*$`).ReplaceAllString(out, "")
				if err != nil || strings.Contains(out, "[ERROR]") || strings.Contains(out, "Fail:") {
					t.Errorf("%s: %v\n%s", name, err, out)
				}
			}
		})
	}
}

func helm3(t *testing.T, args ...string) (string, error) { return run(t, "helm", args...) }
func helm4(t *testing.T, args ...string) (string, error) { return run(t, "helm4", args...) }

// run runs a program of .bin and returns what it prints; the error has what it says.
func run(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	path, err := testenv.Binary(program)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %q: %w\n%s", program, args, err, stderr.String())
	}
	return stdout.String(), nil
}

// A golden file whose scenario is gone would stay forever.
func TestNoStrayGolden(t *testing.T) {
	shipped := map[string]bool{}
	for _, scenario := range scenarios(t) {
		if shipped[scenario.Name] {
			t.Errorf("two scenarios have the name %s", scenario.Name)
		}
		shipped[scenario.Name] = true
	}
	goldens, err := filepath.Glob("testdata/golden/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, golden := range goldens {
		if !shipped[strings.TrimSuffix(filepath.Base(golden), ".yaml")] {
			t.Errorf("%s belongs to no scenario: delete it", golden)
		}
	}
}

// The example renders what people write by hand for the same two mappings, and
// nothing else. Beyond it stand the chart's labels, and the IP family of the
// Service, which a hand-written one takes from the cluster. The Pod of helm test is a
// hook and no part of the release.
func TestArticle(t *testing.T) {
	for kind, file := range map[string]string{
		"EndpointSlice": "testdata/article/endpointslice.yaml",
		"Endpoints":     "testdata/article/endpoints.yaml",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			hand, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := decode(t, string(hand))
			got := decode(t, template(t, terratest.Options{
				ValuesFiles: []string{testenv.Path("values-examples", "article.yaml")},
				SetValues:   map[string]string{"endpoints.kind": kind},
			}, "--skip-tests"))
			for _, service := range got.Services {
				service.Labels = nil
				if service.Spec.Type == corev1.ServiceTypeClusterIP {
					if fmt.Sprint(service.Spec.IPFamilies) != "[IPv4]" || *service.Spec.IPFamilyPolicy != corev1.IPFamilyPolicySingleStack {
						t.Errorf("%s has the families %v, want IPv4 alone", service.Name, service.Spec.IPFamilies)
					}
					service.Spec.Type, service.Spec.IPFamilies, service.Spec.IPFamilyPolicy = "", nil, nil
				}
			}
			for _, slice := range got.EndpointSlices {
				slice.Labels = map[string]string{"kubernetes.io/service-name": slice.Labels["kubernetes.io/service-name"]}
			}
			for _, endpoints := range got.Endpoints {
				endpoints.Labels = nil
			}
			if diff := cmp.Diff(want, got, objects); diff != "" {
				t.Errorf("(-by hand +chart):\n%s", diff)
			}
		})
	}
}

// An address list is cut into slices of one family each, in the user's order.
func TestSlices(t *testing.T) {
	got := decode(t, template(t, terratest.Options{
		SetJSONValues: map[string]string{"services": `[{"name": "orders", "ports": [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "dns", "port": 53, "protocol": "UDP"}],
			"addresses": ["10.0.0.5", "2001:db8::5", {"ip": "10.0.0.4", "ready": false}, "10.0.0.3", "2001:db8::4", "10.0.0.2", {"ip": "10.0.0.1", "ready": true}]}]`},
		SetValues: map[string]string{"endpoints.maxPerSlice": "2"},
	}))
	if len(got.Services) != 1 || len(got.Endpoints) != 0 {
		t.Fatalf("%d Services and %d Endpoints, want 1 and 0", len(got.Services), len(got.Endpoints))
	}
	if policy := *got.Services[0].Spec.IPFamilyPolicy; policy != corev1.IPFamilyPolicyPreferDualStack {
		t.Errorf("ipFamilyPolicy %s, want PreferDualStack", policy)
	}
	if families := got.Services[0].Spec.IPFamilies; families != nil {
		t.Errorf("ipFamilies %v, want them left to the cluster", families)
	}
	slices := map[string]string{}
	for _, slice := range got.EndpointSlices {
		var addresses []string
		for _, endpoint := range slice.Endpoints {
			if len(endpoint.Addresses) != 1 {
				t.Errorf("%s has an endpoint with the addresses %q, want one address an endpoint", slice.Name, endpoint.Addresses)
			}
			addresses = append(addresses, fmt.Sprintf("%s %t", endpoint.Addresses[0], *endpoint.Conditions.Ready))
		}
		slices[slice.Name] = fmt.Sprintf("%s: %s", slice.AddressType, strings.Join(addresses, ", "))
		if service := slice.Labels["kubernetes.io/service-name"]; service != "orders" {
			t.Errorf("%s belongs to the Service %q", slice.Name, service)
		}
		if by := slice.Labels["endpointslice.kubernetes.io/managed-by"]; by != "external-services" {
			t.Errorf("%s is managed by %q", slice.Name, by)
		}
		for i, port := range slice.Ports {
			want := got.Services[0].Spec.Ports[i]
			if *port.Name != want.Name {
				t.Errorf("%s has the port name %q, the Service %q", slice.Name, *port.Name, want.Name)
			}
			if protocol := deref(port.Protocol); protocol != want.Protocol {
				t.Errorf("%s has the protocol %q, the Service %q", slice.Name, protocol, want.Protocol)
			}
		}
		if ports := fmt.Sprint(*slice.Ports[0].Port, *slice.Ports[1].Port); ports != "8080 53" {
			t.Errorf("%s has the ports %s, want the target ports 8080 53", slice.Name, ports)
		}
	}
	want := map[string]string{
		"orders-ipv4-0": "IPv4: 10.0.0.5 true, 10.0.0.4 false",
		"orders-ipv4-1": "IPv4: 10.0.0.3 true, 10.0.0.2 true",
		"orders-ipv4-2": "IPv4: 10.0.0.1 true",
		"orders-ipv6-0": "IPv6: 2001:db8::5 true, 2001:db8::4 true",
	}
	if diff := cmp.Diff(want, slices); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestIPv6Only(t *testing.T) {
	got := decode(t, template(t, terratest.Options{
		SetJSONValues: map[string]string{"services": `[{"name": "orders", "ports": [{"port": 80}], "addresses": ["2001:db8::5"]}]`},
	}))
	spec := got.Services[0].Spec
	if fmt.Sprint(spec.IPFamilies) != "[IPv6]" || *spec.IPFamilyPolicy != corev1.IPFamilyPolicySingleStack {
		t.Errorf("families %v with the policy %s, want IPv6 alone", spec.IPFamilies, *spec.IPFamilyPolicy)
	}
	if len(got.EndpointSlices) != 1 || got.EndpointSlices[0].Name != "orders-ipv6-0" {
		t.Errorf("EndpointSlices %v, want orders-ipv6-0 alone", got.EndpointSlices)
	}
}

// An entry's labels and annotations win over the common ones, also when empty, and
// the chart's own labels stay.
func TestLabelsAndAnnotations(t *testing.T) {
	got := decode(t, template(t, terratest.Options{SetJSONValues: map[string]string{
		"commonLabels":      `{"team": "platform", "stage": "prod"}`,
		"commonAnnotations": `{"note": "common", "contact": "platform-team"}`,
		"services": `[{"name": "orders", "addresses": ["10.0.0.1"], "ports": [{"port": 80}], "labels": {"team": "", "tier": "1"}, "annotations": {"note": ""}},
			{"name": "plain", "externalName": "a.example"}]`,
	}}))
	own := func(more map[string]string) map[string]string {
		labels := map[string]string{
			"helm.sh/chart": "external-services-0.1.0", "app.kubernetes.io/name": "external-services", "app.kubernetes.io/instance": "outside",
			"app.kubernetes.io/managed-by": "Helm", "external-services/backend": "external", "stage": "prod",
		}
		maps.Copy(labels, more)
		return labels
	}
	for name, c := range map[string]struct {
		object                    metav1.Object
		wantLabels, wantAnnotated map[string]string
	}{
		"Service": {got.Services[0], own(map[string]string{"team": "", "tier": "1"}), map[string]string{"note": "", "contact": "platform-team"}},
		"EndpointSlice": {got.EndpointSlices[0], own(map[string]string{
			"team": "", "tier": "1", "kubernetes.io/service-name": "orders", "endpointslice.kubernetes.io/managed-by": "external-services",
		}), map[string]string{"note": "", "contact": "platform-team"}},
		"Service without its own": {got.Services[1], own(map[string]string{"team": "platform"}), map[string]string{"note": "common", "contact": "platform-team"}},
	} {
		if diff := cmp.Diff(c.wantLabels, c.object.GetLabels()); diff != "" {
			t.Errorf("%s: labels (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(c.wantAnnotated, c.object.GetAnnotations()); diff != "" {
			t.Errorf("%s: annotations (-want +got):\n%s", name, diff)
		}
	}
}

// The Pod of helm test: one for all mappings of a release, as restricted as a Pod can
// be, without a token, and with a name of its own for each alias of the chart.
func TestTestPod(t *testing.T) {
	got := decode(t, template(t, terratest.Options{ValuesFiles: []string{testenv.Path("charts", "external-services", "ci", "every-key-values.yaml")}}))
	if len(got.Pods) != 1 {
		t.Fatalf("%d Pods, want 1", len(got.Pods))
	}
	pod := got.Pods[0]
	if pod.Annotations["helm.sh/hook"] != "test" || pod.Name != "outside-external-services-test" || pod.Namespace != "apps" {
		t.Errorf("the Pod %s/%s has the annotations %v", pod.Namespace, pod.Name, pod.Annotations)
	}
	if pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken {
		t.Error("the Pod has a token")
	}
	if pod.Labels["team"] != "platform" || pod.Annotations["contact"] != "platform-team" {
		t.Errorf("the Pod has not what every object has, but the labels %v and the annotations %v", pod.Labels, pod.Annotations)
	}
	container := pod.Spec.Containers[0]
	if container.Resources.Requests.Cpu().IsZero() || container.Resources.Limits.Memory().IsZero() {
		t.Errorf("the Pod has the resources %v", container.Resources)
	}
	// TCP ports only, and none where no address is ready to answer
	want := []string{"5", "named.apps-two 3306", "overridden.apps-two", "sliced.apps-two 80", "alias.apps 443", "checked.apps 80", "headless.apps 9092", "legacy.apps 389", "moved.apps 443", "moved-alias.apps 443", "moving.apps 80", "overridden.apps", "parked.apps 80"}
	if diff := cmp.Diff(want, container.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	none := decode(t, template(t, terratest.Options{SetJSONValues: map[string]string{"services": `[{"name": "a", "addresses": [{"ip": "10.0.0.1", "ready": false}], "ports": [{"port": 80}]}]`}}))
	if args := none.Pods[0].Spec.Containers[0].Args; len(args) != 2 || args[1] != "a.apps" {
		t.Errorf("where no address is ready, the arguments are %q", args)
	}
	headless := decode(t, template(t, terratest.Options{SetJSONValues: map[string]string{"services": `[{"name": "a", "externalName": "a.example"},
		{"name": "none", "headless": true, "addresses": [{"ip": "10.0.0.1", "ready": false}], "ports": [{"port": 80}]},
		{"name": "published", "headless": true, "publishNotReadyAddresses": true, "addresses": [{"ip": "10.0.0.1", "ready": false}], "ports": [{"port": 80}]}]`}}))
	if args := headless.Pods[0].Spec.Containers[0].Args; len(args) != 3 || args[2] != "published.apps 80" {
		t.Errorf("for headless Services, the arguments are %q", args)
	}
	digest := decode(t, template(t, terratest.Options{
		SetJSONValues: map[string]string{"services": `[{"name": "a", "externalName": "a.example"}]`},
		SetValues:     map[string]string{"tests.image.repository": "registry.example/busybox", "tests.image.digest": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
	}))
	if image := digest.Pods[0].Spec.Containers[0].Image; image != "registry.example/busybox@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" {
		t.Errorf("with a digest the image is %s", image)
	}
	if empty := decode(t, template(t, terratest.Options{})); len(empty.Pods) != 0 {
		t.Error("there is a Pod where nothing is mapped")
	}
}

// What a user sets to null is gone from the chart's defaults too: the templates fall back
// to the same ones, which this holds them to.
func TestNullIsTheDefault(t *testing.T) {
	const entry = `"services": [{"name": "a", "addresses": ["10.0.0.1"], "ports": [{"port": 80}]}]`
	file := func(values string) []string {
		path := filepath.Join(t.TempDir(), "values.json")
		if err := os.WriteFile(path, []byte(values), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{path}
	}
	many := make([]string, 250)
	for i := range many {
		many[i] = fmt.Sprintf("%q", fmt.Sprintf("10.1.0.%d", i+1))
	}
	long := strings.Replace(entry, `"10.0.0.1"`, strings.Join(many, ", "), 1)
	want := template(t, terratest.Options{ValuesFiles: file("{" + long + "}")})
	for _, null := range []string{
		`"enabled": null`, `"endpoints": null`, `"endpoints": {"kind": null, "maxPerSlice": null}`,
		`"resolver": null`, `"tests": {"enabled": null, "image": null, "timeoutSeconds": null}`, `"tests": {"image": {"repository": null, "tag": null, "pullPolicy": null}}`,
	} {
		if diff := cmp.Diff(want, template(t, terratest.Options{ValuesFiles: file("{" + null + ", " + long + "}")})); diff != "" {
			t.Errorf("%s renders other than the default (-default +null):\n%s", null, diff)
		}
	}
	// Resources are no more than the values say.
	bare := regexp.MustCompile(`(?m)^      resources:\n(?:        .*\n)+`).ReplaceAllString(want, "")
	for _, null := range []string{`"tests": null`, `"tests": {"resources": null}`, `"tests": {"resources": {"limits": null, "requests": null}}`} {
		if diff := cmp.Diff(bare, template(t, terratest.Options{ValuesFiles: file("{" + null + ", " + long + "}")})); diff != "" || bare == want {
			t.Errorf("%s renders other than a Pod without resources (-want +null):\n%s", null, diff)
		}
	}
}

// The test Pod takes the cluster's domain from the first search domain, which the
// kubelet writes, also where the node has one of its own that looks alike.
func TestTestPodDomain(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(testenv.Chart(), "files", "test.sh"))
	if err != nil {
		t.Fatal(err)
	}
	expression := regexp.MustCompile(`sed -n '([^']+)' /etc/resolv.conf`).FindSubmatch(script)
	if expression == nil {
		t.Fatal("test.sh has no such line")
	}
	for text, want := range map[string]string{
		"nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n": "cluster.local\n",
		"search shop.svc.corp.internal svc.corp.internal corp.internal svc.corp.example\nnameserver 10.96.0.10\n": "corp.internal\n",
		"nameserver 10.96.0.10\n": "",
	} {
		cmd := exec.CommandContext(t.Context(), "sed", "-n", string(expression[1]))
		cmd.Stdin = strings.NewReader(text)
		if got, err := cmd.Output(); err != nil || string(got) != want {
			t.Errorf("%q has the domain %q, %v, want %q", text, got, err, want)
		}
	}
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
