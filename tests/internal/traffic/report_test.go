package traffic

import (
	"strings"
	"testing"
	"time"
)

// at is a time of the load that the tests are about, in milliseconds.
func at(ms int) time.Time {
	return time.UnixMilli(1_700_000_000_000).Add(time.Duration(ms) * time.Millisecond)
}

func newConnection(ms, took int, server string) Event {
	return Event{Kind: New, Opens: true, Start: at(ms), Took: time.Duration(took) * time.Millisecond, Server: server}
}

func failed(ms, took int, phase Phase, text string) Event {
	return Event{Kind: New, Opens: true, Start: at(ms), Took: time.Duration(took) * time.Millisecond, Phase: phase, Error: text}
}

func line(client, connection, ms int, server, text string) Event {
	e := Event{Kind: LongLived, Client: client, Connection: connection, Start: at(ms), Took: time.Millisecond, Server: server, Error: text}
	if text != "" {
		e.Phase = Read
	}
	return e
}

var (
	both    = Mark{"both", at(1000)}
	cluster = Mark{"cluster", at(2000)}
)

// report has three periods of a second.
func report(events ...Event) *Report {
	return &Report{Marks: []Mark{{Control, at(0)}, both, cluster}, Events: events, End: at(3000)}
}

func TestPeriods(t *testing.T) {
	r := report(newConnection(0, 2, "a"), newConnection(999, 7, "b"), newConnection(1000, 1, "a"), failed(1500, 1, Dial, "refused"), newConnection(2999, 1, "c"))
	for i, want := range []struct {
		name  string
		count int
	}{{Control, 2}, {"both", 2}, {"cluster", 1}} {
		p := r.Periods()[i]
		if p.Name != want.name || p.Count(New) != want.count || p.Count(HTTP) != 0 || p.From != at(1000*i) || p.To != at(1000*(i+1)) {
			t.Errorf("period %+v has %d connections, want %+v", p, p.Count(New), want)
		}
		if err := p.Require(New, want.count); err != nil {
			t.Error(err)
		}
		if err := p.Require(New, want.count+1); err == nil {
			t.Errorf("%d connections are as good as %d", want.count, want.count+1)
		}
	}
	if servers := r.Control().Servers(New); len(servers) != 2 || servers["a"] != 1 || servers["b"] != 1 {
		t.Errorf("servers %v", servers)
	}
	if slowest := r.Control().Slowest(New); slowest != 7*time.Millisecond {
		t.Errorf("slowest %s", slowest)
	}
	if n := r.Between("", at(999), at(1001)).Count(New); n != 2 {
		t.Errorf("%d connections between two times", n)
	}
}

// A connection that was under way at a mark may have failed for what came after it.
func TestFailuresAreOfEachPeriodTheyWereUnderWayIn(t *testing.T) {
	r := report(failed(10, 5, Resolve, "no such host"), failed(990, 20, Read, "reset"), failed(1120, 3, Dial, "10.96.0.7:80: refused"), failed(1900, 5000, Dial, "timeout"))
	for mark, want := range map[Mark][]string{
		r.Marks[0]: {"control +10 ms: new: resolve: no such host, after 5 ms", "control +990 ms: new: read: reset, after 20 ms"},
		both:       {"control +990 ms: new: read: reset, after 20 ms", "both +120 ms: new: dial: 10.96.0.7:80: refused, after 3 ms", "both +900 ms: new: dial: timeout, after 5000 ms"},
		cluster:    {"both +900 ms: new: dial: timeout, after 5000 ms"},
	} {
		var got []string
		for _, f := range r.Period(mark).Failures() {
			got = append(got, f.String())
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("the failures of %q are %q, want %q", mark.Name, got, want)
		}
	}
	if n := len(r.Failures()); n != 4 {
		t.Errorf("%d failures in all", n)
	}
	early := report(failed(-30, 5, Dial, "refused"))
	if got := early.Failures()[0].String(); got != "control -30 ms: new: dial: refused, after 5 ms" || len(early.Control().Failures()) != 0 {
		t.Errorf("before the control period, %q", got)
	}
}

