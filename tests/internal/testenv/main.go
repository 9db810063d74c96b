package testenv

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
)

// Started is a cluster that runs for the tests of a package.
type Started interface {
	// Stop ends and removes it, and what is around it.
	Stop(ctx context.Context) error

	// NotProven says what tests could not prove on it, if there is something.
	NotProven() string
}

// Main is the TestMain of a package whose tests use clusters: start starts them, and
// returns those that it started, also together with an error. Main runs the tests, stops the
// clusters and ends the process.
func Main[C Started](m interface{ Run() int }, start func(ctx context.Context) ([]C, error)) {
	flag.Parse()
	code, err := run(m, start)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run[C Started](m interface{ Run() int }, start func(ctx context.Context) ([]C, error)) (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	clusters, err := start(ctx)
	defer func() {
		for _, c := range clusters {
			err = errors.Join(err, c.Stop(context.WithoutCancel(ctx)))
		}
	}()
	if err != nil {
		return 1, err
	}
	// An interrupt ends the process without a chance to clean up, unless it waits for the
	// tests here.
	done := make(chan int, 1)
	go func() { done <- m.Run() }()
	select {
	case code = <-done:
	case <-ctx.Done():
		return 1, ctx.Err()
	}
	for _, c := range clusters {
		if text := c.NotProven(); text != "" {
			fmt.Fprintf(os.Stderr, "\nNOT PROVEN: %s\n", text)
		}
	}
	leftOut.Lock()
	defer leftOut.Unlock()
	for _, text := range leftOut.texts {
		fmt.Fprintf(os.Stderr, "NOT RUN HERE: %s\n", text)
	}
	return code, nil
}

// leftOut are the tests that were left out, and why.
var leftOut struct {
	sync.Mutex
	texts []string
}

// LeaveOut skips a test that this cluster cannot run. Main says so once more at the end.
func LeaveOut(t testing.TB, why string) {
	t.Helper()
	leftOut.Lock()
	leftOut.texts = append(leftOut.texts, t.Name()+": "+why)
	leftOut.Unlock()
	t.Skip("NOT RUN HERE: ", why)
}
