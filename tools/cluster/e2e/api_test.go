package e2e

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"regexp"
	"testing"

	core "external-services/tools/cluster/internal/cluster"
	"external-services/tools/cluster/internal/kube"
)

// status returns what `cluster status -o json` says, and its exit code.
func status(t *testing.T, name string) (core.Status, int) {
	t.Helper()
	r := execute(t, command(name, "status", "-o", "json"))
	var s core.Status
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
		t.Fatalf("%v in %s", err, r)
	}
	return s, r.code
}

// mustBeHealthy returns the status of a cluster that must be up and healthy.
func mustBeHealthy(t *testing.T, name string) core.Status {
	t.Helper()
	s, code := status(t, name)
	if code != 0 || !s.Healthy || s.State != "up" || s.Problem != "" {
		t.Fatalf("exit code %d, status %+v, want a healthy cluster", code, s)
	}
	return s
}

// client makes a client from nothing but the kubeconfig file that a user gets.
func client(t *testing.T, kubeconfig string) *kube.Client {
	t.Helper()
	value := func(key string) string {
		t.Helper()
		m := regexp.MustCompile(key + `: (\S+)\n`).FindStringSubmatch(kubeconfig)
		if m == nil {
			t.Fatalf("the kubeconfig has no %s:\n%s", key, kubeconfig)
		}
		return m[1]
	}
	decoded := func(key string) []byte {
		t.Helper()
		data, err := base64.StdEncoding.DecodeString(value(key))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	c, err := kube.NewClient(value("server"), decoded("certificate-authority-data"),
		decoded("client-certificate-data"), decoded("client-key-data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// create creates objects in the API.
func create(t *testing.T, c *kube.Client, path string, objects ...kube.Object) {
	t.Helper()
	for _, object := range objects {
		if err := c.Create(t.Context(), path, object); err != nil {
			t.Fatal(err)
		}
	}
}

// mustBePrivate checks that nobody else can read a file or folder.
func mustBePrivate(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %04o, want %04o", path, got, want)
	}
}