func TestLastReached(t *testing.T) {
	kept := line(1, 1, 1700, "outside", "") // was opened before: says nothing about new connections
	opened := line(2, 2, 1400, "outside", "")
	opened.Opens = true
	r := report(newConnection(900, 300, "outside"), newConnection(1010, 1, "outside"), newConnection(1300, 1, "pod"), opened, failed(1500, 1, Dial, "refused"), kept, newConnection(2100, 1, "other"))
	for _, c := range []struct {
		mark    Mark
		servers []string
		reached time.Duration
		found   bool
		other   time.Duration
		others  bool
	}{
		{both, []string{"outside"}, 400 * time.Millisecond, true, 300 * time.Millisecond, true},
		{both, []string{"pod"}, 300 * time.Millisecond, true, 400 * time.Millisecond, true},
		{both, []string{"pod", "outside"}, 400 * time.Millisecond, true, 0, false},
		{cluster, []string{"pod", "outside"}, 0, false, 100 * time.Millisecond, true},
	} {
		p := r.Period(c.mark)
		if after, found := p.LastReached(c.servers...); after != c.reached || found != c.found {
			t.Errorf("%q last reached %s after %q, %t", c.servers, after, c.mark.Name, found)
		}
		if after, found := p.LastElsewhere(c.servers...); after != c.other || found != c.others {
			t.Errorf("others than %q last reached %s after %q, %t", c.servers, after, c.mark.Name, found)
		}
	}
}

func TestStayed(t *testing.T) {
	opens := func(e Event) Event { e.Opens = true; return e }
	for name, c := range map[string]struct {
		events []Event
		want   string // in the error, empty for none
	}{
		"it stays":                        {[]Event{opens(line(1, 1, 500, "a", "")), line(1, 1, 1500, "a", "")}, ""},
		"it opens later":                  {[]Event{opens(line(1, 1, 1500, "a", ""))}, "0 were open, want 1 at least"},
		"it fails before":                 {[]Event{opens(line(1, 1, 500, "a", "")), line(1, 1, 600, "", "reset")}, "0 were open, want 1 at least"},
		"it is closed before":             {[]Event{opens(line(1, 1, 500, "a", "")), line(1, 1, 600, "a", "")}, "0 were open, want 1 at least"},
		"it does not open":                {[]Event{opens(line(1, 1, 500, "", "refused")), line(1, 1, 1500, "", "refused")}, "0 were open, want 1 at least"},
		"it is cut after the mark":        {[]Event{opens(line(1, 1, 500, "a", "")), line(1, 1, 1250, "", "reset")}, "that to a: both +250 ms: long-lived: read: reset"},
		"it is cut in a later period":     {[]Event{opens(line(1, 1, 500, "a", "")), line(1, 1, 1250, "a", ""), line(1, 1, 2001, "", "reset")}, "that to a: cluster +1 ms: long-lived: read: reset"},
		"it is answered by another":       {[]Event{opens(line(1, 1, 500, "a", "")), line(1, 1, 1250, "b", "")}, "long-lived 1 is answered by a and later by b"},
		"another client's connection too": {[]Event{opens(line(1, 1, 500, "a", "")), opens(line(2, 1, 500, "b", "")), line(1, 1, 1500, "a", ""), line(2, 1, 1500, "b", "")}, ""},
	} {
		err := report(c.events...).Stayed(LongLived, both, 1)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestReportText(t *testing.T) {
	r := report(newConnection(0, 2, "a"), newConnection(10, 3, "b"), newConnection(20, 4, "b"), line(1, 1, 30, "a", ""),
		failed(1010, 1, Dial, "refused"), failed(1020, 1, Dial, "refused"), failed(1025, 2, Read, "reset"), failed(1030, 1, Dial, "refused"), newConnection(2500, 12, "c"))
	r.LeftOut = 7
	const want = `
PERIOD    LASTED    KIND         COUNT   FAILED   SLOWEST   SERVERS
control   1000 ms   new          3       0        4 ms      a 33 % (1), b 67 % (2)
control   1000 ms   long-lived   1       0        1 ms      a 100 % (1)
both      1000 ms   new          4       4        0 ms      
both      1000 ms   long-lived   0       0        0 ms      
cluster   1000 ms   new          1       0        12 ms     c 100 % (1)
cluster   1000 ms   long-lived   0       0        0 ms      
7 new connections were due and not opened: the machine or the servers did not keep up.
both +10 ms to +30 ms: 3 times new: dial: refused
both +25 ms: new: read: reset, after 2 ms
`
	if got := "\n" + r.String(); got != want {
		t.Errorf("the text is%s\nwant%s", got, want)
	}
}
