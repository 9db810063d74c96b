package testenv

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

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
	kubectl, err := Binary("kubectl")
	if err != nil {
		return err
	}
	folder, err := moduleDir(ctx, "sigs.k8s.io/gateway-api")
	if err != nil {
		return err
	}
	var crds []string
	for _, kind := range []string{"gatewayclasses", "gateways", "httproutes", "grpcroutes", "tlsroutes", "tcproutes", "backendtlspolicies", "referencegrants"} {
		crds = append(crds, "-f", filepath.Join(folder, "config", "crd", "standard", helm.GatewayGroup+"_"+kind+".yaml"))
	}
	run := func(args ...string) error {
		args = slices.Concat([]string{"--kubeconfig", kubeconfig}, args, crds)
		if out, err := exec.CommandContext(ctx, kubectl, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	if err := run("apply", "--server-side"); err != nil {
		return err
	}
	return run("wait", "--for=condition=Established", "--timeout=2m")
}

// moduleDir is the folder of a module of this repository's go.mod.
func moduleDir(ctx context.Context, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Dir = Path()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go list -m %s: %w", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}
