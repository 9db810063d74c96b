package build

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// The modules of the components, whose versions are those of the cluster.
const (
	kubernetesModule = "k8s.io/kubernetes"
	etcdModule       = "go.etcd.io/etcd/server/v3"
	coreDNSModule    = "github.com/coredns/coredns"
)

// What versions are called.
const (
	kubernetes = "kubernetes"
	etcd       = "etcd"
	coreDNS    = "coredns"
)

var (
	requiredKubernetes = regexp.MustCompile(`(?m)^\s*(?:require\s+)?k8s\.io/kubernetes\s+(v\S+)`)
	releaseVersion     = regexp.MustCompile(`^v(\d+)\.(\d+)\.\d+$`)
)

// kubernetesVersion returns the version of Kubernetes that the content of a go.mod file asks for. That file is the only
// place that decides it.
func kubernetesVersion(modfile []byte) (string, error) {
	m := requiredKubernetes.FindSubmatch(modfile)
	if m == nil {
		return "", fmt.Errorf("it does not require %s", kubernetesModule)
	}
	version := string(m[1])
	if !releaseVersion.MatchString(version) {
		return "", fmt.Errorf("it requires %s %s: name a release such as v1.37.2", kubernetesModule, version)
	}
	return version, nil
}

// linkerFlags makes the components say their version. Left alone, a build from modules says
// v0.0.0-master+$Format:%H$, which neither Helm nor kubectl can read.
func linkerFlags(version string) string {
	m := releaseVersion.FindStringSubmatch(version)
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags,
			"-X "+pkg+".gitVersion="+version,
			"-X "+pkg+".gitMajor="+m[1],
			"-X "+pkg+".gitMinor="+m[2])
	}
	return strings.Join(flags, " ")
}

// compilerFlags spare the compiler what a cluster does not need. No package gets the tables for a debugger, which the
// linker leaves out anyway. Packages that nothing else of the repository is built from are compiled without inlining (-l),
// which takes a third of the time off: most are generated, and what a busy API server does is elsewhere. The Makefile builds
// all else with the first of these flags, so that what both have is compiled once.
func compilerFlags(tags string) []string {
	const withoutTables, withoutInlining = "-dwarf=false", "-l -dwarf=false"
	flags := []string{"-gcflags=all=" + withoutTables}
	if tags == kubernetesTag {
		// Another version shares no package of Kubernetes with helm, kubectl and the tests.
		flags = append(flags, "-gcflags=k8s.io/client-go/applyconfigurations/...="+withoutInlining, "-gcflags=k8s.io/client-go/kubernetes/...="+withoutInlining)
	}
	return append(flags, "-gcflags=k8s.io/kubernetes/...="+withoutInlining)
}

// IsVersion reports whether a version of Kubernetes is the wanted one, which may be a minor version such as 1.34.
func IsVersion(version, wanted string) bool {
	version, wanted = strings.TrimPrefix(version, "v"), strings.TrimPrefix(wanted, "v")
	return version == wanted || strings.Count(wanted, ".") == 1 && strings.HasPrefix(version, wanted+".")
}

// versionIn returns the version in the name of a binary, as in components-v1.37.2-0123456789ab.
func versionIn(path, prefix string) string {
	version, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), prefix), "-")
	return version
}

func unknownVersion(wanted string, versions []string) error {
	return fmt.Errorf("--kubernetes %q: use %s, or the first two numbers of one", wanted, strings.Join(versions, " or "))
}

// Versions reads out of a binary which versions of the components it was built from. The keys are those of "kubernetes",
// "etcd" and "coredns" that are in it.
func Versions(binary string) (map[string]string, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("read the versions of the components: %w", err)
	}
	names := map[string]string{kubernetesModule: kubernetes, etcdModule: etcd, coreDNSModule: coreDNS}
	versions := make(map[string]string, len(names))
	for _, dep := range info.Deps {
		if name, ok := names[dep.Path]; ok {
			versions[name] = dep.Version
		}
	}
	return versions, nil
}

// readModfile returns the content of a go.mod file and the version of Kubernetes that it asks for.
func readModfile(path string) (content []byte, version string, err error) {
	if content, err = os.ReadFile(path); err != nil {
		return nil, "", fmt.Errorf("read the version of Kubernetes: %w", err)
	}
	if version, err = kubernetesVersion(content); err != nil {
		return nil, "", fmt.Errorf("read the version of Kubernetes from %s: %w", path, err)
	}
	return content, version, nil
}
