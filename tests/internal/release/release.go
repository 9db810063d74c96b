// Package release runs the real helm programs on a release of the chart.
package release

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"external-services/tests/internal/testenv"
)

// Release is a release that one of the helm programs makes in a namespace of a cluster.
type Release struct {
	t                                    testing.TB
	program, Name, Namespace, kubeconfig string
}

// Of is for the program helm, which is Helm 3, or helm4.
func Of(t testing.TB, program, name, namespace, kubeconfig string) Release {
	t.Helper()
	path, err := testenv.Binary(program)
	if err != nil {
		t.Fatal(err)
	}
	return Release{t, path, name, namespace, kubeconfig}
}

// Do installs or upgrades the release with values files.
func (r Release) Do(command string, files []string, args ...string) {
	r.t.Helper()
	if out, err := r.Try(command, files, args...); err != nil {
		r.t.Fatalf("%s %s: %v\n%s", r.program, command, err, out)
	}
}

// Try is Do for what may fail; it returns what helm says.
func (r Release) Try(command string, files []string, args ...string) (string, error) {
	return r.Output(append(r.WithChart(command, files), args...)...)
}

// WithChart are the arguments that install or upgrade the release with values files.
func (r Release) WithChart(command string, files []string) []string {
	args := []string{command, r.Name, testenv.Chart()}
	for _, file := range files {
		args = append(args, "-f", file)
	}
	return args
}

// Uninstall uninstalls the release, if it is there.
func (r Release) Uninstall() {
	r.t.Helper()
	r.Run("uninstall", r.Name, "--ignore-not-found")
}

// Run runs helm with any arguments.
func (r Release) Run(args ...string) {
	r.t.Helper()
	if out, err := r.Output(args...); err != nil {
		r.t.Fatalf("%s %q: %v\n%s", r.program, args, err, out)
	}
}

// Output is Run for what may fail; it returns what helm says.
func (r Release) Output(args ...string) (string, error) {
	out, err := r.Command(args...).CombinedOutput()
	return string(out), err
}

// Command is helm with any arguments. The end of the test does not end it: what helm has
// begun, it finishes, or the next test meets the halves.
func (r Release) Command(args ...string) *exec.Cmd {
	args = append(args, "--kubeconfig", r.kubeconfig, "--namespace", r.Namespace)
	return exec.CommandContext(context.WithoutCancel(r.t.Context()), r.program, args...)
}

// Values writes a values file that goes with the test.
func Values(t testing.TB, text string) (files []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{file}
}
