// Package routes has a real controller in front of entries: Traefik, which serves Ingresses and the Gateway API.
// make test-routes runs it.
package routes

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
	"external-services/tests/internal/traffic"
)

const (
	namespace = "routes"
	outsideIP = "192.168.93.1"

	// perRoute is how many requests each way through the controller gets, at least.
	perRoute = 1_300
)

// entries are an HTTP server and an HTTPS server, each behind an Ingress and an HTTPRoute.
const entries = `services:
- name: web
  addresses: [` + outsideIP + `]
  ports: [{name: http, port: 80, targetPort: 8080, podPort: web}]
  selector: {app: web}
  ingress: {className: traefik, hosts: [web.example]}
  route: {parentRefs: [{name: public, namespace: network}], hostnames: [web-route.example]}
- name: secure
  addresses: [` + outsideIP + `]
  ports: [{name: https, port: 443, targetPort: 8443, podPort: secure}]
  selector: {app: secure}
  ingress: {className: traefik, hosts: [secure.example]}
  route: {parentRefs: [{name: public, namespace: network}], hostnames: [secure-route.example]}
  backendTLS: {hostname: secure.corp.example, caCertificates: [{name: corp-ca}]}
`

// The objects of whoever runs the controller.
const gateway = `
apiVersion: v1
kind: Namespace
metadata: {name: network}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: traefik}
spec: {controller: traefik.io/ingress-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: traefik}
spec: {controllerName: traefik.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: network}
spec:
  gatewayClassName: traefik
  listeners:
    - {name: web, protocol: HTTP, port: 8000, allowedRoutes: {namespaces: {from: All}}}
`

var cluster *testenv.Embedded

func TestMain(m *testing.M) {
	testenv.Main(m, func(ctx context.Context) (started []testenv.Started, err error) {
		if cluster, err = testenv.Start(ctx, "routes", os.Stderr); err == nil {
			started = append(started, cluster)
		}
		return started, err
	})
}

