package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"external-services/tests/internal/traffic"
)

// step is a row of the table of an act under load.
type step struct {
	what string

	// change begins the step; the first one has none.
	change func() error

	// servers are those that new connections reach at its end, each of them and no other.
	servers []string
}

// serveOutside adds a host outside that answers connections with its name.
func (d *demo) serveOutside(ctx context.Context, host, ip string, port int) error {
	if err := d.cluster.AddOutside(ctx, host, []string{ip}); err != nil {
		return err
	}
	return d.cluster.Serve(ctx, host, "tcp", fmt.Sprintf("%s:%d", ip, port))
}

// load opens 500 connections a second to an address, and ten that stay open and exchange lines.
func (d *demo) load(ctx context.Context, address string) (*traffic.Load, error) {
	return d.cluster.Load(ctx, app, traffic.Options{Address: address, Interval: 2 * time.Millisecond, LongLived: 10})
}

// watch takes a load through the steps and prints what became of its connections. It is an
// error if one failed. Last is the format of a sentence with the time from the beginning of
// the last step to the last new connection that went elsewhere, in seconds.
func (d *demo) watch(load *traffic.Load, steps []step, last string) error {
	taken := take(load, steps)
	report, stopped := load.Stop()
	if report == nil {
		return errors.Join(taken, stopped)
	}
	rows, opened, failed := []string{"STEP\tNEW CONNECTIONS\tFAILED\tANSWERED BY"}, 0, 0
	for n, period := range report.Periods() {
		var servers []string
		count, answered := period.Count(traffic.New), 0
		for server, answers := range period.Servers(traffic.New) {
			servers = append(servers, fmt.Sprintf("%s %d", server, answers))
			answered += answers
		}
		slices.Sort(servers)
		opened, failed = opened+count, failed+count-answered
		rows = append(rows, fmt.Sprintf("%s\t%d\t%d\t%s", steps[n].what, count, count-answered, strings.Join(servers, ", ")))
	}
	if err := d.table(rows...); err != nil {
		return err
	}
	open, cut := 0, 0
	for _, c := range report.Connections(traffic.LongLived) {
		if !c.Events[0].Failed() {
			open++
			if c.Events[len(c.Events)-1].Failed() {
				cut++
			}
		}
	}
	line := fmt.Sprintf("%d new connections, %d failed; %d open connections, %d cut.", opened, failed, open, cut)
	if taken == nil {
		end := report.Marks[len(report.Marks)-1]
		elsewhere, _ := report.Period(end).LastElsewhere(steps[len(steps)-1].servers...)
		line += " " + fmt.Sprintf(last, elsewhere.Seconds())
	}
	d.say("%s", line)
	if failures := len(report.Failures()); failures > 0 {
		taken = errors.Join(taken, fmt.Errorf("%d failures:\n%s", failures, report))
	}
	return errors.Join(taken, stopped)
}

// take goes through the steps, each until 500 connections one after the other reached its servers.
func take(load *traffic.Load, steps []step) error {
	for _, s := range steps {
		if s.change != nil {
			load.Mark(s.what)
			if err := s.change(); err != nil {
				return err
			}
		}
		if err := load.Settle(500, time.Minute, s.servers...); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}
