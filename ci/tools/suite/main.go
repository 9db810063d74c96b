// Command suite runs the parts of make test one after the other and says at the end how
// long each took, what did not run and why, and what failed.
//
//	suite TIMES
//
// It runs in the root of the repository. TIMES is the file to which ci/progress.sh adds a
// line for each long build; they are the first rows of the table. A part that fails does
// not keep the others from running. Exit code 1: something failed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gotest.tools/gotestsum/testjson"
)

// part is one call of go test.
type part struct {
	name string

	// dir is the folder of the module.
	dir string

	// flags follow go test -json -vet=off: make verify vets all packages, and here go
	// test would have to vet all that they depend on, again and only in part.
	flags []string

	// packages is a pattern, and except are the packages of it that are left out.
	packages string
	except   []string

	// verbose shows what its tests log, also when they pass.
	verbose bool
}

// parts are what make test runs. The tests of clusters are not cached, as what they prove
// is what the machine does.
var parts = []part{
	{name: "tests of the tools", dir: ".", packages: "./tools/..."},
	{name: "tests of the programs of ci/tools", dir: "ci/tools", packages: "./..."},
	{name: "tests of the embedded cluster: started, killed and looked at", dir: "tools/cluster", packages: "./..."},
	{
		name: "tests of the chart: rendered, refused, installed and called; permissions; GitOps; guides followed", dir: ".",
		flags: []string{"-count=1", "-p=1"}, packages: "./tests/...",
		// The first two are parts of their own, make test-routes runs the third, make test-gitops the two after it, and
		// make verify the others.
		except: []string{"external-services/tests/transitions", "external-services/tests/parity", "external-services/tests/routes", "external-services/tests/flux", "external-services/tests/argocd", "external-services/tests/sbom", "external-services/tests/editor", "external-services/tests/report"},
	},
	{name: "tests of transitions: each state of an entry to each other, two Kubernetes, two Helms", dir: ".", flags: []string{"-count=1"}, packages: "./tests/transitions", verbose: true},
	{name: "tests of parity: the chart and two API servers on random values", dir: ".", flags: []string{"-count=1"}, packages: "./tests/parity", verbose: true},
}

// timeout is that of one package. On half a core the longest takes an hour.
const timeout = 3 * time.Hour

// row is a line of the table at the end.
type row struct {
	name      string
	wall, cpu time.Duration
	failed    bool
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: suite TIMES")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1], parts); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run runs the parts and reports on them.
func run(ctx context.Context, out io.Writer, times string, parts []part) error {
	text, err := os.ReadFile(times)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	rows, err := readTimes(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", times, err)
	}
	s := &summary{}
	for _, p := range parts {
		fmt.Fprintf(out, "\n==> %s\n\n", p.name)
		r, err := s.run(ctx, out, p)
		rows = append(rows, r)
		if err != nil {
			s.broken = append(s.broken, fmt.Sprintf("%s: %v", p.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return s.report(out, rows)
}

// run runs a part. Failed tests are in the summary; the error is for a part that could not
// be run.
func (s *summary) run(ctx context.Context, out io.Writer, p part) (row, error) {
	packages := []string{p.packages}
	if len(p.except) > 0 {
		list := exec.CommandContext(ctx, "go", "list", p.packages)
		list.Dir = p.dir
		text, err := list.Output()
		if err != nil {
			return row{name: p.name, failed: true}, fmt.Errorf("go list: %w", err)
		}
		packages = slices.DeleteFunc(strings.Fields(string(text)), func(name string) bool { return slices.Contains(p.except, name) })
	}
	cmd := exec.Command("go", slices.Concat([]string{"test", "-json", "-vet=off", "-timeout=" + timeout.String()}, p.flags, packages)...)
	cmd.Dir = p.dir
	// An interrupt goes to the tests too, which take their clusters down, and is waited for.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return row{}, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return row{}, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return row{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }) // it may just have ended
	defer stop()
	printer := newPrinter(out, p.verbose)
	defer printer.stop()
	before := len(s.failed())
	s.execution, err = testjson.ScanTestOutput(testjson.ScanConfig{
		Stdout: stdout, Stderr: stderr, Handler: printer, Execution: s.execution, IgnoreNonJSONOutputLines: true,
	})
	exit := cmd.Wait()
	s.compiler = append(s.compiler, printer.compiler...)
	r := row{p.name, time.Since(start), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), exit != nil}
	switch {
	case err != nil:
		return r, err
	case ctx.Err() != nil:
		return r, errors.New("interrupted")
	case exit != nil && len(s.failed()) == before:
		return r, fmt.Errorf("go test: %w", exit)
	}
	return r, nil
}

// readTimes reads the lines of ci/progress.sh: seconds, seconds of the processors, exit
// code and what was built, divided by tabs.
func readTimes(text string) ([]row, error) {
	var rows []row
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 4)
		if len(fields) != 4 {
			return nil, fmt.Errorf("line %q has %d fields, want 4", line, len(fields))
		}
		wall, err1 := strconv.ParseFloat(fields[0], 64)
		cpu, err2 := strconv.ParseFloat(fields[1], 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		if wall >= 1 { // what was up to date is no step
			rows = append(rows, row{fields[3], seconds(wall), seconds(cpu), fields[2] != "0"})
		}
	}
	return rows, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// withoutFrame takes out the lines that go test puts around what a test says.
func withoutFrame(lines []string) []string {
	var kept []string
	for _, line := range lines {
		if !isFrame(line) {
			kept = append(kept, strings.TrimRight(line, "\n"))
		}
	}
	return kept
}

// isFrame reports whether a line is one that go test puts around what tests say.
func isFrame(line string) bool {
	trimmed := strings.TrimSpace(line)
	return trimmed == "" || trimmed == "PASS" || slices.ContainsFunc([]string{"=== ", "--- ", "ok  \t", "FAIL"}, func(prefix string) bool {
		return strings.HasPrefix(trimmed, prefix)
	})
}

// packageName is that of a package without the module.
func packageName(path string) string {
	_, name, _ := strings.Cut(path, "/")
	return name
}
