// Package e2e runs the program cluster as a user does, with real clusters, and looks at what they do and leave.
//
// As root it proves everything. Without root only what a control plane alone can show is proven, and each test that
// was left out says so. `go test -short` leaves the package out.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the path of the program under test, and components the folder of the binaries that it starts.
var program, components string

// olderKubernetes is the version of Kubernetes that is tested beside the default one.
const olderKubernetes = "1.34"

// namePrefix tells the clusters of this run from those of another one at the same time.
var namePrefix = fmt.Sprintf("e2e%04x", rand.IntN(1<<16))

// clusters are the names that were used, so that an interrupted run can take them down.
var clusters struct {
	sync.Mutex
	names []string
}

func TestMain(m *testing.M) {
	if helper := os.Getenv(helperVariable); helper != "" {
		os.Exit(runHelper(helper, os.Args[1:]))
	}
	flag.Parse()
	if testing.Short() {
		fmt.Println("SKIPPED by -short: nothing about real clusters is proven")
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cluster-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "cluster")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, "external-services/tools/cluster/cmd/cluster")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the program:", err)
		return 1
	}
	// The first build takes minutes: its progress is to be seen, and it must not count as the time of a test.
	prepare := exec.Command(program, "build", "--kubernetes", olderKubernetes)
	prepare.Stderr = os.Stderr
	output, err := prepare.Output()
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the components:", err)
		return 1
	}
	path, _, _ := strings.Cut(string(output), ":")
	components = filepath.Dir(path)

	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		fmt.Fprintln(os.Stderr, "interrupted: taking the clusters down")
		if err := takeDownAll(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}()
	return m.Run()
}

func takeDownAll() error {
	clusters.Lock()
	defer clusters.Unlock()
	var errs []error
	for _, name := range clusters.names {
		errs = append(errs, exec.Command(program, "down", "--name", name).Run())
	}
	return errors.Join(errs...)
}

// newName returns the name of a cluster that is taken down at the end of the test, and looked at for what it left.
func newName(t *testing.T, suffix string) string {
	t.Helper()
	name := namePrefix + "-" + suffix
	clusters.Lock()
	clusters.names = append(clusters.names, name)
	clusters.Unlock()
	t.Cleanup(func() {
		if t.Failed() {
			dump(t, name)
		}
		cluster(t, name, "down").mustSucceed(t)
		mustBeGone(t, name)
	})
	return name
}

// dump prints how a cluster is at the end of a failed test.
func dump(t *testing.T, name string) {
	t.Helper()
	t.Logf("%s", cluster(t, name, "status").stdout)
	logs, err := filepath.Glob(filepath.Join(stateDir(name), "logs", "*"))
	if err != nil {
		t.Log(err)
	}
	for _, path := range logs {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Log(err)
		}
		t.Logf("%s ends with:\n%s", path, data[max(0, len(data)-2000):])
	}
}

// result is what a run of the program did.
type result struct {
	command        string
	code           int
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("%s: exit code %d\nstdout: %s\nstderr: %s", r.command, r.code, r.stdout, r.stderr)
}

func (r result) mustSucceed(t *testing.T) result {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("%s", r)
	}
	return r
}

// mustFail checks the exit code, and that the message has each of the texts.
func (r result) mustFail(t *testing.T, code int, texts ...string) result {
	t.Helper()
	if r.code != code {
		t.Fatalf("want exit code %d of %s", code, r)
	}
	for _, text := range texts {
		if !strings.Contains(r.stderr, text) {
			t.Fatalf("want %q in the message of %s", text, r)
		}
	}
	return r
}

// cluster runs the program for the cluster of that name.
func cluster(t *testing.T, name string, args ...string) result {
	t.Helper()
	return execute(t, command(name, args...))
}

// command prepares a run of the program for the cluster of that name.
func command(name string, args ...string) *exec.Cmd {
	return exec.Command(program, append([]string{"--name", name, "--bin-dir", components}, args...)...)
}

func execute(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// What a killed run leaves keeps these open.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("%q: %v", cmd.Args, err)
	}
	return result{strings.Join(cmd.Args, " "), cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// needsRoot skips the test without root, and says what is not proven then.
func needsRoot(t *testing.T, proves string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("NOT PROVEN without root: %s", proves)
	}
}

// eventually calls check until it returns nil.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
