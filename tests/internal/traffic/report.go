package traffic

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what became of a load.
type Report struct {
	// Marks are in the order of their times; the first is Control.
	Marks []Mark

	// Events are in the order of their starts.
	Events []Event

	// End is when the last of them had ended, and Reason why the load ended.
	End    time.Time
	Reason string

	// LeftOut is how many new connections were due and not opened.
	LeftOut int

	// CPU is the time of a processor that the probe took.
	CPU time.Duration
}

// Period is the part of a load between two times. What begins in it is part of it;
// see Failures for what fails in it.
type Period struct {
	Name     string
	From, To time.Time
	report   *Report
}

// Periods are one for each mark, from the mark to the next one or the end.
func (r *Report) Periods() []Period {
	periods := make([]Period, len(r.Marks))
	for i, mark := range r.Marks {
		periods[i] = r.Period(mark)
	}
	return periods
}

// Period is the period that begins with a mark.
func (r *Report) Period(mark Mark) Period {
	to := r.End
	for _, next := range r.Marks {
		if next.Time.After(mark.Time) {
			to = next.Time
			break
		}
	}
	return Period{mark.Name, mark.Time, to, r}
}

// Control is the first period, without any change.
func (r *Report) Control() Period { return r.Period(r.Marks[0]) }

// Between is the period between two times.
func (r *Report) Between(name string, from, to time.Time) Period { return Period{name, from, to, r} }

// Events are the events of a kind that began in the period.
func (p Period) Events(kind Kind) []Event {
	var events []Event
	for _, e := range p.report.Events {
		if e.Kind == kind && p.began(e) {
			events = append(events, e)
		}
	}
	return events
}

func (p Period) began(e Event) bool { return !e.Start.Before(p.From) && e.Start.Before(p.To) }

// Count is how many events of a kind began in the period, failed ones too.
func (p Period) Count(kind Kind) int { return len(p.Events(kind)) }

// Require returns an error if there are fewer events of a kind than that.
func (p Period) Require(kind Kind, atLeast int) error {
	if n := p.Count(kind); n < atLeast {
		return fmt.Errorf("the period %q has %d events of the kind %q, want %d at least", p.Name, n, kind, atLeast)
	}
	return nil
}

// Servers counts the events of a kind that came off by the server that answered.
func (p Period) Servers(kind Kind) map[string]int {
	servers := map[string]int{}
	for _, e := range p.Events(kind) {
		if !e.Failed() {
			servers[e.Server]++
		}
	}
	return servers
}

// Slowest is the longest time that an event of a kind took which came off.
func (p Period) Slowest(kind Kind) time.Duration {
	var slowest time.Duration
	for _, e := range p.Events(kind) {
		if !e.Failed() {
			slowest = max(slowest, e.Took)
		}
	}
	return slowest
}

// LongestTTL is the longest time for which an answer of the DNS in the period holds.
func (p Period) LongestTTL() time.Duration {
	var longest time.Duration
	for _, e := range p.report.Events {
		if p.began(e) {
			longest = max(longest, e.TTL)
		}
	}
	return longest
}

// LastReached is how long after the beginning of the period the last connection began
// which reached one of the servers, among the connections that were opened in the
// period. It reports whether there is one.
func (p Period) LastReached(servers ...string) (time.Duration, bool) {
	return p.last(func(server string) bool { return slices.Contains(servers, server) })
}

// LastElsewhere is LastReached for all servers but these. Together with Require it
// tells when all new connections go where they should.
func (p Period) LastElsewhere(servers ...string) (time.Duration, bool) {
	return p.last(func(server string) bool { return !slices.Contains(servers, server) })
}

func (p Period) last(is func(server string) bool) (after time.Duration, found bool) {
	for _, e := range p.report.Events {
		if e.Opens && !e.Failed() && p.began(e) && is(e.Server) {
			after, found = e.Start.Sub(p.From), true
		}
	}
	return after, found
}

// Failure is an event that failed.
type Failure struct {
	Event

	// Mark is the last one before the event began, and After how long after it that was.
	// What failed before Control, while the connections that last were opened, is of no
	// period and has a negative time.
	Mark  Mark
	After time.Duration
}

// String is such as "both +120 ms: new: dial: 10.96.12.7:80: connection refused, after 3 ms".
func (f Failure) String() string {
	return fmt.Sprintf("%s %s: %s, after %s", f.Mark.Name, since(f.After), f.what(), milliseconds(f.Took))
}

// what is the part of String that failures have in common.
func (f Failure) what() string { return fmt.Sprintf("%s: %s: %s", f.Kind, f.Phase, f.Error) }

// Failures are the events of all kinds that were under way in the period and failed.
// One that was under way at a mark is in the periods on both sides of it, for what
// happened in either can be the reason.
func (p Period) Failures() []Failure {
	var failures []Failure
	for _, e := range p.report.Events {
		if e.Failed() && e.Start.Before(p.To) && !e.End().Before(p.From) {
			failures = append(failures, p.report.failure(e))
		}
	}
	return failures
}

// Failures are those of the whole load.
func (r *Report) Failures() []Failure {
	var failures []Failure
	for _, e := range r.Events {
		if e.Failed() {
			failures = append(failures, r.failure(e))
		}
	}
	return failures
}

