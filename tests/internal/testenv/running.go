package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// Running is a program that runs beside a test.
type Running struct {
	program func(ctx context.Context) (*exec.Cmd, error)
	ended   chan struct{} // for good

	mu     sync.Mutex
	cmd    *exec.Cmd
	killed bool
	text   bytes.Buffer
}

// Beside runs a program until it is killed, or the test ends. If it ends by itself it is started again, as a kubelet
// does. A test that fails logs what the program printed.
func Beside(t testing.TB, name string, program func(ctx context.Context) (*exec.Cmd, error)) *Running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &Running{program: program, ended: make(chan struct{})}
	if err := r.start(ctx); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		for err := r.cmd.Wait(); !r.isOver(ctx); {
			fmt.Fprintf(r, "%s ended (%v), and is started again\n", name, err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second): // a kubelet waits too
			}
			if err = r.start(ctx); err == nil {
				err = r.cmd.Wait()
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-r.ended
		if t.Failed() {
			t.Logf("%s:\n%s", name, r.text.String())
		}
	})
	return r
}

func (r *Running) start(ctx context.Context) error {
	cmd, err := r.program(ctx)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = r, r
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.killed {
		return nil
	}
	r.cmd = cmd
	return cmd.Start()
}

func (r *Running) isOver(ctx context.Context) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.killed || ctx.Err() != nil
}

// Write takes what the program prints.
func (r *Running) Write(data []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(data)
}

// Pid is the number of the process.
func (r *Running) Pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cmd.Process.Pid
}

// Kill ends the program at once, and for good.
func (r *Running) Kill(t testing.TB) {
	t.Helper()
	r.mu.Lock()
	r.killed = true
	err := r.cmd.Process.Kill()
	r.mu.Unlock()
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	<-r.ended
}
