package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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

func embeddedCluster(args ...string) []string {
	return append([]string{testenv.Path(".bin", "cluster"), "--name", "bench-start"}, args...)
}

// starts measures how long there is no cluster: a start with nothing but the programs
// built, a start of what is up, and make demo.
func (r *Runner) starts(ctx context.Context, rounds int) (rows []Row, err error) {
	if _, err := r.timed(ctx, "make", "tools", "packages"); err != nil {
		return nil, err
	}
	// before, for what a killed run has left, and after, for an interrupt
	down := func(ctx context.Context) error {
		_, err := r.timed(ctx, embeddedCluster("down")...)
		return err
	}
	if err := down(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, down(context.WithoutCancel(ctx))) }()
	costs := map[string][]Cost{}
	for range rounds {
		for _, step := range startSteps {
			cost, err := r.timed(ctx, step.command...)
			if err != nil {
				return nil, err
			}
			costs[step.series] = append(costs[step.series], cost)
			r.progress("%s: %.2f s", step.series, cost.Seconds)
		}
	}
	for _, step := range startSteps {
		row := costRow(step.series, 0, costs[step.series])
		row.Values = map[string]float64{"seconds": row.Values["seconds"]}
		rows = append(rows, row)
	}
	return rows, nil
}

// timed takes the time of a command which starts others that stay.
func (r *Runner) timed(ctx context.Context, command ...string) (Cost, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Env = testenv.Root(), r.environment()
	log, err := os.CreateTemp(r.dir, "log-*") // a pipe would be open as long as the others run
	if err != nil {
		return Cost{}, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	start := time.Now()
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log.Name())
		return Cost{}, fmt.Errorf("%v: %w\n%s", command, err, text)
	}
	return Cost{Seconds: time.Since(start).Seconds()}, nil
}
