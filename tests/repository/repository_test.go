// Package repository checks the repository itself: that what stands in two places
// says the same, and that the parts keep to their dependencies.
package repository

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/testenv"
)

func read(t *testing.T, elements ...string) string {
	t.Helper()
	text, err := os.ReadFile(testenv.Path(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ci/versions.env names the versions that the go.mod files pin.
func TestVersionsAgree(t *testing.T) {
	pinned := map[string]struct{ goMod, module string }{
		"KUBERNETES_VERSION":             {"tools/cluster/go.mod", "k8s.io/kubernetes"},
		"KUBERNETES_OLDEST_VERSION":      {"tools/cluster/kubernetes-1.34.mod", "k8s.io/kubernetes"},
		"ETCD_VERSION":                   {"tools/cluster/go.mod", "go.etcd.io/etcd/server/v3"},
		"COREDNS_VERSION":                {"tools/cluster/go.mod", "github.com/coredns/coredns"},
		"HELM_VERSION":                   {"go.mod", "helm.sh/helm/v3"},
		"HELM_KUBERNETES_VERSION":        {"go.mod", "k8s.io/client-go"},
		"HELM4_VERSION":                  {"ci/tools/go.mod", "helm.sh/helm/v4"},
		"TRAEFIK_VERSION":                {"ci/traefik/go.mod", "github.com/traefik/traefik/v3"},
		"FLUX_HELM_CONTROLLER_VERSION":   {"ci/flux/go.mod", "github.com/fluxcd/helm-controller"},
		"FLUX_SOURCE_CONTROLLER_VERSION": {"ci/flux/go.mod", "github.com/fluxcd/source-controller"},
		"ARGOCD_VERSION":                 {"ci/argocd/go.mod", "github.com/argoproj/argo-cd/v3"},
		"TERRATEST_VERSION":              {"go.mod", "github.com/gruntwork-io/terratest"},
		"CHART_TESTING_VERSION":          {"ci/tools/go.mod", "github.com/helm/chart-testing/v3"},
		"KIND_VERSION":                   {"ci/tools/go.mod", "sigs.k8s.io/kind"},
	}
	versions, err := testenv.Versions()
	if err != nil {
		t.Fatal(err)
	}
	// An image is pinned by its digest, where it is named.
	image := regexp.MustCompile(`^kindest/node:(v1\.\d+)\.\d+@sha256:[0-9a-f]{64}$`).FindStringSubmatch(versions["KIND_NODE_IMAGE"])
	if oldest := versions["KUBERNETES_OLDEST_VERSION"]; image == nil || !strings.HasPrefix(oldest, image[1]+".") {
		t.Errorf("ci/versions.env has KIND_NODE_IMAGE=%s, want a digest of the minor version of %s", versions["KIND_NODE_IMAGE"], oldest)
	}
	delete(versions, "KIND_NODE_IMAGE")
	// A go.mod has the oldest Go that compiles it; what is released is compiled by one version.
	if version := versions["GO_VERSION"]; !regexp.MustCompile(`^go1\.\d+\.\d+$`).MatchString(version) {
		t.Errorf("ci/versions.env has GO_VERSION=%s, want one version, such as go1.26.8", version)
	}
	delete(versions, "GO_VERSION")
	// npm has no go.mod: the version is pinned where it is named.
	if version := versions["YAML_LANGUAGE_SERVER_VERSION"]; !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(version) {
		t.Errorf("ci/versions.env has YAML_LANGUAGE_SERVER_VERSION=%s, want one version", version)
	}
	delete(versions, "YAML_LANGUAGE_SERVER_VERSION")
	for name, version := range versions {
		pin, ok := pinned[name]
		if !ok {
			t.Errorf("ci/versions.env has %s, and this test does not know where it is pinned", name)
			continue
		}
		if got := required(t, pin.goMod)[pin.module]; got != version {
			t.Errorf("ci/versions.env has %s=%s, and %s pins %s %s", name, version, pin.goMod, pin.module, got)
		}
	}
	for name := range pinned {
		if versions[name] == "" {
			t.Errorf("ci/versions.env does not have %s", name)
		}
	}
}

// required lists the versions that a go.mod requires.
func required(t *testing.T, goMod string) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for _, r := range parse(t, goMod).Require {
		versions[r.Mod.Path] = r.Mod.Version
	}
	return versions
}

func parse(t *testing.T, goMod string) *modfile.File {
	t.Helper()
	file, err := modfile.Parse(goMod, []byte(read(t, goMod)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// The embedded cluster is built for two versions of Kubernetes. Each takes all of its
// modules from one release, and what is not Kubernetes is the same, so that it is
// compiled once.
func TestModulesOfTheCluster(t *testing.T) {
	const latest, oldest = "tools/cluster/go.mod", "tools/cluster/kubernetes-1.34.mod"
	replaced := map[string]bool{}
	for _, goMod := range []string{latest, oldest} {
		file := parse(t, goMod)
		want := strings.Replace(required(t, goMod)["k8s.io/kubernetes"], "v1.", "v0.", 1)
		for _, r := range file.Replace {
			replaced[r.Old.Path] = true
			if r.New.Path != r.Old.Path || r.New.Version != want {
				t.Errorf("%s replaces %s by %s %s, want version %s", goMod, r.Old.Path, r.New.Path, r.New.Version, want)
			}
		}
		if len(file.Replace) < 25 {
			t.Errorf("%s has %d replaced modules, want those of Kubernetes", goMod, len(file.Replace))
		}
	}
	var different []string
	versions := required(t, oldest)
	for module, version := range required(t, latest) {
		if other, ok := versions[module]; ok && other != version && !replaced[module] {
			different = append(different, module)
		}
	}
	slices.Sort(different)
	// Kubernetes 1.34 does not compile with a later version of the first.
	want := []string{"github.com/opencontainers/cgroups", "k8s.io/kubernetes"}
	if !slices.Equal(different, want) {
		t.Errorf("%s and %s have different versions of %q, want so of %q", latest, oldest, different, want)
	}
}

// A module that several go.mod files need has one version in all of them: what is built from
// it is compiled once. (What needs a module indirectly counts too.)
func TestModulesAreShared(t *testing.T) {
	versions := map[string]map[string]bool{}
	for _, goMod := range []string{"go.mod", "ci/tools/go.mod", "tools/cluster/go.mod"} {
		for module, version := range required(t, goMod) {
			if version == "v0.0.0" {
				continue // one of Kubernetes, which that go.mod replaces
			}
			if versions[module] == nil {
				versions[module] = map[string]bool{}
			}
			versions[module][version] = true
		}
	}
	var several []string
	for module, found := range versions {
		if len(found) > 1 {
			several = append(several, module)
		}
	}
	slices.Sort(several)
	// chart-testing was made with an older Helm, and nothing is built from both of the other.
	if want := []string{"golang.org/x/exp", "helm.sh/helm/v3"}; !slices.Equal(several, want) {
		t.Errorf("there are several versions of %q, want so of %q: go get the latest of them in each module", several, want)
	}
}

// The tools stay quick to build: they hold neither terratest nor the AWS SDK that
// it brings, and nothing of the tests. Helm has one importer.
func TestDependenciesOfTheTools(t *testing.T) {
	for _, dependency := range goList(t, "-deps", "./tools/...") {
		if strings.Contains(dependency, "gruntwork-io") || strings.Contains(dependency, "aws") || strings.HasPrefix(dependency, "external-services/tests/") {
			t.Errorf("./tools/... depends on %s", dependency)
		}
	}
	var importers []string
	for _, line := range goList(t, "-f", `{{.ImportPath}} {{join .Imports ","}}`, "./tools/...") {
		if importPath, imports, _ := strings.Cut(line, " "); strings.Contains(imports, "helm.sh/helm/") {
			importers = append(importers, importPath)
		}
	}
	if want := []string{"external-services/tools/helm"}; !slices.Equal(importers, want) {
		t.Errorf("Helm is imported by %q, want %q", importers, want)
	}
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = testenv.Root()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %q: %v", args, err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// Artifact Hub shows these fields of the chart. tools/cmd/generate tests the generated annotations.
func TestChartMetadata(t *testing.T) {
	var chart struct {
		Description string            `json:"description"`
		KubeVersion string            `json:"kubeVersion"`
		Keywords    []string          `json:"keywords"`
		Annotations map[string]string `json:"annotations"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "charts", "external-services", "Chart.yaml")), &chart); err != nil {
		t.Fatal(err)
	}
	if chart.KubeVersion != ">=1.21.0-0" {
		t.Errorf("kubeVersion is %q", chart.KubeVersion)
	}
	// The categories of https://artifacthub.io/docs/topics/annotations/helm/.
	categories := []string{
		"ai-machine-learning", "database", "integration-delivery", "monitoring-logging", "networking", "security", "storage", "streaming-messaging",
	}
	if category := chart.Annotations["artifacthub.io/category"]; !slices.Contains(categories, category) {
		t.Errorf("artifacthub.io/category is %q, want one of %q", category, categories)
	}
	if chart.Description == "" || len(chart.Keywords) == 0 || chart.Annotations["artifacthub.io/license"] != "Apache-2.0" {
		t.Errorf("something is missing in %+v", chart)
	}
	var links []struct{ Name, URL string }
	if err := yaml.UnmarshalStrict([]byte(chart.Annotations["artifacthub.io/links"]), &links); err != nil || len(links) == 0 {
		t.Fatalf("artifacthub.io/links: %d links, %v", len(links), err)
	}
	for _, link := range links {
		if link.Name == "" || !strings.HasPrefix(link.URL, "https://") {
			t.Errorf("artifacthub.io/links has %+v", link)
		}
	}
	var recommendations []struct{ URL string }
	if err := yaml.UnmarshalStrict([]byte(chart.Annotations["artifacthub.io/recommendations"]), &recommendations); err != nil || len(recommendations) == 0 {
		t.Fatalf("artifacthub.io/recommendations: %d packages, %v", len(recommendations), err)
	}
	for _, r := range recommendations {
		if !regexp.MustCompile(`^https://artifacthub\.io/packages/helm/[a-z-]+/[a-z-]+$`).MatchString(r.URL) {
			t.Errorf("artifacthub.io/recommendations has %+v", r)
		}
	}
}

// The chart has the licence of the repository.
func TestLicense(t *testing.T) {
	if read(t, "LICENSE") != read(t, "charts", "external-services", "LICENSE") {
		t.Error("LICENSE is not charts/external-services/LICENSE")
	}
}

// Editors find the schema by the first line of a values file.
func TestModelines(t *testing.T) {
	files := []string{testenv.Path("charts", "external-services", "values.yaml")}
	for _, pattern := range []string{"*.yaml", "environments/*.yaml", "migration/*.yaml"} {
		matches, err := filepath.Glob(testenv.Path("values-examples", pattern))
		if err != nil || len(matches) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(matches), err)
		}
		files = append(files, matches...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		relative, found := strings.CutPrefix(line, "# yaml-language-server: $schema=")
		if schema := filepath.Join(filepath.Dir(file), relative); !found || schema != testenv.Path("charts", "external-services", "values.schema.json") {
			t.Errorf("the first line of %s is %q, which leads to %s", file, line, schema)
		}
	}
}
