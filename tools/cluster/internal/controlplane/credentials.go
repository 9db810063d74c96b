package controlplane

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"external-services/tools/cluster/internal/kube"
	"external-services/tools/cluster/internal/network"
	"external-services/tools/cluster/internal/pki"
	"external-services/tools/cluster/internal/state"
)

// The files in the cluster's folder for certificates and keys.
const (
	caCert               = "ca.crt"
	serverCert           = "kube-apiserver.crt"
	serverKey            = "kube-apiserver.key"
	serviceAccountKey    = "service-account.key"
	serviceAccountPublic = "service-account.pub"
	adminCert            = "admin.crt"
	adminKey             = "admin.key"
)

// Credentials are the certificates of a cluster's users.
type Credentials struct {
	ca    []byte
	admin pki.Pair
	// components maps the name of a component to the certificate that it shows to the API server.
	components map[string]pki.Pair
}

// WriteCredentials makes all certificates and keys of a cluster anew and writes those that are read as files. The API
// server is reached at address. users maps the names of components to the Kubernetes users that they are.
func WriteCredentials(dir state.Dir, address netip.Addr, users map[string]string) (*Credentials, error) {
	ca, err := pki.NewAuthority("external-services-ca", time.Now())
	if err != nil {
		return nil, err
	}
	names, addresses := serverNames(address)
	server, err := ca.Server(APIServer, names, addresses)
	if err != nil {
		return nil, err
	}
	signing, verifying, err := pki.SigningKey()
	if err != nil {
		return nil, err
	}
	c := &Credentials{ca: ca.Cert(), components: make(map[string]pki.Pair, len(users))}
	// The group is the one that Kubernetes lets do everything, whatever the rules for authorization say.
	if c.admin, err = ca.Client("kubernetes-admin", "system:masters"); err != nil {
		return nil, err
	}
	for component, user := range users {
		if c.components[component], err = ca.Client(user); err != nil {
			return nil, err
		}
	}

	for name, data := range map[string][]byte{
		caCert:               c.ca,
		serverCert:           server.Cert,
		serverKey:            server.Key,
		serviceAccountKey:    signing,
		serviceAccountPublic: verifying,
		adminCert:            c.admin.Cert,
		adminKey:             c.admin.Key,
	} {
		if err := state.WriteFile(filepath.Join(dir.PKI(), name), data); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// serverNames are what the API server is called: by users, and by pods by way of the Service kubernetes.
func serverNames(address netip.Addr) (names []string, addresses []netip.Addr) {
	names = []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost",
	}
	addresses = []netip.Addr{address}
	for _, cidr := range network.ServiceCIDRs {
		// Kubernetes gives the first address of the range to that Service.
		addresses = append(addresses, cidr.Addr().Next())
	}
	return names, addresses
}

// WriteKubeconfigs writes a kubeconfig file for the administrator and one for each component, for the API server at
// that URL.
func (c *Credentials) WriteKubeconfigs(dir state.Dir, cluster, server string) error {
	if err := state.WriteFile(dir.Kubeconfig(), c.kubeconfig(Context(cluster), server, c.admin)); err != nil {
		return err
	}
	for component, pair := range c.components {
		if err := state.WriteFile(dir.ComponentKubeconfig(component), c.kubeconfig(Context(cluster), server, pair)); err != nil {
			return err
		}
	}
	return nil
}

// Context is the name of the context in the kubeconfig files of a cluster.
func Context(cluster string) string { return "extsvc-" + cluster }

func (c *Credentials) kubeconfig(context, server string, user pki.Pair) []byte {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: %[1]s
clusters:
- name: %[1]s
  cluster:
    server: %[2]s
    certificate-authority-data: %[3]s
users:
- name: %[1]s
  user:
    client-certificate-data: %[4]s
    client-key-data: %[5]s
contexts:
- name: %[1]s
  context:
    cluster: %[1]s
    user: %[1]s
`, context, server, encode(c.ca), encode(user.Cert), encode(user.Key))
}

// Client makes a client for the administrator of the cluster in dir.
func Client(dir state.Dir, server string) (*kube.Client, error) {
	var files [3][]byte
	for i, name := range []string{caCert, adminCert, adminKey} {
		data, err := os.ReadFile(filepath.Join(dir.PKI(), name))
		if err != nil {
			return nil, fmt.Errorf("read the administrator's credentials: %w", err)
		}
		files[i] = data
	}
	return kube.NewClient(server, files[0], files[1], files[2])
}
