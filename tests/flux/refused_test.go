package flux

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/clients"
	"external-services/tests/internal/testenv"
)

// A Pod of helm test that does not finish fails the release, although its entries work, and with remediation uninstalls
// them. The Pod stays. With ignoreFailures the release is ready.
func TestTestPod(t *testing.T) {
	const values = "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}\n"
	for _, c := range []struct {
		namespace, fields string
		left              int
	}{
		{"tested", "", 2},
		{"tested-remediated", "\ninstall: {remediation: {remediateLastFailure: true}}", 0},
	} {
		t.Run(c.namespace, func(t *testing.T) {
			clients.MakeNamespace(t, cluster, c.namespace)
			r := apply(t, c.namespace, "outside", values, "test: {enable: true, timeout: 3s}"+c.fields)
			t.Cleanup(r.remove)
			r.eventually("the HelmRelease has stalled", func(s status) error {
				if s.condition("Stalled").Status != metav1.ConditionTrue {
					return fmt.Errorf("%+v", s.Status)
				}
				return nil
			})
			r.fails("Helm test failed for release " + c.namespace + "/outside")
			if left := r.live(); len(left) != c.left {
				t.Errorf("%d objects, want %d", len(left), c.left)
			}
			pods, err := client.CoreV1().Pods(c.namespace).List(t.Context(), metav1.ListOptions{})
			if err != nil || len(pods.Items) != 1 {
				t.Errorf("%d Pods, want that of the test: %v", len(pods.Items), err)
			}
			apply(t, c.namespace, "outside", values, "test: {enable: true, ignoreFailures: true, timeout: 3s}").ready()
		})
	}
}

// A chart that has this one twice, with one entry under both aliases, is refused before anything is made.
func TestOneEntryUnderTwoAliases(t *testing.T) {
	const namespace = "aliases"
	parent := filepath.Join(t.TempDir(), "shop")
	if err := os.CopyFS(filepath.Join(parent, "charts", "external-services"), os.DirFS(testenv.Chart())); err != nil {
		t.Fatal(err)
	}
	chart := `apiVersion: v2
name: shop
version: 0.1.0
dependencies:
- {name: external-services, version: ` + flux.Charts.Version + `, alias: databases}
- {name: external-services, version: ` + flux.Charts.Version + `, alias: queues}
`
	if err := os.WriteFile(filepath.Join(parent, "Chart.yaml"), []byte(chart), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := flux.Charts.Push(t.Context(), parent); err != nil {
		t.Fatal(err)
	}
	clients.MakeNamespace(t, cluster, namespace)
	// The index that Flux has of the repository is older.
	clients.Kubectl(t, cluster, fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: shop, namespace: %s}
spec: {interval: 10m, url: %q}
`, namespace, flux.Charts.Repository), "apply", "-f", "-")
	values := func(second string) string {
		return fmt.Sprintf(`databases: {services: [{name: orders, addresses: [10.0.4.11], ports: [{port: 80}]}]}
queues: {services: [{name: %s, addresses: [10.0.4.12], ports: [{port: 80}]}]}
`, second)
	}
	const from = "chart: {spec: {chart: shop, sourceRef: {kind: HelmRepository, name: shop}}}"
	r := apply(t, namespace, "outside", values("orders"), from)
	t.Cleanup(r.remove)
	r.fails("may not add resource with an already registered id")
	if live := r.live(); len(live) > 0 {
		t.Errorf("%v", live)
	}
	apply(t, namespace, "outside", values("jobs"), from).ready()
}

// The way from a ClusterIP to headless is refused, with upgrade.force too.
func TestHeadless(t *testing.T) {
	const namespace = "headless"
	values := "services:\n- {name: orders, addresses: [10.0.4.11], ports: [{port: 80}], headless: %t}\n"
	install(t, namespace, "outside", fmt.Sprintf(values, false), "")
	for _, fields := range []string{"", "upgrade: {force: true}"} {
		apply(t, namespace, "outside", fmt.Sprintf(values, true), fields).fails(`Service "orders" is invalid: spec.clusterIPs[0]: Invalid value: ["None"]: may not change once set`)
	}
}
