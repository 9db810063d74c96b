package build

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"external-services/tools/cluster/internal/progress"
)

// failureLines is how much of the go command's output a failure shows.
const failureLines = 20

// compile runs the go command, whose output becomes the progress.
func (t *target) compile(ctx context.Context, output string, start time.Time) error {
	out := newReport(t.version, t.out, start)
	stop := out.tick()
	defer stop()

	out.phase("resolving packages")
	var packages bytes.Buffer
	if err := t.goCommand(ctx, &packages, out, "list", "-deps", "./"+componentsPackage); err != nil {
		return err
	}
	out.total(bytes.Count(packages.Bytes(), []byte("\n")))
	return t.goCommand(ctx, nil, out, "build", "-v", "-o", output, "./"+componentsPackage)
}

// flags are those that the go command builds the components with.
func (t *target) flags() []string {
	return append([]string{
		"-modfile=" + t.modfile,
		"-tags=" + t.tags,
		// The state of the repository is none of a cluster's business, and would make every commit a new binary.
		"-buildvcs=false",
		"-ldflags=" + linkerFlags(t.version),
	}, compilerFlags(t.tags)...)
}

// goCommand runs the go command in the module. What it reports, which is all it writes when stdout is nil, goes to the
// report.
func (t *target) goCommand(ctx context.Context, stdout io.Writer, out *report, command string, args ...string) error {
	args = slices.Concat([]string{command}, t.flags(), args)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = t.module
	// Without cgo the binary runs on any machine of the same kind and needs no C compiler. A workspace would decide
	// on other versions of the modules.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if stdout == nil {
		stdout = out
	}
	cmd.Stdout, cmd.Stderr = stdout, out
	err := cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		return nil
	}
	if text := out.failure(); text != "" {
		return fmt.Errorf("go %s: %w; its last lines are:\n%s", command, err, text)
	}
	return fmt.Errorf("go %s: %w", command, err)
}

// report turns the output of the go command into a status.
type report struct {
	version string
	out     *progress.Printer
	start   time.Time

	mu       sync.Mutex
	partial  []byte
	doing    string
	compiled int
	packages int
	messages []string
}

func newReport(version string, out *progress.Printer, start time.Time) *report {
	return &report{version: version, out: out, start: start}
}

// tick keeps the elapsed time going while the go command is silent, and returns what ends that.
func (r *report) tick() (stop func()) {
	ticker, done := time.NewTicker(time.Second), make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			select {
			case <-ticker.C:
				r.mu.Lock()
				r.show()
				r.mu.Unlock()
			case <-done:
				return
			}
		}
	})
	return func() {
		ticker.Stop()
		close(done)
		ended.Wait()
		r.out.Clear()
	}
}

func (r *report) phase(doing string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doing = doing
	r.show()
}

func (r *report) total(packages int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.packages, r.doing = packages, ""
	r.show()
}

// Write takes what the go command prints: the path of each package that it compiles, and messages.
func (r *report) Write(data []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.partial = append(r.partial, data...)
	for {
		line, rest, complete := bytes.Cut(r.partial, []byte("\n"))
		if !complete {
			break
		}
		r.line(string(line))
		r.partial = rest
	}
	r.show()
	return len(data), nil
}

func (r *report) line(line string) {
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		r.doing = strings.TrimPrefix(line, "go: ")
	case line != "" && !strings.ContainsAny(line, " \t:#"):
		r.compiled++
		r.doing = line
		if strings.HasSuffix(line, "/"+componentsPackage) {
			r.doing = "linking"
		}
	default:
		r.messages = append(r.messages, line)
		r.messages = r.messages[max(0, len(r.messages)-failureLines):]
	}
}

func (r *report) show() {
	r.out.Status(statusLine(r.version, r.compiled, r.packages, time.Since(r.start), r.doing))
}

// failure returns the last messages of the go command.
func (r *report) failure() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.messages
	if len(r.partial) > 0 {
		lines = append(lines, string(r.partial))
	}
	return strings.Join(lines, "\n")
}

// statusLine says how far a build is. Packages that the go command has in its cache are not compiled again, so the
// number may end well below the total.
func statusLine(version string, compiled, packages int, elapsed time.Duration, doing string) string {
	line := fmt.Sprintf("building Kubernetes %s: %s", version, progress.Elapsed(elapsed))
	if packages > 0 {
		line += fmt.Sprintf(", compiled %d of at most %d packages", compiled, packages)
	}
	if doing != "" {
		line += ": " + doing
	}
	return line
}
