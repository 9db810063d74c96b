package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// TestRepeat: check --watch ends with what the last check says that was not interrupted, and goes on after one that
// failed.
func TestRepeat(t *testing.T) {
	failed := errors.New("no API server")
	type result struct {
		code int
		err  error
	}
	interrupted := result{0, fmt.Errorf("list Services: %w", context.Canceled)}
	for name, c := range map[string]struct {
		checks []result
		want   result
		said   string
	}{
		"during the first":         {[]result{interrupted}, result{}, ""},
		"after errors":             {[]result{{findings.ExitOK, nil}, {findings.ExitErrors, nil}, interrupted}, result{findings.ExitErrors, nil}, ""},
		"after they were mended":   {[]result{{findings.ExitErrors, nil}, {findings.ExitOK, nil}, interrupted}, result{findings.ExitOK, nil}, ""},
		"after one that failed":    {[]result{{findings.ExitErrors, nil}, {0, failed}, interrupted}, result{0, failed}, "Error: no API server\n"},
		"after one that succeeded": {[]result{{0, failed}, {findings.ExitErrors, nil}, interrupted}, result{findings.ExitErrors, nil}, "Error: no API server\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var said strings.Builder
			done := 0
			watching := checkCommand{watch: time.Nanosecond}
			code, err := watching.repeat(t.Context(), &said, func() (int, error) {
				done++
				return c.checks[done-1].code, c.checks[done-1].err
			})
			if got := (result{code, err}); got != c.want || said.String() != c.said || done != len(c.checks) {
				t.Errorf("%+v after %d checks, and it says %q, want %+v and %q", got, done, &said, c.want, c.said)
			}
		})
	}
}
