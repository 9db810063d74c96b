// Package walls tries out what docs/security.md and docs/walls.md of the chart say, on
// real API servers.
package walls

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"external-services/tests/internal/testenv"
)

// testCluster is a cluster of one version of Kubernetes.
type testCluster struct {
	*testenv.Embedded
	version string
	client  kubernetes.Interface
}

// clusters are of the newest version and of the oldest one.
var clusters []*testCluster

var programs = []string{"helm", "helm4"}

func TestMain(m *testing.M) { testenv.Main(m, start) }

func start(ctx context.Context) (started []*testenv.Embedded, err error) {
	// A run waits for controllers and API servers much of its time.
	if err := flag.Set("test.parallel", "6"); err != nil {
		return nil, err
	}
	pinned, err := testenv.Versions()
	if err != nil {
		return nil, err
	}
	for _, c := range []struct{ name, version string }{{"walls", pinned["KUBERNETES_VERSION"]}, {"walls-oldest", pinned["KUBERNETES_OLDEST_VERSION"]}} {
		cluster, err := testenv.Start(ctx, c.name, os.Stderr, testenv.Kubernetes(c.version), testenv.WithoutDataPlane())
		if err != nil {
			return started, err
		}
		started = append(started, cluster)
		client, err := cluster.Client()
		if err != nil {
			return started, err
		}
		clusters = append(clusters, &testCluster{cluster, c.version, client})
	}
	return started, nil
}

// namespace makes a namespace, and waits for the account without which it takes no pods.
func (c *testCluster) namespace(t *testing.T, name string) {
	t.Helper()
	_, err := c.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	eventually(t, "the namespace has its default account", func() error {
		_, err := c.client.CoreV1().ServiceAccounts(name).Get(t.Context(), "default", metav1.GetOptions{})
		return err
	})
}

// eventually waits until a condition holds, and fails with what it last said.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s, not within 30 s: %v", what, err)
		}
	}
}

// values writes a values file.
func values(t *testing.T, text string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{file}
}

// document is a file of the chart's folder docs.
func document(t *testing.T, elements ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{testenv.Chart(), "docs"}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block is the only block of a guide in a language that holds a text.
func block(t *testing.T, guide, language, text string) string {
	t.Helper()
	var found []string
	for _, part := range strings.Split("\n"+document(t, guide), "\n```"+language+"\n")[1:] {
		if content, _, _ := strings.Cut(part, "\n```"); strings.Contains(content, text) {
			found = append(found, content+"\n")
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d blocks of %s with %q, want 1", guide, len(found), language, text)
	}
	return found[0]
}
