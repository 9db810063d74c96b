// Package adoption takes over, under load, what somebody applied by hand.
package adoption

import (
	"context"
	"errors"
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
	"k8s.io/client-go/kubernetes"

	"external-services/tests/internal/article"
	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
	"external-services/tests/internal/traffic"
	"external-services/tools/helm"
)

// The cluster is one of its own: at the article's address listens a server that the load
// can call thousands of times, where the other tests have a MariaDB.
var (
	cluster *testenv.Embedded
	client  kubernetes.Interface
)

func TestMain(m *testing.M) { testenv.Main(m, start) }

func start(ctx context.Context) (clusters []*testenv.Embedded, err error) {
	if cluster, err = testenv.Start(ctx, "adoption", os.Stderr); err != nil {
		return nil, err
	}
	if cluster.DataPlane {
		err = setUp(ctx)
	}
	return []*testenv.Embedded{cluster}, err
}

const host, pod = "mysql", "app"

func setUp(ctx context.Context) error {
	var err error
	if client, err = cluster.Client(); err != nil {
		return err
	}
	if _, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: article.Namespace}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	return errors.Join(
		cluster.AddPod(ctx, pod, article.Namespace),
		cluster.AddOutside(ctx, host, []string{article.MySQLIP}),
		cluster.Serve(ctx, host, "tcp", fmt.Sprintf("%s:%d", article.MySQLIP, article.MySQLPort)),
	)
}

// The article's manifests, applied by hand, become a release under load: no connection
// fails, the ClusterIP stays, and when the Endpoints become EndpointSlices no mirrored
// slice is left.
func TestAdoption(t *testing.T) {
	if !cluster.DataPlane {
		t.Skip("NOT PROVEN, for there is no data plane: ", cluster.LeftOut)
	}
	for _, program := range []string{"helm", "helm4"} {
		for _, way := range []string{"take ownership", "labels and annotations"} {
			t.Run(program+"/"+way, func(t *testing.T) { adopt(t, program, way) })
		}
	}
}

func adopt(t *testing.T, program, way string) {
	ctx := t.Context()
	const name, atLeast, perPeriod = "outside", 5_000, 1_700
	applyByHand(t)
	t.Cleanup(func() { deleteAll(t) })
	r := release.Of(t, program, name, "default", cluster.Kubeconfig)
	t.Cleanup(r.Uninstall)
	clusterIP := service(t).Spec.ClusterIP

	address := fmt.Sprintf("%s.%s:%d", article.MySQL, article.Namespace, article.MySQLPort)
	// DNS knows the Service of the run before for a while.
	testenv.Eventually(t, "the hand-applied mapping works", func() error {
		resolved, err := cluster.Resolve(ctx, pod, article.MySQL+"."+article.Namespace)
		if err == nil && !slices.Equal(resolved.Addresses, []string{clusterIP}) {
			err = fmt.Errorf("it resolves to %q, want %s", resolved.Addresses, clusterIP)
		}
		if err != nil {
			return err
		}
		answers, err := cluster.Connect(ctx, pod, 1, address)
		if err == nil && len(answers.Failures) > 0 {
			err = errors.New(answers.Failures[0])
		}
		return err
	})
	load, err := cluster.Load(ctx, pod, traffic.Options{Address: address, LongLived: 4, Duration: 10 * time.Minute, Count: 200_000})
	if err != nil {
		t.Fatal(err)
	}
	step := func(mark string, do func()) {
		t.Helper()
		if mark != "" {
			load.Mark(mark)
			do()
		}
		if err := load.WaitFor(perPeriod); err != nil {
			t.Fatal(err)
		}
		if ip := service(t).Spec.ClusterIP; ip != clusterIP {
			t.Errorf("%s: the ClusterIP is %s, and it was %s", mark, ip, clusterIP)
		}
	}
	step("", nil) // the control period

	files := []string{imported(t)}
	var install []string
	if way == "take ownership" {
		install = append(install, "--take-ownership")
	} else {
		step("labels and annotations", func() { own(t, name) })
	}
	if program == "helm4" {
		// It applies on the server, where the fields are those of whoever applied them.
		install = append(install, "--force-conflicts")
	}
	step("installation", func() { r.Do("install", files, install...) })
	if got, want := managers(t), "endpointslicemirroring-controller.k8s.io"; got != want {
		t.Errorf("after the installation the EndpointSlices are managed by %q, want %q", got, want)
	}
	step("EndpointSlices", func() { r.Do("upgrade", files, "--set", "overrides.mysql-test.endpointsKind=EndpointSlice") })
	testenv.Eventually(t, "only our slice is left", func() error {
		if got, want := managers(t), "external-services"; got != want {
			return fmt.Errorf("the EndpointSlices are managed by %q, want %q", got, want)
		}
		_, err := client.CoreV1().Endpoints(article.Namespace).Get(ctx, article.MySQL, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("the Endpoints object is there still: %v", err)
		}
		return nil
	})
	report, err := load.Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s, %s\n%s", program, way, report)
	if failures := report.Failures(); len(failures) > 0 {
		t.Errorf("%d connections failed, %d of them in the control period without any change", len(failures), len(report.Control().Failures()))
	}
	if err := report.Between("whole", report.Marks[0].Time, report.End).Require(traffic.New, atLeast); err != nil {
		t.Error(err)
	}
	if err := report.Stayed(traffic.LongLived, report.Marks[0], 4); err != nil {
		t.Error(err)
	}
}