func (r *Report) failure(e Event) Failure {
	mark := r.Marks[0]
	for _, m := range r.Marks {
		if !m.Time.After(e.Start) {
			mark = m
		}
	}
	return Failure{e, mark, e.Start.Sub(mark.Time)}
}

// Connection is a connection that lasts.
type Connection struct {
	Kind           Kind
	Client, Number int

	// Events are what happened on it, in order. The first opened it. If one failed, it
	// is the last.
	Events []Event
}

// Connections are those of a kind, by client and number.
func (r *Report) Connections(kind Kind) []Connection {
	type key struct{ client, number int }
	events := map[key][]Event{}
	for _, e := range r.Events {
		if e.Kind == kind {
			k := key{e.Client, e.Connection}
			events[k] = append(events[k], e)
		}
	}
	var connections []Connection
	for k, events := range events {
		connections = append(connections, Connection{kind, k.client, k.number, events})
	}
	slices.SortFunc(connections, func(a, b Connection) int {
		if a.Client != b.Client {
			return a.Client - b.Client
		}
		return a.Number - b.Number
	})
	return connections
}

// openAt says whether the connection was open at a time: it had opened before, and
// something was asked over it later.
func (c Connection) openAt(t time.Time) bool {
	first, last := c.Events[0], c.Events[len(c.Events)-1]
	return !first.Failed() && !first.End().After(t) && last.End().After(t)
}

// Stayed returns an error unless at least so many connections of a kind were open at
// a mark and each of them stayed with the server that it had, until the load ended.
func (r *Report) Stayed(kind Kind, at Mark, atLeast int) error {
	var wrong []string
	open := 0
	for _, c := range r.Connections(kind) {
		if !c.openAt(at.Time) {
			continue
		}
		open++
		server := c.Events[0].Server
		for _, e := range c.Events {
			if e.Failed() {
				wrong = append(wrong, fmt.Sprintf("that to %s: %s", server, r.failure(e)))
			} else if e.Server != server {
				wrong = append(wrong, fmt.Sprintf("%s %d is answered by %s and later by %s", kind, c.Client, server, e.Server))
				break
			}
		}
	}
	if open < atLeast {
		wrong = append(wrong, fmt.Sprintf("%d were open, want %d at least", open, atLeast))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("the %s connections that were open at %q did not all stay: %s", kind, at.Name, strings.Join(wrong, "; "))
	}
	return nil
}

// String is a table with a row for each period and kind, and the failures below it.
func (r *Report) String() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "PERIOD\tLASTED\tKIND\tCOUNT\tFAILED\tSLOWEST\tSERVERS")
	for _, p := range r.Periods() {
		for _, kind := range []Kind{New, HTTP, LongLived} {
			if !slices.ContainsFunc(r.Events, func(e Event) bool { return e.Kind == kind }) {
				continue
			}
			failed := 0
			for _, f := range p.Failures() {
				if f.Kind == kind {
					failed++
				}
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", p.Name, milliseconds(p.To.Sub(p.From)), kind, p.Count(kind), failed, milliseconds(p.Slowest(kind)), shares(p.Servers(kind)))
		}
	}
	table.Flush()
	if r.LeftOut > 0 {
		fmt.Fprintf(&text, "%d new connections were due and not opened: the machine or the servers did not keep up.\n", r.LeftOut)
	}
	writeFailures(&text, r.Failures())
	return text.String()
}

// shownFailures is how many lines of failures String has: what broke shows in the
// first ones.
const shownFailures = 20

// writeFailures writes a line for all failures after the same mark that are the same.
func writeFailures(text io.Writer, failures []Failure) {
	type key struct{ mark, what string }
	same := map[key][]Failure{}
	var order []key
	for _, f := range failures {
		k := key{f.Mark.Name, f.what()}
		if len(same[k]) == 0 {
			order = append(order, k)
		}
		same[k] = append(same[k], f)
	}
	for i, k := range order {
		if i == shownFailures {
			fmt.Fprintf(text, "and %d more lines of failures, %d failures in all\n", len(order)-i, len(failures))
			return
		}
		if group := same[k]; len(group) == 1 {
			fmt.Fprintln(text, group[0])
		} else {
			fmt.Fprintf(text, "%s %s to %s: %d times %s\n", k.mark, since(group[0].After), since(group[len(group)-1].After), len(group), k.what)
		}
	}
}

// shares is such as "outside-1 51 % (1034), outside-2 49 % (993)".
func shares(servers map[string]int) string {
	total := 0
	for _, n := range servers {
		total += n
	}
	var parts []string
	for _, server := range slices.Sorted(maps.Keys(servers)) {
		parts = append(parts, fmt.Sprintf("%s %.0f %% (%d)", server, 100*float64(servers[server])/float64(total), servers[server]))
	}
	return strings.Join(parts, ", ")
}

// since is such as "+120 ms".
func since(d time.Duration) string {
	return fmt.Sprintf("%+d ms", d.Round(time.Millisecond).Milliseconds())
}

// milliseconds is a time as people compare it.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}
