package gitops

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"external-services/tests/internal/advice"
	"external-services/tests/internal/guides"
	"external-services/tests/internal/manifests"
	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
	"external-services/tools/findings"
)

// kustomized applies what kustomize makes of values, with lines of a kustomization.yaml.
func kustomized(t *testing.T, s *testenv.APIServer, namespace string, files []string, lines string, more map[string]string) {
	t.Helper()
	dir := t.TempDir()
	rendered, err := release.Of(t, "helm4", "outside", namespace, s.Kubeconfig).Output("template", "outside", testenv.Chart(), "-f", files[0], "--skip-tests")
	if err != nil {
		t.Fatal(rendered)
	}
	content := map[string]string{"rendered.yaml": rendered, "kustomization.yaml": "resources: [rendered.yaml]\n" + lines}
	for name, text := range more {
		content[name] = text
	}
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range manifests.Parse(t, advice.Run(t, s.Kubeconfig, "kubectl kustomize "+dir)) {
		apply(t, s, o)
	}
}

// commonLabels of kustomize writes a selector into Services that have none, so that pods become endpoints. check knows
// that, and its advice mends it.
func TestKustomizeLabels(t *testing.T) {
	for name, lines := range map[string]string{
		"common":   "commonLabels: {team: shop}\n",
		"includes": "labels: [{pairs: {team: shop}, includeSelectors: true}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := servers[0]
			namespace := "kustomize-" + name
			s.MakeNamespace(t, namespace)
			makePod(t, s, namespace, map[string]string{"team": "shop"})
			files := release.Values(t, "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}\n- {name: parked, addresses: [10.0.4.12], ports: [{port: 80}], selector: {app: parked}}\n")
			kustomized(t, s, namespace, files, lines, nil)
			args := []string{"-n", namespace, "-f", files[0]}
			report := wantFindings(t, s, args, findings.Drift)
			f := report.Findings[0]
			if f.Entry != "orders" || !strings.Contains(f.Message, "selector is team=shop, expected none") || !strings.Contains(f.Cause, "kustomize wrote labels into the selector") {
				t.Errorf("%+v", f)
			}
			kustomized(t, s, namespace, files, "labels: [{pairs: {team: shop}, includeSelectors: false}]\n", nil)
			advice.Follow(t, s.Kubeconfig, f.Fix)
			wantFindings(t, s, args)
		})
	}
}

// namePrefix of kustomize leaves the label behind by which a slice names its Service. Both ways of the advice mend it.
func TestKustomizeNamePrefix(t *testing.T) {
	s := servers[0]
	const namespace = "kustomize-prefix"
	s.MakeNamespace(t, namespace)
	text := "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}\n"
	files := release.Values(t, text)
	kustomized(t, s, namespace, files, "namePrefix: dev-\n", nil)
	args := []string{"-n", namespace, "-f", files[0]}
	report := wantFindings(t, s, args, findings.ServiceMissing)
	f := report.Findings[0]
	for _, want := range []string{"the EndpointSlice dev-orders-ipv4-0 names it", "such as dev-orders", "namePrefix", `metadata/labels/kubernetes.io\/service-name`} {
		if !strings.Contains(f.Message+f.Cause+strings.Join(f.Fix, "\n"), want) {
			t.Errorf("%q is not in %+v", want, f)
		}
	}
	renamed := []string{"-n", namespace, "-f", release.Values(t, strings.Replace(text, "orders", "dev-orders", 1))[0]}
	kustomized(t, s, namespace, files, "namePrefix: dev-\nconfigurations: [names.yaml]\n", map[string]string{"names.yaml": `nameReference:
- kind: Service
  version: v1
  fieldSpecs:
  - {kind: EndpointSlice, path: metadata/labels/kubernetes.io\/service-name}
`})
	wantFindings(t, s, renamed)
	kustomized(t, s, namespace, renamed[3:], "", nil)
	wantFindings(t, s, renamed)
}

// The kustomization of the guide renders what helm renders, and without skipTests the Pod of helm test too.
func TestKustomizeRenders(t *testing.T) {
	s, files := servers[0], release.Values(t, "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}\n- {name: alias, externalName: reports.corp.example}\n")
	s.MakeNamespace(t, "shop")
	dir := filepath.Dir(files[0])
	if err := os.CopyFS(filepath.Join(dir, "charts", "external-services"), os.DirFS(testenv.Chart())); err != nil {
		t.Fatal(err)
	}
	shown := guides.Block(t, "gitops.md", "yaml", "helmCharts:")
	kinds := func(kustomization string) (names []string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(kustomization), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, o := range manifests.Parse(t, advice.Run(t, s.Kubeconfig, "kubectl kustomize --enable-helm "+dir)) {
			names = append(names, o.GetKind()+"/"+o.GetName())
		}
		slices.Sort(names)
		return names
	}
	var want []string
	for _, o := range manifests.Template(t, release.Of(t, "helm", "outside", "shop", s.Kubeconfig), files) {
		want = append(want, o.GetKind()+"/"+o.GetName())
	}
	slices.Sort(want)
	if got := kinds(shown); !slices.Equal(got, want) {
		t.Errorf("kustomize renders %q, want %q", got, want)
	}
	pods := slices.DeleteFunc(kinds(strings.Replace(shown, "skipTests: true", "skipTests: false", 1)), func(name string) bool { return slices.Contains(want, name) })
	if len(pods) != 1 || !strings.HasPrefix(pods[0], "Pod/") {
		t.Errorf("without skipTests there are also %q", pods)
	}
}
