// Command bench measures what the chart and the tools cost, and writes the page
// docs/benchmarks.md of the chart with its plot. It is for make bench, which builds what
// it measures.
//
//	bench [-rounds N] [-largest N] [PART,PART...]
//	bench -write
//
// Without names it measures all parts but the resolver, which takes long; those that
// are not named keep their figures. With -write it measures nothing and writes the page again, for make generate.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"external-services/tests/bench"
)

func main() {
	var err error
	if len(os.Args) > 2 && os.Args[1] == bench.LaunchCommand {
		err = bench.Launch(os.Args[2:])
	} else {
		err = run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	runner := bench.Runner{Out: os.Stdout}
	flag.IntVar(&runner.Rounds, "rounds", 0, "how often each thing is measured (default: as often as the part needs)")
	flag.IntVar(&runner.Largest, "largest", 0, "leave out what has more entries, and write nothing")
	write := flag.Bool("write", false, "measure nothing: write the page and the plot from the figures that are kept")
	flag.Parse()
	results, err := bench.ReadResults()
	if err != nil {
		return err
	}
	if *write {
		return results.Write()
	}
	all, names := bench.Names()
	if flag.NArg() > 0 {
		names = strings.Split(strings.Join(flag.Args(), ","), ",")
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			return fmt.Errorf("%q is no part: write some of %s", name, strings.Join(all, ", "))
		}
	}
	if err := warnIfBusy(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return runner.Run(ctx, results, names)
}

// warnIfBusy says so when other programs use the machine: ratios bear that better than
// times do, and neither bears it well.
func warnIfBusy() error {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	var load float64
	if _, err := fmt.Sscan(string(text), &load); err != nil {
		return fmt.Errorf("/proc/loadavg: %w", err)
	}
	if load > float64(runtime.NumCPU())/4 {
		fmt.Fprintf(os.Stderr, "The machine is busy, its load is %.1f: the figures will be those of a busy machine.\n", load)
	}
	return nil
}
