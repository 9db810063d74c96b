package testenv

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// InstallCRDs applies files or folders of CRDs to a cluster and waits until it serves them.
func InstallCRDs(ctx context.Context, kubeconfig string, paths ...string) error {
	kubectl, err := Binary("kubectl")
	if err != nil {
		return err
	}
	var files []string
	for _, path := range paths {
		files = append(files, "-f", path)
	}
	run := func(args ...string) error {
		_, err := Output(exec.CommandContext(ctx, kubectl, slices.Concat([]string{"--kubeconfig", kubeconfig}, args, files)...))
		return err
	}
	if err := run("apply", "--server-side"); err != nil {
		return err
	}
	for {
		err := run("wait", "--for=condition=Established", "--timeout=2m")
		// kubectl does not wait for a CRD whose status is not written yet.
		if err == nil || !strings.Contains(err.Error(), ".status.conditions accessor error") {
			return err
		}
	}
}

// ModuleDir is the folder of a module that the go.mod in a folder pins.
func ModuleDir(ctx context.Context, folder, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Dir = folder
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go list -m %s: %w", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}
