package clients

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"external-services/tests/internal/testenv"
)

// FluxNamespace is where the sources of the chart are.
const FluxNamespace = "flux-system"

// Flux is a running source-controller and helm-controller, with the chart as an OCIRepository and in a HelmRepository,
// both named external-services.
type Flux struct {
	processes
	Charts *Charts
}

// StartFlux installs Flux's CRDs in a cluster and starts the controllers.
func StartFlux(ctx context.Context, cluster *testenv.Embedded) (*Flux, error) {
	f := &Flux{}
	if err := f.run(ctx, cluster); err != nil {
		return nil, errors.Join(err, f.Stop(ctx))
	}
	return f, nil
}

func (f *Flux) run(ctx context.Context, cluster *testenv.Embedded) (err error) {
	if f.folder, err = makeFolder(cluster); err != nil {
		return err
	}
	if f.Charts, err = startCharts(ctx, f.folder); err != nil {
		return err
	}
	for _, name := range []string{"source-controller", "helm-controller"} {
		folder, err := testenv.ModuleDir(ctx, testenv.Path("ci", "flux"), "github.com/fluxcd/"+name)
		if err != nil {
			return err
		}
		if err := testenv.InstallCRDs(ctx, cluster.Kubeconfig, filepath.Join(folder, "config", "crd", "bases")); err != nil {
			return err
		}
	}
	storage, port, err := freeAddress()
	if err != nil {
		return err
	}
	err = f.controller(ctx, cluster, "source-controller", "--storage-path="+f.folder, "--storage-addr=127.0.0.1:"+port, "--storage-adv-addr="+storage)
	if err != nil {
		return err
	}
	if err := f.controller(ctx, cluster, "helm-controller"); err != nil {
		return err
	}
	sources := fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
%[2]s
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: external-services, namespace: %[1]s}
spec: {interval: 10m, url: %[3]q}
`, FluxNamespace, f.OCIRepository(FluxNamespace), f.Charts.Repository)
	_, err = kubectl(ctx, cluster.Kubeconfig, sources, "apply", "-f", "-")
	return err
}

// controller starts one of the controllers, as the cluster's administrator.
func (f *Flux) controller(ctx context.Context, cluster *testenv.Embedded, name string, args ...string) error {
	program, err := testenv.Binary(name)
	if err != nil {
		return fmt.Errorf("%w: make test-gitops builds it", err)
	}
	health, _, err := freeAddress()
	if err != nil {
		return err
	}
	args = append(args, "--metrics-addr=0", "--health-addr="+health, "--log-level=info", "--requeue-dependency=1s")
	started, err := f.start(name, []string{"KUBECONFIG=" + cluster.Kubeconfig}, program, args...)
	if err != nil {
		return err
	}
	return started.ready(ctx, answers("http://"+health+"/readyz"))
}

// OCIRepository is the manifest of the chart in the registry, with what Flux needs to log in there.
func (f *Flux) OCIRepository(namespace string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Secret
metadata: {name: registry, namespace: %[1]s}
type: kubernetes.io/dockerconfigjson
stringData:
  .dockerconfigjson: %[2]q
---
apiVersion: v1
kind: Secret
metadata: {name: registry-ca, namespace: %[1]s}
stringData:
  ca.crt: %[3]q
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: external-services, namespace: %[1]s}
spec:
  interval: 10m
  url: %[4]s/external-services
  ref: {tag: %[5]q}
  layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}
  secretRef: {name: registry}
  certSecretRef: {name: registry-ca}
`, namespace, f.Charts.Login, f.Charts.CA, f.Charts.OCI, f.Charts.Version)
}

// Stop ends the controllers.
func (f *Flux) Stop(context.Context) error {
	err := f.stop()
	if f.Charts != nil {
		f.Charts.stop()
	}
	return err
}

// NotProven is empty: what Flux cannot do here fails.
func (*Flux) NotProven() string { return "" }
