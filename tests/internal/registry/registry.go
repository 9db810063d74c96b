// Package registry is an OCI registry for the tests: that of the CNCF, on loopback, with
// TLS and a login as a real one has.
package registry

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd" // its login
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory" // its storage
	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/bcrypt"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

const user, password = "releaser", "not a secret"

// Registry is a running registry.
type Registry struct {
	// URL is where charts go: oci://ADDRESS/charts.
	URL string

	address, folder string
	client          *http.Client // that trusts the registry
}

// Start starts a registry that ends with the test.
func Start(t *testing.T) Registry {
	t.Helper()
	folder := t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(folder, "htpasswd")
	write(t, users, []byte(user+":"+string(hash)+"\n"))

	config := &configuration.Configuration{
		Storage: configuration.Storage{"inmemory": nil},
		Auth:    configuration.Auth{"htpasswd": {"realm": "tests", "path": users}},
	}
	config.HTTP.Secret = "not a secret"
	logrus.SetLevel(logrus.PanicLevel)
	server := httptest.NewTLSServer(handlers.NewApp(context.WithoutCancel(t.Context()), config))
	t.Cleanup(server.Close)
	write(t, filepath.Join(folder, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	address := server.Listener.Addr().String()
	return Registry{URL: "oci://" + address + "/charts", address: address, folder: folder, client: server.Client()}
}

// Environment makes a program trust the registry, and keep its login apart and its cache:
// Helm 4 keeps the provenance of an archive by the archive's digest, and tests sign the
// same one with other keys.
func (r Registry) Environment() []string {
	return append(os.Environ(), "SSL_CERT_FILE="+filepath.Join(r.folder, "ca.pem"),
		"HELM_REGISTRY_CONFIG="+r.LoginFile(), "HELM_CACHE_HOME="+filepath.Join(r.folder, "cache"))
}

// LoginFile is where the login is.
func (r Registry) LoginFile() string { return filepath.Join(r.folder, "login.json") }

// Login logs in with one of the helm programs, for all that have the environment.
func (r Registry) Login(t *testing.T, helm string) {
	t.Helper()
	cmd := exec.Command(helm, "registry", "login", r.address, "--username", user, "--password-stdin")
	cmd.Env = r.Environment()
	cmd.Stdin = strings.NewReader(password)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("helm registry login: %v\n%s", err, out)
	}
}

// Image is where make release pushes the image of the resolver by default, without the scheme.
func (r Registry) Image() string { return r.address + "/external-services-resolver" }

// Repository is a logged in client of a repository, such as Image.
func (r Registry) Repository(t *testing.T, name string) *remote.Repository {
	t.Helper()
	repository, err := remote.NewRepository(name)
	if err != nil {
		t.Fatal(err)
	}
	repository.Client = &auth.Client{
		Client:     r.client,
		Credential: auth.StaticCredential(r.address, auth.Credential{Username: user, Password: password}),
	}
	return repository
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
