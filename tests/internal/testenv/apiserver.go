package testenv

import (
	"context"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// APIServer is an embedded cluster of one version of Kubernetes, without a data plane.
type APIServer struct {
	*Embedded
	Version string
	API     kubernetes.Interface
}

// StartAPIServers starts two of them: NAME with the newest version of ci/versions.env, and
// NAME-oldest with the oldest one. It returns those that it started, also with an error.
func StartAPIServers(ctx context.Context, name string) (started []*APIServer, err error) {
	versions, err := Versions()
	if err != nil {
		return nil, err
	}
	for _, c := range []struct{ name, version string }{
		{name, versions["KUBERNETES_VERSION"]},
		{name + "-oldest", versions["KUBERNETES_OLDEST_VERSION"]},
	} {
		cluster, err := Start(ctx, c.name, os.Stderr, Kubernetes(c.version), WithoutDataPlane())
		if err != nil {
			return started, err
		}
		server := &APIServer{Embedded: cluster, Version: c.version}
		started = append(started, server)
		if server.API, err = cluster.Client(); err != nil {
			return started, err
		}
	}
	return started, nil
}

// MakeNamespace makes a namespace, if it is not there, and waits for the service account
// without which it takes no pods.
func (s *APIServer) MakeNamespace(t testing.TB, name string) {
	t.Helper()
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := s.API.CoreV1().Namespaces().Create(t.Context(), object, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	Eventually(t, "the namespace has its default account", func() error {
		_, err := s.API.CoreV1().ServiceAccounts(name).Get(t.Context(), "default", metav1.GetOptions{})
		return err
	})
}
