package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"external-services/tests/internal/testenv"
)

// ArgoCDNamespace is where Applications and the settings are.
const ArgoCDNamespace = "argocd"

// ArgoCD is a running application-controller and repo-server with the settings that Argo CD ships, its Redis, and
// the credentials of the registry that has the chart.
type ArgoCD struct {
	processes
	Charts *Charts
}

// StartArgoCD installs Argo CD's CRDs and settings in a cluster and starts it.
func StartArgoCD(ctx context.Context, cluster *testenv.Embedded) (*ArgoCD, error) {
	a := &ArgoCD{}
	if err := a.run(ctx, cluster); err != nil {
		return nil, errors.Join(err, a.Stop(ctx))
	}
	return a, nil
}

func (a *ArgoCD) run(ctx context.Context, cluster *testenv.Embedded) (err error) {
	if a.folder, err = makeFolder(cluster); err != nil {
		return err
	}
	if a.Charts, err = startCharts(ctx, a.folder); err != nil {
		return err
	}
	if err := a.install(ctx, cluster.Kubeconfig); err != nil {
		return err
	}
	redis, err := a.redis(ctx)
	if err != nil {
		return err
	}
	argocd, err := testenv.Binary("argocd")
	if err != nil {
		return fmt.Errorf("%w: make test-gitops builds it", err)
	}
	helm, err := testenv.Binary("helm")
	if err != nil {
		return err
	}
	environment := []string{
		"KUBECONFIG=" + cluster.Kubeconfig, "ARGOCD_FAKE_IN_CLUSTER=true", "HOME=" + a.folder, "TMPDIR=" + a.folder,
		"PATH=" + filepath.Dir(helm) + ":/usr/bin:/bin", "SSL_CERT_FILE=" + a.Charts.registry.CAFile(),
		"ARGOCD_GPG_ENABLED=false", "ARGOCD_TLS_DATA_PATH=" + a.folder, "ARGOCD_SSH_DATA_PATH=" + a.folder,
		"ARGOCD_ASK_PASS_SOCK=" + filepath.Join(a.folder, "ask-pass.sock"),
	}
	address, port, err := freeAddress()
	if err != nil {
		return err
	}
	metrics, metricsPort, err := freeAddress()
	if err != nil {
		return err
	}
	repoServer, err := a.start("repo-server", environment, argocd, "argocd-repo-server",
		"--address=127.0.0.1", "--port="+port, "--disable-tls", "--metrics-address=127.0.0.1", "--metrics-port="+metricsPort, "--redis="+redis)
	if err != nil {
		return err
	}
	if err := repoServer.ready(ctx, answers("http://"+metrics+"/healthz")); err != nil {
		return err
	}
	metrics, metricsPort, err = freeAddress()
	if err != nil {
		return err
	}
	// By default each repair of an Application waits longer than the one before, up to five minutes.
	controller, err := a.start("application-controller", environment, argocd, "argocd-application-controller", "--namespace", ArgoCDNamespace,
		"--repo-server="+address, "--repo-server-plaintext", "--metrics-port="+metricsPort, "--redis="+redis, "--self-heal-backoff-timeout-seconds=0")
	if err != nil {
		return err
	}
	return controller.ready(ctx, answers("http://"+metrics+"/healthz"))
}

// install applies what Argo CD's own manifests have of CRDs and settings, the project and the key that its server makes,
// and the credentials of the registry.
func (a *ArgoCD) install(ctx context.Context, kubeconfig string) error {
	module, err := testenv.ModuleDir(ctx, testenv.Path("ci", "argocd"), "github.com/argoproj/argo-cd/v3")
	if err != nil {
		return err
	}
	manifests := filepath.Join(module, "manifests")
	crds, err := filepath.Glob(filepath.Join(manifests, "crds", "*-crd.yaml"))
	if err != nil {
		return err
	}
	if err := testenv.InstallCRDs(ctx, kubeconfig, crds...); err != nil {
		return err
	}
	if _, err := kubectl(ctx, kubeconfig, "", "create", "namespace", ArgoCDNamespace); err != nil {
		return err
	}
	if _, err := kubectl(ctx, kubeconfig, "", "apply", "-n", ArgoCDNamespace, "-k", filepath.Join(manifests, "base", "config")); err != nil {
		return err
	}
	login, password := a.Charts.registry.User()
	ours := fmt.Sprintf(`
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: default, namespace: %[1]s}
spec:
  sourceRepos: ["*"]
  destinations: [{server: "*", namespace: "*"}]
  clusterResourceWhitelist: [{group: "*", kind: "*"}]
---
apiVersion: v1
kind: Secret
metadata: {name: argocd-secret, namespace: %[1]s}
stringData: {server.secretkey: not a secret}
---
apiVersion: v1
kind: Secret
metadata:
  name: charts
  namespace: %[1]s
  labels: {argocd.argoproj.io/secret-type: repository}
stringData: {type: helm, name: charts, url: %[2]q, enableOCI: "true", username: %[3]q, password: %[4]q}
`, ArgoCDNamespace, a.Charts.Address(), login, password)
	_, err = kubectl(ctx, kubeconfig, ours, "apply", "--server-side", "-f", "-")
	return err
}

// redis starts the cache that both programs share. Debian's redis-check-rdb is the server when it is called so; the
// package that calls it so would start one for the machine.
func (a *ArgoCD) redis(ctx context.Context) (address string, err error) {
	program, err := exec.LookPath("redis-check-rdb")
	if err != nil {
		return "", fmt.Errorf("%w: make test-gitops installs it, as root on Debian", err)
	}
	address, port, err := freeAddress()
	if err != nil {
		return "", err
	}
	server := filepath.Join(a.folder, "redis-server")
	if err := os.Symlink(program, server); err != nil {
		return "", err
	}
	started, err := a.start("redis", nil, server, "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", a.folder)
	if err != nil {
		return "", err
	}
	return address, started.ready(ctx, listens(address))
}

// Stop ends the programs.
func (a *ArgoCD) Stop(context.Context) error {
	err := a.stop()
	if a.Charts != nil {
		a.Charts.stop()
	}
	return err
}

// NotProven is empty: what Argo CD cannot do here fails.
func (*ArgoCD) NotProven() string { return "" }
