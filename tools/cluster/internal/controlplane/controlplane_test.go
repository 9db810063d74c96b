package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"external-services/tools/cluster/internal/state"
)

func newDir(t *testing.T) state.Dir {
	t.Helper()
	dir := state.Dir(filepath.Join(t.TempDir(), "test"))
	if err := dir.Create(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestCredentials lets a server that uses the written files, as the API server does, meet the administrator's client.
func TestCredentials(t *testing.T) {
	dir := newDir(t)
	credentials, err := WriteCredentials(dir, netip.MustParseAddr("127.0.0.1"), map[string]string{"coredns": "dns-user"})
	if err != nil {
		t.Fatal(err)
	}

	pair, err := tls.LoadX509KeyPair(filepath.Join(dir.PKI(), serverCert), filepath.Join(dir.PKI(), serverKey))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir.PKI(), caCert))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	var user *x509.Certificate
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user = r.TLS.PeerCertificates[0]
		if r.URL.Path != "/readyz" {
			w.WriteHeader(http.StatusForbidden)
			if _, err := w.Write([]byte(`{"kind":"Status","message":"you may not"}`)); err != nil {
				t.Error(err)
			}
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.StartTLS()
	defer server.Close()

	client, err := Client(dir, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(user.Subject.Organization, []string{"system:masters"}) {
		t.Errorf("the administrator is %s", user.Subject)
	}
	err = client.Create(context.Background(), "/api/v1/nodes", nil)
	if err == nil || !strings.Contains(err.Error(), "POST /api/v1/nodes: 403 Forbidden: you may not") {
		t.Errorf("a refused request says %v", err)
	}

	if err := credentials.WriteKubeconfigs(dir, "test", server.URL); err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := os.ReadFile(dir.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"current-context: extsvc-test\n", "server: " + server.URL + "\n"} {
		if !strings.Contains(string(kubeconfig), want) {
			t.Errorf("the kubeconfig has no %q", want)
		}
	}
	if got := embedded(t, kubeconfig, "certificate-authority-data"); string(got) != string(ca) {
		t.Error("the kubeconfig has another certificate authority")
	}
	admin := embedded(t, kubeconfig, "client-certificate-data")
	if _, err := tls.X509KeyPair(admin, embedded(t, kubeconfig, "client-key-data")); err != nil {
		t.Error(err)
	}
	component, err := os.ReadFile(dir.ComponentKubeconfig("coredns"))
	if err != nil {
		t.Fatal(err)
	}
	if string(embedded(t, component, "client-certificate-data")) == string(admin) {
		t.Error("CoreDNS is the administrator")
	}

	files, err := filepath.Glob(filepath.Join(dir.PKI(), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(files, dir.Kubeconfig()) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %04o, want 0600", path, mode)
		}
	}
	if slices.Contains(files, filepath.Join(dir.PKI(), "ca.key")) {
		t.Error("the key of the certificate authority was kept")
	}
}

func embedded(t *testing.T, kubeconfig []byte, key string) []byte {
	t.Helper()
	m := regexp.MustCompile(key + `: (\S+)\n`).FindSubmatch(kubeconfig)
	if m == nil {
		t.Fatalf("the kubeconfig has no %s", key)
	}
	data, err := base64.StdEncoding.DecodeString(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestServerNames(t *testing.T) {
	_, addresses := serverNames(netip.MustParseAddr("10.99.0.1"))
	for _, want := range []string{"10.99.0.1", "10.96.0.1", "fd00:10:96::1"} {
		if !slices.Contains(addresses, netip.MustParseAddr(want)) {
			t.Errorf("the API server has no certificate for %s: %v", want, addresses)
		}
	}
}

func TestAPIServerArgs(t *testing.T) {
	const none = "--endpoint-reconciler-type=none"
	listen := netip.MustParseAddrPort("10.99.0.1:6443")
	args := APIServerArgs("/run/test", listen, true)
	for _, want := range []string{
		"--bind-address=10.99.0.1", "--secure-port=6443", "--anonymous-auth=false", "--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112", "--etcd-servers=unix://etcd.sock",
	} {
		if !slices.Contains(args, want) {
			t.Errorf("no %s in %q", want, args)
		}
	}
	if slices.Contains(args, none) {
		t.Error("pods do not find the API server")
	}
	if !slices.Contains(APIServerArgs("/run/test", listen, false), none) {
		t.Error("without a data plane the API server announces an address that no pod reaches")
	}
}

// TestNoNetworkAddress keeps etcd from listening on the network; the controllers have no server at all.
func TestNoNetworkAddress(t *testing.T) {
	for _, arg := range EtcdArgs() {
		if strings.Contains(arg, "-urls=") && !strings.Contains(arg, "-urls=unix://") {
			t.Errorf("etcd listens by %s", arg)
		}
	}
}
