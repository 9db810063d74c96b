package testenv

import (
	"bytes"
	"context"
	"os/exec"
	"sync"
	"testing"
)

// Running is a program that runs beside a test.
type Running struct {
	// Ended is closed when it has ended.
	Ended chan struct{}

	cmd  *exec.Cmd
	mu   sync.Mutex
	text bytes.Buffer
}

// Beside runs a program until it is killed, or the test ends. A test that fails logs what the program printed.
func Beside(t testing.TB, name string, program func(ctx context.Context) (*exec.Cmd, error)) *Running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &Running{Ended: make(chan struct{})}
	var err error
	if r.cmd, err = program(ctx); err != nil {
		t.Fatal(err)
	}
	r.cmd.Stdout, r.cmd.Stderr = r, r
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait() // killed, or told to end
		close(r.Ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.Ended
		if t.Failed() {
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Logf("%s:\n%s", name, r.text.String())
		}
	})
	return r
}

// Write takes what the program prints.
func (r *Running) Write(data []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(data)
}

// Pid is the number of the process.
func (r *Running) Pid() int { return r.cmd.Process.Pid }

// Kill ends the program at once.
func (r *Running) Kill(t testing.TB) {
	t.Helper()
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-r.Ended
}
