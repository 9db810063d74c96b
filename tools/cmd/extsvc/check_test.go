package main

import (
	"path/filepath"
	"strings"
	"testing"

	"external-services/tools/findings"
)

func TestCheckSaysWhatIsWrong(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "kubeconfig")
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "name the release to check, or set the values to check: -f FILE"},
		{[]string{"a", "b"}, "accepts at most 1 arg(s), received 2"},
		{[]string{"a", "-o", "yaml"}, `unknown output format "yaml" (text, json)`},
		{[]string{"a", "--port", "80"}, "--port and --server-name need --connect, --tls or --http"},
		{[]string{"a", "--server-name", "b"}, "--port and --server-name need --connect, --tls or --http"},
		{[]string{"a", "--timeout", "0s"}, "--timeout and --concurrency must be greater than 0"},
		{[]string{"a", "--concurrency", "-1"}, "--timeout and --concurrency must be greater than 0"},
		{[]string{"a", "--watch=-1s"}, "--watch must be greater than 0, such as 5s"},
		{[]string{"a"}, "read the kubeconfig: stat " + missing},
	} {
		stdout, stderr, err := run(t, append([]string{"check", "--kubeconfig", missing}, c.args...)...)
		if exitStatus(err) != findings.ExitFailed || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: exit code %d, want %q in %q", c.args, exitStatus(err), c.want, stderr)
		}
	}
}

// The help has examples and the exit codes, and shells can complete.
func TestCheckHelps(t *testing.T) {
	stdout, _, err := run(t, "check", "--help")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"extsvc check outside -n shop --watch", "Exit codes:", "extsvc completion --help", "--kubeconfig", "--context", "-n, --namespace"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the help does not have %q", want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		stdout, _, err := run(t, "completion", shell)
		if err != nil || !strings.Contains(stdout, "extsvc") {
			t.Errorf("completion %s: %v", shell, err)
		}
	}
	stdout, _, err = run(t, "__complete", "check", "--conn")
	if err != nil || !strings.HasPrefix(stdout, "--connect") {
		t.Errorf("%v: %s", err, stdout)
	}
}
