// Package cluster installs the chart with the real helm into a real cluster, and
// checks the objects as the API server stores them and the traffic as a pod has it.
package cluster

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gruntwork-io/terratest/modules/helm"
	"github.com/gruntwork-io/terratest/modules/k8s"
	"github.com/gruntwork-io/terratest/modules/logger"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"external-services/tests/internal/kind"
	"external-services/tests/internal/mariadb"
	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
)

var (
	cluster *testenv.Cluster
	client  kubernetes.Interface

	dynamicClient dynamic.Interface

	gatewayAPI sync.Once

	// It is one of these, and the other is nil.
	embeddedCluster *testenv.Embedded
	kindCluster     *kind.Cluster
)

func TestMain(m *testing.M) { testenv.Main(m, start) }

// start starts the embedded cluster, or takes the kind cluster where there is one.
func start(ctx context.Context) (clusters []testenv.Started, err error) {
	if err := testenv.UsePath("helm", "helm4", "cluster", "probe"); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 {
		if err := mariadb.Check(); err != nil {
			return nil, err
		}
	}
	if os.Getenv(kind.Variable) != "" {
		if kindCluster, err = kind.Open(ctx); err != nil {
			return nil, err
		}
		cluster, clusters = &kindCluster.Cluster, append(clusters, kindCluster)
	} else {
		if embeddedCluster, err = testenv.Start(ctx, "test", os.Stderr); err != nil {
			return nil, err
		}
		cluster, clusters = &embeddedCluster.Cluster, append(clusters, embeddedCluster)
	}
	if client, err = cluster.Client(); err == nil {
		dynamicClient, err = cluster.Dynamic()
	}
	return clusters, err
}

// needEmbedded leaves a test out that is about the embedded cluster alone.
func needEmbedded(t *testing.T, why string) {
	t.Helper()
	if embeddedCluster == nil {
		testenv.LeaveOut(t, why)
	}
}

// onlyAPI leaves a test out that is about objects of the API server alone, where time is
// short and the cluster is no embedded one: that has such a server too.
func onlyAPI(t *testing.T) {
	t.Helper()
	if embeddedCluster == nil && testing.Short() {
		testenv.LeaveOut(t, "it has no traffic and no pods (make test-kind ALL=1 runs it)")
	}
}

// installGatewayAPI has the cluster know the Gateway API from now on.
func installGatewayAPI(t *testing.T) {
	t.Helper()
	gatewayAPI.Do(func() {
		if err := testenv.InstallGatewayAPI(t.Context(), cluster.Kubeconfig); err != nil {
			t.Fatal(err)
		}
	})
}

// unlessShort leaves one of two Helms out of a test that takes long with each, where time is
// short and the cluster is no embedded one: there both go the same way.
func unlessShort(t *testing.T, program string) {
	t.Helper()
	if embeddedCluster == nil && testing.Short() && program != "helm4" {
		testenv.LeaveOut(t, "with Helm 4 it runs (make test-kind ALL=1 runs both)")
	}
}

// needIPv6 leaves a test out where pods have no IPv6 addresses.
func needIPv6(t *testing.T) {
	t.Helper()
	if !cluster.IPv6 {
		testenv.LeaveOut(t, "this cluster has IPv4 only")
	}
}

// needDataPlane skips a test about traffic where there is none; TestMain says so
// once more at the end.
func needDataPlane(t *testing.T) {
	t.Helper()
	if !cluster.DataPlane {
		t.Skip("NOT PROVEN, for there is no data plane: ", cluster.LeftOut)
	}
}

// options are those of a release in a namespace. The tests use no kubeconfig but
// that of their own cluster.
func options(namespace string) *helm.Options {
	kubectl := k8s.NewKubectlOptions("", cluster.Kubeconfig, namespace)
	kubectl.Logger = logger.Discard
	return &helm.Options{KubectlOptions: kubectl, Logger: logger.Discard}
}

// makeNamespace makes a namespace for the test, if it is not there.
func makeNamespace(t *testing.T, name string) {
	t.Helper()
	_, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// install installs the chart and uninstalls it when the test ends.
func install(t *testing.T, release string, o *helm.Options) {
	t.Helper()
	helm.InstallContext(t, t.Context(), o, testenv.Chart(), release)
	t.Cleanup(func() { uninstall(t, release, o) })
}

// upgrade upgrades a release.
func upgrade(t *testing.T, release string, o *helm.Options) {
	t.Helper()
	helm.UpgradeContext(t, t.Context(), o, testenv.Chart(), release)
}

// uninstall uninstalls a release, if it is there.
func uninstall(t *testing.T, release string, o *helm.Options) {
	t.Helper()
	o.ExtraArgs = map[string][]string{"delete": {"--ignore-not-found"}}
	helm.DeleteContext(t, context.WithoutCancel(t.Context()), o, release, true)
}

// values writes a values file.
func values(t *testing.T, text string) []string {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "values-*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := io.WriteString(file, text); err != nil {
		t.Fatal(err)
	}
	return []string{file.Name()}
}

// releaseOf is a release in the tests' own cluster, for helm, which is Helm 3, or helm4.
func releaseOf(t *testing.T, program, name, namespace string) release.Release {
	t.Helper()
	return release.Of(t, program, name, namespace, cluster.Kubeconfig)
}

// defaultWait is what controllers, kube-proxy and CoreDNS get to do their work: some
// seconds on an idle machine. What waits goes on as soon as it is done.
const defaultWait = 2 * time.Minute

// eventually waits until a condition holds, which is what controllers and
// kube-proxy take, and fails with what the condition last said.
func eventually(t *testing.T, within time.Duration, what string, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s, not within %s: %v", what, within, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// leftovers lists the objects that carry the label of a release, in every
// namespace, and the release's own Secrets.
func leftovers(t *testing.T, release string) []string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	selector := metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + release}
	var found []string
	services, err := client.CoreV1().Services("").List(ctx, selector)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range services.Items {
		found = append(found, "Service "+o.Namespace+"/"+o.Name)
	}
	slices, err := client.DiscoveryV1().EndpointSlices("").List(ctx, selector)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range slices.Items {
		found = append(found, "EndpointSlice "+o.Namespace+"/"+o.Name)
	}
	endpoints, err := client.CoreV1().Endpoints("").List(ctx, selector)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range endpoints.Items {
		found = append(found, "Endpoints "+o.Namespace+"/"+o.Name)
	}
	secrets, err := client.CoreV1().Secrets("").List(ctx, metav1.ListOptions{LabelSelector: "owner=helm,name=" + release})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range secrets.Items {
		found = append(found, "Secret "+o.Namespace+"/"+o.Name)
	}
	return found
}

// wantNoLeftovers fails when something of a release is left, after giving the
// controllers time to remove what they made.
func wantNoLeftovers(t *testing.T, release string) {
	t.Helper()
	eventually(t, defaultWait, "the release "+release+" leaves nothing", func() error {
		if found := leftovers(t, release); len(found) > 0 {
			return fmt.Errorf("found %s", strings.Join(found, ", "))
		}
		return nil
	})
}
