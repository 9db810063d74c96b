package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"external-services/tests/internal/testenv"
)

// Cost is what one run of a program takes.
type Cost struct {
	Seconds   float64 `json:"seconds"`   // by the clock
	Processor float64 `json:"processor"` // seconds of the processors
	PeakMiB   float64 `json:"peakMiB"`   // the most memory that it had at a time
}

// LaunchCommand is the command of the program bench that Launch is for.
const LaunchCommand = "launch"

// Launch runs a program, throws away what it prints, and prints its Cost. It is for a small
// process of its own: the memory that Linux says a program had at most is also that of
// the process which started it, as long as the two were one (getrusage(2), execve(2)).
func Launch(args []string) error {
	runtime.LockOSThread() // the end of the thread would be that of the program
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it goes with this process
	var errs bytes.Buffer
	cmd.Stderr = &errs
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return json.NewEncoder(os.Stdout).Encode(Cost{
		Seconds:   took.Seconds(),
		Processor: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(),
		PeakMiB:   float64(usage.Maxrss) / 1024,
	})
}

// cost runs a program of .bin, or one with a path, by Launch.
func (r *Runner) cost(ctx context.Context, command ...string) (Cost, error) {
	self, err := os.Executable()
	if err != nil {
		return Cost{}, err
	}
	program := command[0]
	if !strings.Contains(program, "/") {
		if program, err = testenv.Binary(program); err != nil {
			return Cost{}, err
		}
	}
	cmd := exec.CommandContext(ctx, self, append([]string{LaunchCommand, program}, command[1:]...)...)
	cmd.Dir, cmd.Env = testenv.Root(), r.environment()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return Cost{}, fmt.Errorf("%w: %s", err, errs.String())
	}
	var cost Cost
	return cost, json.Unmarshal(out, &cost)
}

// environment lets helm and kubectl keep their caches in the folder of the run.
func (r *Runner) environment() []string {
	return append(os.Environ(), "KUBECACHEDIR="+r.dir+"/kube",
		"HELM_CACHE_HOME="+r.dir+"/helm", "HELM_CONFIG_HOME="+r.dir+"/helm", "HELM_DATA_HOME="+r.dir+"/helm")
}

// contender is a command that is measured beside others.
type contender struct {
	series  string
	command []string
}

// compare runs the contenders by turns, in so many rounds, and returns a row for each:
// the medians, and how many times the seconds of the first one it takes, which is the
// median of the rounds, so that what disturbs a round disturbs the ratio little.
func (r *Runner) compare(ctx context.Context, size, rounds int, contenders ...contender) ([]Row, error) {
	costs := make([][]Cost, len(contenders))
	for range rounds {
		for i, c := range contenders {
			cost, err := r.cost(ctx, c.command...)
			if err != nil {
				return nil, err
			}
			costs[i] = append(costs[i], cost)
		}
	}
	var rows []Row
	for i, c := range contenders {
		row := costRow(c.series, size, costs[i])
		var ratios []float64
		for round, cost := range costs[i] {
			ratios = append(ratios, cost.Seconds/costs[0][round].Seconds)
		}
		row.Values["ratio"] = median(ratios)
		rows = append(rows, row)
		r.progress("%s, %d: %.2f s", c.series, size, row.Values["seconds"])
	}
	return rows, nil
}

func costRow(series string, size int, costs []Cost) Row {
	pick := func(what func(Cost) float64) float64 {
		var all []float64
		for _, c := range costs {
			all = append(all, what(c))
		}
		return median(all)
	}
	return Row{Series: series, Size: size, Rounds: len(costs), Values: map[string]float64{
		"seconds":   pick(func(c Cost) float64 { return c.Seconds }),
		"processor": pick(func(c Cost) float64 { return c.Processor }),
		"peakMiB":   pick(func(c Cost) float64 { return c.PeakMiB }),
	}}
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile of values, of which there must be one: 0 is the smallest and 1 the largest.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}
