package cluster

import (
	"os/exec"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/registry"
	"external-services/tests/internal/testenv"
)

// The chart is installed from an OCI registry, where its signature is right, as it is
// from its folder.
func TestInstallFromRegistry(t *testing.T) {
	r, key := registry.Start(t), registry.NewKey(t, "")
	helm4, err := testenv.Binary("helm4")
	if err != nil {
		t.Fatal(err)
	}
	r.Login(t, helm4)
	folder := t.TempDir()
	run := func(program string, args ...string) {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.Env = testenv.Root(), r.Environment()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v\n%s", program, args, err, out)
		}
	}
	generate, err := testenv.Binary("generate")
	if err != nil {
		t.Fatal(err)
	}
	run("ci/package.sh", helm4, generate, folder, "--sign", "--key", key.Name, "--keyring", key.Secret)
	archives, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(archives) != 1 {
		t.Fatalf("archives %q: %v", archives, err)
	}
	run(helm4, "push", archives[0], r.URL)

	for _, program := range []string{"helm", "helm4"} {
		t.Run(program, func(t *testing.T) {
			const namespace = "from-registry"
			makeNamespace(t, namespace)
			helm := releaseOf(t, program, "from-registry", namespace)
			t.Cleanup(helm.Uninstall)
			install := helm.Command("install", helm.Name, r.URL+"/external-services", "--verify", "--keyring", key.Public,
				"--set", "services[0].name=orders", "--set", "services[0].addresses={10.0.4.11}", "--set", "services[0].ports[0].port=80")
			install.Env = r.Environment()
			if out, err := install.CombinedOutput(); err != nil {
				t.Fatalf("helm install: %v\n%s", err, out)
			}
			slice, err := client.DiscoveryV1().EndpointSlices(namespace).Get(t.Context(), "orders-ipv4-0", metav1.GetOptions{})
			if err != nil || slice.Endpoints[0].Addresses[0] != "10.0.4.11" {
				t.Errorf("the EndpointSlice is %v, %v", slice, err)
			}
		})
	}
}
