package testenv

import (
	"context"
	"path/filepath"

	"external-services/tools/helm"
)

// GatewayAPI are the flags of helm template for values with routes of the Gateway API.
func GatewayAPI() []string {
	var flags []string
	for _, kind := range helm.GatewayAPI {
		flags = append(flags, "--api-versions", kind)
	}
	return flags
}

// InstallGatewayAPI installs the CRDs of the Gateway API in a cluster: those of the module that go.mod pins, standard
// channel.
func InstallGatewayAPI(ctx context.Context, kubeconfig string) error {
	folder, err := ModuleDir(ctx, Path(), "sigs.k8s.io/gateway-api")
	if err != nil {
		return err
	}
	var crds []string
	for _, kind := range []string{"gatewayclasses", "gateways", "httproutes", "grpcroutes", "tlsroutes", "tcproutes", "backendtlspolicies", "referencegrants"} {
		crds = append(crds, filepath.Join(folder, "config", "crd", "standard", helm.GatewayGroup+"_"+kind+".yaml"))
	}
	return InstallCRDs(ctx, kubeconfig, crds...)
}