// manifests is the article's text.
func manifests() string {
	return testenv.Path("tests", "render", "testdata", "article", "endpoints.yaml")
}

// imported is the values file that extsvc import makes of the article's text.
func imported(t *testing.T) string {
	t.Helper()
	extsvc, err := testenv.Binary("extsvc")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	if out, err := exec.CommandContext(t.Context(), extsvc, "import", "-f", manifests(), "--write", file).CombinedOutput(); err != nil {
		t.Fatalf("extsvc import: %v\n%s", err, out)
	}
	return file
}

// applyByHand makes the objects of the article's text.
func applyByHand(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(manifests())
	if err != nil {
		t.Fatal(err)
	}
	objects, err := helm.Decode(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects.Services {
		if _, err := client.CoreV1().Services(o.Namespace).Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range objects.Endpoints {
		if _, err := client.CoreV1().Endpoints(o.Namespace).Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// deleteAll deletes what the release has not deleted.
func deleteAll(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	for name, namespace := range map[string]string{"svc1": "default", article.MySQL: article.Namespace} {
		if err := client.CoreV1().Services(namespace).Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
		if err := client.CoreV1().Endpoints(namespace).Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	}
	testenv.Eventually(t, "nothing is left", func() error {
		if got := managers(t); got != "" {
			return fmt.Errorf("EndpointSlices of %s", got)
		}
		return nil
	})
}

// own gives the objects the label and the annotations by which Helm knows its own, for a
// helm that has no --take-ownership.
func own(t *testing.T, name string) {
	t.Helper()
	patch := []byte(fmt.Sprintf(`{"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": %q, "meta.helm.sh/release-namespace": "default"}}}`, name))
	services := func(name, namespace string) error {
		_, err := client.CoreV1().Services(namespace).Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	}
	_, err := client.CoreV1().Endpoints(article.Namespace).Patch(t.Context(), article.MySQL, types.MergePatchType, patch, metav1.PatchOptions{})
	if err := errors.Join(err, services("svc1", "default"), services(article.MySQL, article.Namespace)); err != nil {
		t.Fatal(err)
	}
}

func service(t *testing.T) *corev1.Service {
	t.Helper()
	s, err := client.CoreV1().Services(article.Namespace).Get(context.WithoutCancel(t.Context()), article.MySQL, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// managers are those of the EndpointSlices of mysql-test.
func managers(t *testing.T) string {
	t.Helper()
	list, err := client.DiscoveryV1().EndpointSlices(article.Namespace).List(context.WithoutCancel(t.Context()), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + article.MySQL})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, slice := range list.Items {
		found = append(found, slice.Labels[discoveryv1.LabelManagedBy])
	}
	slices.Sort(found)
	return strings.Join(found, ", ")
}
