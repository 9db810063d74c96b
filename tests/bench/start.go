package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"external-services/tests/internal/testenv"
)

// startSteps are measured one after the other, in each round.
var startSteps = []contender{
	{"embedded cluster, cold", embeddedCluster("up")},
	{"embedded cluster, warm", embeddedCluster("up")},
	{"embedded cluster, down", embeddedCluster("down")},
	{"make demo, warm", []string{"make", "demo"}},
}

// kindSteps are the series of kind's cluster, by the steps of ci/kind/test.sh.
var kindSteps = []struct{ series, step string }{
	{"kind cluster, up", "plain cluster: up"},
	{"kind cluster, down", "plain cluster: down"},
}

// startSeries are the series of the part, in the order of the page.
func startSeries() []string {
	var all []string
	for _, step := range startSteps {
		all = append(all, step.series)
	}
	for _, step := range kindSteps {
		all = append(all, step.series)
	}
	return all
}

func embeddedCluster(args ...string) []string {
	return append([]string{testenv.Path(".bin", "cluster"), "--name", "bench-start"}, args...)
}

// starts measures how long there is no cluster: a start with nothing but the programs
// and images built, a start of what is up, and make demo.
func (r *Runner) starts(ctx context.Context, rounds int) (rows []Row, err error) {
	if _, _, err := r.timed(ctx, "make", "kind-tools"); err != nil {
		return nil, err
	}
	// before, for what a killed run has left, and after, for an interrupt
	down := func(ctx context.Context) error {
		_, _, err := r.timed(ctx, embeddedCluster("down")...)
		return err
	}
	if err := down(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, down(context.WithoutCancel(ctx))) }()
	costs := map[string][]Cost{}
	note := func(series string, cost Cost) {
		costs[series] = append(costs[series], cost)
		r.progress("%s: %.2f s", series, cost.Seconds)
	}
	for range rounds {
		for _, step := range startSteps {
			cost, _, err := r.timed(ctx, step.command...)
			if err != nil {
				return nil, err
			}
			note(step.series, cost)
		}
		_, text, err := r.timed(ctx, testenv.Path("ci", "kind", "test.sh"), "start")
		if err != nil {
			return nil, err
		}
		for _, step := range kindSteps {
			cost, err := stepOf(text, step.step)
			if err != nil {
				return nil, err
			}
			note(step.series, cost)
		}
	}
	for _, series := range startSeries() {
		row := costRow(series, 0, costs[series])
		row.Values = map[string]float64{"seconds": row.Values["seconds"]}
		rows = append(rows, row)
	}
	return rows, nil
}

// stepOf reads what a step of ci/kind/test.sh took, in whole seconds.
func stepOf(text, step string) (Cost, error) {
	found := regexp.MustCompile(`(?m)^ *([0-9]+) s  ` + regexp.QuoteMeta(step) + `$`).FindStringSubmatch(text)
	if found == nil {
		return Cost{}, fmt.Errorf("ci/kind/test.sh has not said what %q took:\n%s", step, text)
	}
	took, err := strconv.Atoi(found[1])
	return Cost{Seconds: float64(took)}, err
}

// timed takes the time of a command which starts others that stay, and returns what it
// prints.
func (r *Runner) timed(ctx context.Context, command ...string) (Cost, string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Env = testenv.Root(), r.environment()
	log, err := os.CreateTemp(r.dir, "log-*") // a pipe would be open as long as the others run
	if err != nil {
		return Cost{}, "", err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // for it to take down what it has made
	start := time.Now()
	failed := cmd.Run()
	cost := Cost{Seconds: time.Since(start).Seconds()}
	text, err := os.ReadFile(log.Name())
	if failed != nil {
		return Cost{}, "", fmt.Errorf("%v: %w\n%s", command, failed, text)
	}
	return cost, string(text), err
}
