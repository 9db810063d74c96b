package embedded

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Main is the TestMain of a package whose tests use clusters: start starts them, and
// returns those that it has started, also beside an error. Main runs the tests, stops the
// clusters and ends the process.
func Main(m interface{ Run() int }, start func(ctx context.Context) ([]*Cluster, error)) {
	flag.Parse()
	code, err := run(m, start)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m interface{ Run() int }, start func(ctx context.Context) ([]*Cluster, error)) (code int, err error) {
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
		if !c.DataPlane && !c.off {
			fmt.Fprintf(os.Stderr, "\nNOT PROVEN: that names resolve and connections arrive.\n%s\n", c.LeftOut)
		}
	}
	return code, nil
}
