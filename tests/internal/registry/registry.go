// Package registry is an OCI registry for the tests: that of the CNCF, on loopback, with
// TLS and a login as a real one has.
package registry

import (
	"context"
	"encoding/pem"
	"fmt"
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
	server          *httptest.Server
}

// Start starts a registry that ends with the test.
func Start(t *testing.T) Registry {
	t.Helper()
	r, err := Run(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r
}

// Run starts a registry that keeps its files in a folder.
func Run(ctx context.Context, folder string) (Registry, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return Registry{}, err
	}
	users := filepath.Join(folder, "htpasswd")
	if err := os.WriteFile(users, []byte(user+":"+string(hash)+"\n"), 0o600); err != nil {
		return Registry{}, err
	}

	config := &configuration.Configuration{
		Storage: configuration.Storage{"inmemory": nil},
		Auth:    configuration.Auth{"htpasswd": {"realm": "tests", "path": users}},
	}
	config.HTTP.Secret = "not a secret"
	logrus.SetLevel(logrus.PanicLevel)
	server := httptest.NewTLSServer(handlers.NewApp(context.WithoutCancel(ctx), config))
	address := server.Listener.Addr().String()
	r := Registry{URL: "oci://" + address + "/charts", address: address, folder: folder, server: server}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(r.CAFile(), certificate, 0o600); err != nil {
		r.Stop()
		return Registry{}, err
	}
	return r, nil
}

// Stop ends the registry.
func (r Registry) Stop() { r.server.Close() }

// Environment makes a program trust the registry, and keep its login apart and its cache:
// Helm 4 keeps the provenance of an archive by the archive's digest, and tests sign the
// same one with other keys.
func (r Registry) Environment() []string {
	return append(os.Environ(), "SSL_CERT_FILE="+r.CAFile(),
		"HELM_REGISTRY_CONFIG="+r.LoginFile(), "HELM_CACHE_HOME="+filepath.Join(r.folder, "cache"))
}

// LoginFile is where the login is.
func (r Registry) LoginFile() string { return filepath.Join(r.folder, "login.json") }

// CAFile has the certificate that the registry's is signed with.
func (r Registry) CAFile() string { return filepath.Join(r.folder, "ca.pem") }

// Login logs in with one of the helm programs, for all that have the environment.
func (r Registry) Login(t *testing.T, helm string) {
	t.Helper()
	if err := r.TryLogin(helm); err != nil {
		t.Fatal(err)
	}
}

// TryLogin is Login without a test.
func (r Registry) TryLogin(helm string) error {
	cmd := exec.Command(helm, "registry", "login", r.address, "--username", user, "--password-stdin")
	cmd.Env = r.Environment()
	cmd.Stdin = strings.NewReader(password)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("helm registry login: %w\n%s", err, out)
	}
	return nil
}

// User is who may log in, and the password.
func (Registry) User() (name, secret string) { return user, password }

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
		Client:     r.server.Client(),
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