// A client outside reaches an HTTP and an HTTPS server outside through Ingress and HTTPRoute, and no request fails while
// the entries move into the cluster and back.
func TestCutoverBehindTraefik(t *testing.T) {
	if !cluster.DataPlane {
		t.Fatal("there is no data plane: ", cluster.LeftOut)
	}
	ctx := t.Context()
	client, err := cluster.Client()
	if err != nil {
		t.Fatal(err)
	}
	if err := testenv.InstallGatewayAPI(ctx, cluster.Kubeconfig); err != nil {
		t.Fatal(err)
	}
	kubectl(t, gateway)
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	// The servers: outside, and pods of the same kind.
	if err := cluster.AddOutside(ctx, "outside", []string{outsideIP}); err != nil {
		t.Fatal(err)
	}
	ips := []net.IP{net.ParseIP(outsideIP)}
	for name, port := range map[string]int{"web": 8080, "secure": 8443} {
		if err := cluster.AddBackend(ctx, name+"-pod", namespace, map[string]string{"app": name}, map[string]int{name: port}); err != nil {
			t.Fatal(err)
		}
		pod, err := client.CoreV1().Pods(namespace).Get(ctx, name+"-pod", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ips = append(ips, net.ParseIP(pod.Status.PodIP))
	}
	ca, cert, key := certificates(t, ips)
	for _, host := range []string{"outside", "web-pod", "secure-pod"} {
		err := cluster.Serve(ctx, host, "http", ":8080")
		if err == nil {
			err = cluster.ServeTLS(ctx, host, ":8443", cert, key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	caText, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "corp-ca"}, Data: map[string]string{"ca.crt": string(caText)}}
	if _, err := client.CoreV1().ConfigMaps(namespace).Create(ctx, configMap, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	// The controller is a pod, and the client is outside.
	traefik := startTraefik(t, ca)
	if err := cluster.AddOutside(ctx, "client", []string{"192.168.93.100"}); err != nil {
		t.Fatal(err)
	}
	r := release.Of(t, "helm", "routes", namespace, cluster.Kubeconfig)
	t.Cleanup(r.Uninstall)
	step := func(backend string) []string {
		return append(release.Values(t, entries), release.Values(t, fmt.Sprintf("overrides: {web: {backend: %[1]s}, secure: {backend: %[1]s}}", backend))...)
	}
	r.Do("install", step("external"))

	hosts := []string{"web.example", "web-route.example", "secure.example", "secure-route.example"}
	for _, host := range hosts {
		testenv.Eventually(t, host+" is served", func() error {
			answers, err := ask(ctx, 1, host, traefik)
			if err == nil && answers.Texts["outside"] != 1 {
				err = fmt.Errorf("%+v", answers)
			}
			return err
		})
	}
	// What the Gateway says of the routes is right, too: extsvc finds nothing.
	testenv.Eventually(t, "extsvc check finds nothing", func() error {
		out, err := testenv.Run(t, "extsvc", "check", "routes", "-n", namespace, "--kubeconfig", cluster.Kubeconfig)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	})

	var loads []*load
	for _, host := range hosts {
		loads = append(loads, startLoad(t, host, traefik))
	}
	pods := map[string]string{"web.example": "web-pod", "web-route.example": "web-pod", "secure.example": "secure-pod", "secure-route.example": "secure-pod"}
	for _, backend := range []string{"both", "cluster", "both", "external"} {
		r.Do("upgrade", step(backend))
		for _, host := range hosts {
			want := map[string][]string{"external": {"outside"}, "both": {"outside", pods[host]}, "cluster": {pods[host]}}[backend]
			testenv.Eventually(t, host+" with the backend "+backend, func() error {
				answers, err := ask(ctx, 40, host, traefik)
				var got []string
				for text := range answers.Texts {
					got = append(got, text)
				}
				slices.Sort(got)
				if err == nil && (!slices.Equal(got, want) || len(answers.Failures) > 0) {
					err = fmt.Errorf("%+v, want %q", answers, want)
				}
				return err
			})
		}
	}
	total := 0
	for i, l := range loads {
		answers := l.stop(t)
		count := len(answers.Failures)
		for _, n := range answers.Texts {
			count += n
		}
		total += count
		t.Logf("%s: %d requests, %d failed, answers %v", hosts[i], count, len(answers.Failures), answers.Texts)
		if len(answers.Failures) > 0 || count < perRoute || answers.Texts["outside"] == 0 || answers.Texts[pods[hosts[i]]] == 0 {
			t.Errorf("%s: %d requests, failures %.3q", hosts[i], count, answers.Failures)
		}
	}
	t.Logf("%d requests", total)
}

// startTraefik runs Traefik in a pod, and returns its address.
func startTraefik(t *testing.T, ca string) string {
	t.Helper()
	traefik, err := testenv.Binary("traefik")
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.AddPod(t.Context(), "traefik", "network"); err != nil {
		t.Fatal(err)
	}
	testenv.Beside(t, "traefik", func(ctx context.Context) (*exec.Cmd, error) {
		return cluster.Command(ctx, "traefik", "env", "KUBECONFIG="+cluster.Kubeconfig, traefik,
			"--entrypoints.web.address=:8000", "--providers.kubernetesingress", "--providers.kubernetesgateway",
			"--serverstransport.rootcas="+ca, "--global.checknewversion=false"), nil
	})
	out, err := cluster.Output(t.Context(), "traefik", "hostname", "-I")
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(strings.Fields(out)[0], "8000")
}

// ask sends requests from the client.
func ask(ctx context.Context, count int, host, address string) (answers traffic.Answers, err error) {
	probe, err := testenv.Binary("probe")
	if err != nil {
		return answers, err
	}
	out, err := cluster.Output(ctx, "client", probe, "requests", fmt.Sprint(count), host, "http://"+address+"/")
	if err == nil {
		err = json.Unmarshal([]byte(out), &answers)
	}
	return answers, err
}

// load is a client that sends requests until it is stopped.
type load struct {
	input io.Closer
	out   strings.Builder
	cmd   *exec.Cmd
}

func startLoad(t *testing.T, host, address string) *load {
	t.Helper()
	probe, err := testenv.Binary("probe")
	if err != nil {
		t.Fatal(err)
	}
	l := &load{cmd: cluster.Command(t.Context(), "client", probe, "requests", "0", host, "http://"+address+"/")}
	l.cmd.Stdout, l.cmd.Stderr = &l.out, os.Stderr
	if l.input, err = l.cmd.StdinPipe(); err == nil {
		err = l.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *load) stop(t *testing.T) (answers traffic.Answers) {
	t.Helper()
	err := l.input.Close()
	if err == nil {
		err = l.cmd.Wait()
	}
	if err == nil {
		err = json.Unmarshal([]byte(l.out.String()), &answers)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, l.out.String())
	}
	return answers
}

// certificates writes the certificate of an authority, and one that it signs for the server outside and the pods: for
// the host name that Gateways ask for, and for the addresses that Traefik connects to for an Ingress.
func certificates(t *testing.T, ips []net.IP) (ca, cert, key string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	newKey := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		return k
	}
	template := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		}
	}
	caKey, serverKey := newKey(), newKey()
	authority := template(1, "corp")
	authority.IsCA, authority.BasicConstraintsValid, authority.KeyUsage = true, true, x509.KeyUsageCertSign
	caData, err := x509.CreateCertificate(rand.Reader, authority, authority, caKey.Public(), caKey)
	must(err)
	server := template(2, "secure")
	server.DNSNames, server.IPAddresses = []string{"secure.corp.example"}, ips
	serverData, err := x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), caKey)
	must(err)
	keyData, err := x509.MarshalECPrivateKey(serverKey)
	must(err)
	return write("ca.crt", "CERTIFICATE", caData), write("tls.crt", "CERTIFICATE", serverData), write("tls.key", "EC PRIVATE KEY", keyData)
}

// kubectl applies manifests.
func kubectl(t *testing.T, manifests string) {
	t.Helper()
	program, err := testenv.Binary("kubectl")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--kubeconfig", cluster.Kubeconfig, "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifests)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v\n%s", err, out)
	}
}
