package traffic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// readyTimeout is how long the connections that last may take to open.
	readyTimeout = 2 * time.Minute

	// finishTimeout is how long what is under way may take when a load is to end: a
	// question to the DNS, a dial and a read, each with its own limit.
	finishTimeout = 2 * time.Minute
)

// Load is a load that runs in a process of its own.
type Load struct {
	options Options
	command *exec.Cmd
	stdin   io.Closer

	mu     sync.Mutex
	marks  []Mark
	events []Event

	ready  chan struct{} // closed when the connections that last are open
	ended  chan struct{} // closed when the process has ended; what is below is set then
	ending *Ending
	err    error
}

// Mark is a moment of a load and the beginning of the period of its name.
type Mark struct {
	Name string
	Time time.Time
}

// Control is the name of the first mark and period of a load. It begins when the
// connections that last are open, and nothing is changed in it, so that its failures
// are those that the machine makes.
const Control = "control"

// Start starts a load by a command that runs the program probe, to which it adds the
// arguments, and returns when the connections that last are open. The load ends at its
// bounds, when the command's context is done, or when this process ends.
func Start(probe *exec.Cmd, options Options) (*Load, error) {
	options = options.WithDefaults()
	if err := options.Check(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	l := &Load{options: options, command: probe, ready: make(chan struct{}), ended: make(chan struct{})}
	probe.Args = append(append(probe.Args, "load"), options.Args()...)
	var stderr bytes.Buffer
	probe.Stderr = &stderr
	stdin, err := probe.StdinPipe()
	if err != nil {
		return nil, err
	}
	l.stdin = stdin
	stdout, err := probe.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := probe.Start(); err != nil {
		return nil, err
	}
	// The probe keeps to its bounds by itself, if there is no fault in it.
	guard := time.AfterFunc(readyTimeout+options.Duration+finishTimeout, func() { probe.Process.Kill() })
	go func() {
		defer close(l.ended)
		defer guard.Stop()
		err := l.read(stdout)
		if err != nil {
			probe.Process.Kill()
		}
		if exit := probe.Wait(); exit != nil {
			err = errors.Join(err, exit)
		}
		if err != nil {
			l.err = fmt.Errorf("the load on %s was cut off: %w\n%s", options.Address, err, stderr.String())
		}
	}()
	select {
	case <-l.ready:
		return l, nil
	case <-l.ended:
		select {
		case <-l.ready:
			return l, nil // a short one
		default:
			return nil, l.err
		}
	case <-time.After(readyTimeout):
		probe.Process.Kill()
		<-l.ended
		return nil, fmt.Errorf("the load was not ready after %s: %w", readyTimeout, l.err)
	}
}

// read reads what the probe prints. What is cut off is an error.
func (l *Load) read(stdout io.Reader) error {
	decoder := json.NewDecoder(stdout)
	ready := false
	for {
		var line Line
		err := decoder.Decode(&line)
		if err == io.EOF && l.ending != nil && ready {
			return nil
		}
		if err != nil {
			return fmt.Errorf("its output ends without an ending, after %d events: %w", len(l.events), err)
		}
		switch {
		case !line.Ready.IsZero() && !ready:
			ready = true
			l.marks = []Mark{{Control, line.Ready}}
			close(l.ready)
		case line.Event != nil:
			l.mu.Lock()
			l.events = append(l.events, *line.Event)
			l.mu.Unlock()
		case line.Ending != nil:
			l.ending = line.Ending
			if l.ending.Events != len(l.events) {
				return fmt.Errorf("it made %d events, and %d of them arrived", l.ending.Events, len(l.events))
			}
		}
	}
}

// Mark notes that something is done now, under a name of its own.
func (l *Load) Mark(name string) Mark {
	mark := Mark{name, time.Now()}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marks = append(l.marks, mark)
	return mark
}

// WaitFor waits until that many new connections have begun and ended since the last
// mark. So a period has enough of them on a slow machine too.
func (l *Load) WaitFor(connections int) error {
	return l.wait(func(since []Event) error {
		if len(since) < connections {
			return fmt.Errorf("%d of %d new connections of its last period", len(since), connections)
		}
		return nil
	}, 0)
}

// WaitForAsked waits until that many new connections of the last mark's period have asked for
// their name at a moment or later. The moment may move while it waits.
func (l *Load) WaitForAsked(connections int, from func() time.Time) error {
	return l.wait(func(since []Event) error {
		asked, moment := 0, from()
		for _, e := range since {
			if !e.Resolved.Before(moment) {
				asked++
			}
		}
		if asked < connections {
			return fmt.Errorf("%d of %d new connections whose name was asked for later", asked, connections)
		}
		return nil
	}, 0)
}

// Settle waits until that many new connections, one begun after the other since the last
// mark, reached these servers, each of them, and no other. It takes that time at most.
func (l *Load) Settle(connections int, within time.Duration, servers ...string) error {
	return l.wait(func(since []Event) error {
		slices.SortStableFunc(since, func(a, b Event) int { return a.Start.Compare(b.Start) })
		reached := map[string]int{}
		for _, e := range since[max(0, len(since)-connections):] {
			reached[e.Server]++
		}
		if len(since) < connections || !slices.Equal(slices.Sorted(maps.Keys(reached)), slices.Sorted(slices.Values(servers))) {
			return fmt.Errorf("its last connections reached %v, want %q", reached, servers)
		}
		return nil
	}, within)
}

// wait waits until the new connections that have begun and ended since the last mark are
// as wanted, for a time at most if it is not 0.
func (l *Load) wait(wanted func(since []Event) error, within time.Duration) error {
	l.mu.Lock()
	mark := l.marks[len(l.marks)-1].Time
	l.mu.Unlock()
	var since []Event
	for read, start := 0, time.Now(); ; {
		l.mu.Lock()
		for ; read < len(l.events); read++ {
			if e := l.events[read]; e.Kind == New && !e.Start.Before(mark) {
				since = append(since, e)
			}
		}
		l.mu.Unlock()
		not := wanted(since)
		if not == nil {
			return nil
		}
		if within > 0 && time.Since(start) > within {
			return fmt.Errorf("after %s of the load, %w", within, not)
		}
		select {
		case <-l.ended:
			return errors.Join(l.err, fmt.Errorf("the load ended after %w", not))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop ends the load, waits for what is under way, and returns what became of it. A
// load that was cut off, had ended before, or has too few connections in a period is
// an error.
func (l *Load) Stop() (*Report, error) {
	told := time.Now()
	if err := l.stdin.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return nil, err
	}
	guard := time.AfterFunc(finishTimeout, func() { l.command.Process.Kill() })
	defer guard.Stop()
	report, err := l.report()
	if report != nil && report.End.Before(told) {
		early := fmt.Errorf("the load ended %s before it was stopped, because %s", milliseconds(told.Sub(report.End)), report.Reason)
		return report, errors.Join(early, err)
	}
	return report, err
}

// Wait waits until the load has ended by itself, at a bound, and returns what became
// of it.
func (l *Load) Wait() (*Report, error) {
	report, err := l.report()
	if report != nil && report.Reason == Told {
		return report, errors.Join(errors.New("the load was stopped before it came to a bound"), err)
	}
	return report, err
}

// report is nil for a load that was cut off.
func (l *Load) report() (*Report, error) {
	<-l.ended
	if l.err != nil {
		return nil, l.err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	report := &Report{
		Marks: slices.Clone(l.marks), Events: slices.Clone(l.events), End: l.ending.Time, Reason: l.ending.Reason, LeftOut: l.ending.LeftOut,
		CPU: l.command.ProcessState.UserTime() + l.command.ProcessState.SystemTime(),
	}
	slices.SortStableFunc(report.Events, func(a, b Event) int { return a.Start.Compare(b.Start) })
	return report, report.check(l.options)
}

// check says whether a report proves anything.
func (r *Report) check(o Options) error {
	var failures []string
	names := map[string]bool{}
	for _, mark := range r.Marks {
		if names[mark.Name] {
			failures = append(failures, fmt.Sprintf("two marks are named %q", mark.Name))
		}
		names[mark.Name] = true
	}
	for _, period := range r.Periods() {
		if n := period.Count(New); n < o.AtLeast {
			failures = append(failures, fmt.Sprintf("the period %q has %d new connections, want %d at least", period.Name, n, o.AtLeast))
		}
	}
	if len(failures) > 0 {
		return fmt.Errorf("the load proves nothing: %s\n%s", strings.Join(failures, "; "), r)
	}
	return nil
}
