package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"external-services/tests/internal/traffic"
)

// asProbe in the environment makes the program of the tests the probe.
const asProbe = "EXTERNAL_SERVICES_TEST_AS_PROBE"

func TestMain(m *testing.M) {
	if os.Getenv(asProbe) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// start starts a load in a process of its own.
func start(t *testing.T, options traffic.Options) (*traffic.Load, *exec.Cmd) {
	t.Helper()
	probe := exec.CommandContext(t.Context(), os.Args[0])
	probe.Env = append(os.Environ(), asProbe+"=1")
	l, err := traffic.Start(probe, options)
	if err != nil {
		t.Fatal(err)
	}
	return l, probe
}

func waitFor(t *testing.T, l *traffic.Load, connections int) {
	t.Helper()
	if err := l.WaitFor(connections); err != nil {
		t.Fatal(err)
	}
}

func stop(t *testing.T, l *traffic.Load) *traffic.Report {
	t.Helper()
	report, err := l.Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", report)
	return report
}

// server is the server of probe serve tcp, which can be stopped.
type server struct {
	address string
	text    atomic.Pointer[string]
	accepts atomic.Int64

	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
}

func newServer(t *testing.T, address, text string) *server {
	t.Helper()
	s := &server{address: address}
	s.text.Store(&text)
	s.listen(t)
	s.address = s.listener.Addr().String()
	t.Cleanup(s.close)
	return s
}

func (s *server) listen(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = listener
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return // closed
			}
			s.accepts.Add(1)
			s.mu.Lock()
			s.open = append(s.open, connection)
			s.mu.Unlock()
			go converse(connection, *s.text.Load())
		}
	}()
}

func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener.Close()
}

// cut closes the connections that there are.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, connection := range s.open {
		connection.Close()
	}
	s.open = nil
}

func TestLoadSeesAServerThatIsStopped(t *testing.T) {
	s := newServer(t, "127.0.0.1:0", "one")
	l, _ := start(t, traffic.Options{Address: s.address})
	waitFor(t, l, 200)

	closing := time.Now()
	s.close()
	closed := l.Mark("closed").Time
	waitFor(t, l, 200)
	opening := time.Now()
	s.listen(t)
	up := l.Mark("up")
	waitFor(t, l, 200)
	report := stop(t, l)

	if report.Reason != traffic.Told {
		t.Errorf("the load ended because %s", report.Reason)
	}
	failed := 0
	for _, e := range report.Events {
		switch {
		case e.Failed():
			failed++
			if e.End().Before(closing) || e.Start.After(up.Time) {
				t.Errorf("%+v fails while the server is there", e)
			}
			// What is dialled while the server closes, the kernel may reset.
			closing := !e.Start.After(closed) && e.Error == s.address+": connection reset by peer"
			if e.Phase == traffic.Dial && e.Error != s.address+": connection refused" && !closing {
				t.Errorf("the error is %q", e.Error)
			}
		case e.Start.After(closed) && e.End().Before(opening):
			t.Errorf("%+v reaches a server that is not there", e)
		}
	}
	if n := len(report.Between("", closing, up.Time).Failures()); failed == 0 || n != failed || n < 200 {
		t.Errorf("%d failures, %d of them while the server is not there, want all and 200 at least", failed, n)
	}
}

func TestLoadSeesAServerThatIsReplaced(t *testing.T) {
	s := newServer(t, "127.0.0.1:0", "one")
	l, _ := start(t, traffic.Options{Address: s.address})
	waitFor(t, l, 100)
	mark := l.Mark("replace")
	waitFor(t, l, 100)
	two := "two"
	s.text.Store(&two)
	replaced := time.Now()
	if err := l.Settle(100, 10*time.Second, "two"); err != nil {
		t.Error(err)
	}
	if err := l.Settle(100, 100*time.Millisecond, "one", "two"); err == nil || !strings.Contains(err.Error(), `reached map[two:100], want ["one" "two"]`) {
		t.Errorf("connections that reach one server are settled for two: %v", err)
	}
	waitFor(t, l, 500)
	p := stop(t, l).Period(mark)

	last, found := p.LastReached("one", "none")
	if !found || mark.Time.Add(last).After(replaced) {
		t.Errorf("the last connection to the first server began %s after the mark, %t, and it was there for %s", last, found, replaced.Sub(mark.Time))
	}
	if elsewhere, _ := p.LastElsewhere("two"); elsewhere != last {
		t.Errorf("the last connection to another than the second server began %s after the mark, want %s", elsewhere, last)
	}
	if last, found := p.LastReached("two"); !found || mark.Time.Add(last).Before(replaced) {
		t.Errorf("the last connection to the second server began %s after the mark, %t", last, found)
	}
	if servers := p.Servers(traffic.New); servers["one"] < 99 || servers["two"] < 100 || len(servers) != 2 {
		t.Errorf("the connections reach %v", servers)
	}
	if failures := p.Failures(); len(failures) > 0 {
		t.Errorf("failures %v", failures)
	}
}

func TestLoadSeesLongLivedConnectionsThatAreCut(t *testing.T) {
	const clients = 5
	s := newServer(t, "127.0.0.1:0", "one")
	l, _ := start(t, traffic.Options{Address: s.address, LongLived: clients, LongLivedInterval: 2 * time.Millisecond, AtLeast: 1})
	before := l.Mark("before")
	waitFor(t, l, 100)
	cut := time.Now()
	s.cut()
	waitFor(t, l, 1000)
	after := l.Mark("after")
	waitFor(t, l, 100)
	report := stop(t, l)

	if err := report.Stayed(traffic.LongLived, before, clients); err == nil || !strings.Contains(err.Error(), "that to one: before +") {
		t.Errorf("connections that are cut stay: %v", err)
	}
	if err := report.Stayed(traffic.LongLived, after, clients); err != nil {
		t.Error(err)
	}
	if err := report.Stayed(traffic.LongLived, after, clients+1); err == nil {
		t.Errorf("%d connections are as good as %d", clients, clients+1)
	}
	connections := report.Connections(traffic.LongLived)
	if len(connections) != 2*clients {
		t.Fatalf("%d connections, want each of %d opened a second time", len(connections), clients)
	}
	for i, c := range connections {
		last := c.Events[len(c.Events)-1]
		if first := i%2 == 0; c.Number != i%2+1 || c.Client != i/2+1 || last.Failed() != first || first && last.End().Before(cut) || len(c.Events) < 3 {
			t.Errorf("client %d, connection %d has %d events, the last %+v", c.Client, c.Number, len(c.Events), last)
		}
		if slices.ContainsFunc(c.Events[:len(c.Events)-1], traffic.Event.Failed) {
			t.Errorf("client %d asks over connection %d after it has failed", c.Client, c.Number)
		}
	}
}

// A connection is asked once more in the end, so that nothing is said about one which
// was cut after the last time.
func TestLoadAsksLongLivedConnectionsInTheEnd(t *testing.T) {
	s := newServer(t, "127.0.0.1:0", "one")
	for _, cut := range []bool{false, true} {
		l, _ := start(t, traffic.Options{Address: s.address, LongLived: 2, LongLivedInterval: time.Minute, AtLeast: 1})
		waitFor(t, l, 10)
		mark := l.Mark("asked")
		waitFor(t, l, 10)
		if cut {
			s.cut()
		}
		report := stop(t, l)
		if err := report.Stayed(traffic.LongLived, mark, 2); (err != nil) != cut {
			t.Errorf("connections that are cut: %t; the error is %v", cut, err)
		}
	}
}

// After a pause the load goes on at its rate, and says what it has left out.
func TestLoadDoesNotCatchUp(t *testing.T) {
	s := newServer(t, "127.0.0.1:0", "one")
	l, probe := start(t, traffic.Options{Address: s.address})
	waitFor(t, l, 100)
	for _, signal := range []os.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		if err := probe.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		time.Sleep(600 * time.Millisecond)
	}
	report := stop(t, l)
	if report.LeftOut < 500 {
		t.Errorf("%d connections were left out in 600 ms", report.LeftOut)
	}
	events := report.Control().Events(traffic.New)
	const many = 300
	for i := range len(events) - many {
		if took := events[i+many].Start.Sub(events[i].Start); took < 100*time.Millisecond {
			t.Fatalf("%d connections were opened in %s", many, took)
		}
	}
}

// web is an HTTP server that counts its connections.
func web(t *testing.T, handler http.Handler) (url string, accepts *atomic.Int64, s *http.Server) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepts = &atomic.Int64{}
	s = &http.Server{Handler: handler, ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			accepts.Add(1)
		}
	}}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(listener) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String() + "/", accepts, s
}

func TestLoadKeepsHTTPConnections(t *testing.T) {
	const clients = 3
	s := newServer(t, "127.0.0.1:0", "one")
	var closes atomic.Bool
	served := make(chan struct{})
	url, accepts, _ := web(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case served <- struct{}{}:
		default: // nobody counts
		}
		if closes.Load() {
			w.Header().Set("Connection", "close")
		}
		fmt.Fprint(w, "web")
	}))
	l, _ := start(t, traffic.Options{Address: s.address, URL: url, HTTPClients: clients, HTTPInterval: time.Millisecond})
	waitFor(t, l, 100)
	// Enough of a period have begun in it and are over.
	enough := func() {
		for range 100 + 2*clients {
			<-served
		}
		waitFor(t, l, 100)
	}
	kept := l.Mark("kept")
	enough()
	if n := accepts.Load(); n != clients {
		t.Errorf("%d clients made %d connections", clients, n)
	}
	// A server that is to end says so, and its clients go on over other connections.
	closes.Store(true)
	closing := l.Mark("closing")
	enough()
	report := stop(t, l)

	if err := report.Period(kept).Require(traffic.HTTP, 100); err != nil {
		t.Error(err)
	}
	if servers := report.Period(closing).Servers(traffic.HTTP); len(servers) != 1 || servers["web"] < 100 {
		t.Errorf("the servers are %v", servers)
	}
	if n, opened := accepts.Load(), len(report.Connections(traffic.HTTP)); n < 100 || int(n) != opened {
		t.Errorf("the server counts %d connections, the load %d", n, opened)
	}
	if failures := report.Failures(); len(failures) > 0 {
		t.Errorf("failures %v", failures)
	}
}

func TestLoadSeesHTTPFailures(t *testing.T) {
	s := newServer(t, "127.0.0.1:0", "one")
	var breaks atomic.Bool
	url, _, web := web(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if breaks.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
		fmt.Fprint(w, "web")
	}))
	l, _ := start(t, traffic.Options{Address: s.address, URL: url, HTTPClients: 2, HTTPInterval: 5 * time.Millisecond})
	waitFor(t, l, 100)
	breaks.Store(true)
	breaking := l.Mark("breaking")
	waitFor(t, l, 100)
	ending := l.Mark("ending")
	web.Close()
	waitFor(t, l, 100)
	report := stop(t, l)

	if err := report.Stayed(traffic.HTTP, report.Marks[0], 2); err == nil || strings.Contains(err.Error(), "want 2 at least") {
		t.Errorf("two were open when the control period began, and failed: %v", err)
	}
	for want, p := range map[string]traffic.Period{"read: 502 Bad Gateway": report.Period(breaking), "connection refused": report.Period(ending)} {
		if !slices.ContainsFunc(p.Failures(), func(f traffic.Failure) bool { return strings.Contains(f.String(), want) }) {
			t.Errorf("no failure in the period %q has %q: %v", p.Name, want, p.Failures())
		}
	}
}

func TestLoadEndsAtItsBounds(t *testing.T) {
	s := newServer(t, "127.0.0.1:0", "one")

	const count, interval = 150, time.Millisecond
	l, _ := start(t, traffic.Options{Address: s.address, Count: count, Interval: interval})
	report, err := l.Wait()
	if err != nil || report.Reason != traffic.CountReached {
		t.Fatalf("%+v, %v", report, err)
	}
	if n := report.Control().Count(traffic.New); n != count || s.accepts.Load() != count {
		t.Errorf("the load counts %d connections, the server %d, want %d", n, s.accepts.Load(), count)
	}
	if took, want := report.Events[count-1].Start.Sub(report.Events[0].Start), (count-1)*interval-mayLag; took < want {
		t.Errorf("the last connection began %s after the first, want %s at least", took, want)
	}
	if _, err := l.Stop(); err == nil || !strings.Contains(err.Error(), traffic.CountReached) {
		t.Errorf("the load ended before it was stopped, and the error is %v", err)
	}
	if err := l.WaitFor(count + 1); err == nil {
		t.Error("there are more connections than there may be")
	}

	l, _ = start(t, traffic.Options{Address: s.address, Duration: 300 * time.Millisecond, AtLeast: 1})
	if report, err = l.Wait(); err != nil || report.Reason != traffic.DurationReached {
		t.Fatalf("%+v, %v", report, err)
	}
	// some 300, and never as many as in a time that is much longer
	if n := report.Control().Count(traffic.New); n > 3000 {
		t.Errorf("%d connections", n)
	}
}

// A server that takes connections and says nothing.
func TestLoadWaitsWithABound(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	const underWay = 5
	l, _ := start(t, traffic.Options{Address: silent.Addr().String(), Duration: 200 * time.Millisecond, UnderWay: underWay, AtLeast: 1})
	report, err := l.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if failures := report.Failures(); len(failures) != underWay || report.LeftOut == 0 {
		t.Errorf("%d failures, %d connections left out, want %d and some", len(failures), report.LeftOut, underWay)
	}
	for _, f := range report.Failures() {
		if f.Phase != traffic.Read || f.Took < dialTimeout || !strings.Contains(f.Error, "timeout") {
			t.Errorf("failure %+v", f)
		}
	}
}

func TestLoadThatIsCutOffHasNoReport(t *testing.T) {
	s := newServer(t, "127.0.0.1:0", "one")
	for name, cut := range map[string]func(*exec.Cmd, context.CancelFunc){
		"killed":              func(probe *exec.Cmd, _ context.CancelFunc) { probe.Process.Kill() },
		"its context is done": func(_ *exec.Cmd, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			probe := exec.CommandContext(ctx, os.Args[0])
			probe.Env = append(os.Environ(), asProbe+"=1")
			l, err := traffic.Start(probe, traffic.Options{Address: s.address})
			if err != nil {
				t.Fatal(err)
			}
			waitFor(t, l, 200)
			cut(probe, cancel)
			if err := l.WaitFor(10_000); err == nil {
				t.Error("a load that is cut off goes on")
			}
			report, err := l.Stop()
			if report != nil || err == nil || !strings.Contains(err.Error(), "was cut off") || !strings.Contains(err.Error(), "signal: killed") {
				t.Errorf("the report is %v, the error %v", report, err)
			}
		})
	}
}

func TestLoadWithFewConnectionsIsAnError(t *testing.T) {
	s := newServer(t, "127.0.0.1:0", "one")
	l, _ := start(t, traffic.Options{Address: s.address, AtLeast: 50})
	waitFor(t, l, 50)
	l.Mark("short")
	l.Mark("short")
	_, err := l.Stop()
	if err == nil {
		t.Fatal("a period without connections is as good as any")
	}
	for _, want := range []string{`the period "short" has`, "want 50 at least", `two marks are named "short"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error has no %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), `the period "control" has`) {
		t.Errorf("the control period has enough: %v", err)
	}
}

func TestLoadRefusesBadOptions(t *testing.T) {
	for want, options := range map[string]traffic.Options{
		`address "web": write host:port`:            {Address: "web"},
		`address "web:http": write the port`:        {Address: "web:http"},
		"interval 1ns: write one from 50µs to 1m0s": {Address: "web:80", Interval: 1},
		"count -1: write a number from 1 to 200000": {Address: "web:80", Count: -1},
		"duration 1h0m0s: write one from":           {Address: "web:80", Duration: time.Hour},
		`URL "http://web/" with 0 HTTP clients`:     {Address: "web:80", URL: "http://web/"},
		`URL "web:80": write one such as http://`:   {Address: "web:80", URL: "web:80", HTTPClients: 1},
		"at least 200: write a number from 1 to 10": {Address: "web:80", Count: 10, AtLeast: 200},
	} {
		if _, err := traffic.Start(exec.Command("false"), options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
	for want, args := range map[string][]string{
		"name one address":                   {"--count", "5"},
		"not defined: -hosts\nusage":         {"--hosts", "5"},
		"count 0: write a number from 1 to ": {"--count", "0", "web:80"},
	} {
		if _, err := loadOptions(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
}

// What a caller asks for is what the probe understands.
func TestLoadArguments(t *testing.T) {
	want := traffic.Options{
		Address: "web:80", Interval: time.Second, Count: 2, Duration: 3 * time.Second, UnderWay: 4, URL: "http://web/", HTTPClients: 5,
		HTTPInterval: 6 * time.Millisecond, LongLived: 7, LongLivedInterval: 8 * time.Millisecond, CacheDNS: true, AtLeast: 1,
	}
	for _, o := range []traffic.Options{want, {Address: "web:80", AtLeast: 1}} {
		o = o.WithDefaults()
		if got, err := loadOptions(o.Args()); err != nil || got != o {
			t.Errorf("%+v, %v, want %+v", got, err, o)
		}
	}
}

func TestLoadOf20000Connections(t *testing.T) {
	const count = 20_000
	s := newServer(t, "127.0.0.1:0", "one")
	begin := time.Now()
	l, _ := start(t, traffic.Options{Address: s.address, Count: count, Interval: 100 * time.Microsecond, Duration: 10 * time.Minute})
	report, err := l.Wait()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s, of which the probe had a processor for %s\n%s", time.Since(begin), report.CPU, report)
	if n := report.Control().Servers(traffic.New)["one"]; n != count || len(report.Failures()) > 0 {
		t.Errorf("%d connections came off, want %d", n, count)
	}
	if n := timeWait(t, s.address); n > 0 {
		t.Errorf("%d of the client's ports are kept after their connections", n)
	}
}

// timeWait counts the sockets of clients of an address that wait for late packets.
func timeWait(t *testing.T, address string) int {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	remote := netip.MustParseAddrPort(address)
	count := 0
	for line := range strings.Lines(string(table)) {
		// number, local address, remote address, state
		const waits = "06"
		if fields := strings.Fields(line); strings.HasSuffix(fields[2], fmt.Sprintf(":%04X", remote.Port())) && fields[3] == waits {
			count++
		}
	}
	return count
}

// What the server says is the text of its line, also for those who know no lines.
func TestConnectReadsALine(t *testing.T) {
	s := newServer(t, "127.0.0.1:0", "one")
	if text, err := read(s.address, dialTimeout); text != "one" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// An interrupt ends a load in the orderly way, but not as the test wanted it.
func TestLoadThatIsInterruptedIsAnError(t *testing.T) {
	s := newServer(t, "127.0.0.1:0", "one")
	l, probe := start(t, traffic.Options{Address: s.address})
	waitFor(t, l, 200)
	if err := probe.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Wait(); err == nil || !strings.Contains(err.Error(), "stopped before it came to a bound") {
		t.Errorf("waiting for it: %v", err)
	}
	report, err := l.Stop()
	if err == nil || !strings.Contains(err.Error(), "before it was stopped, because it was told to") {
		t.Errorf("stopping it: %v", err)
	}
	if report == nil || report.Control().Require(traffic.New, 200) != nil || len(report.Failures()) > 0 {
		t.Errorf("the report is %v", report)
	}
}

// What await prints is when the first connection began that came off.
func TestAwait(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	probe := exec.Command(os.Args[0], "await", address)
	probe.Env = append(os.Environ(), asProbe+"=1")
	var out bytes.Buffer
	probe.Stdout, probe.Stderr = &out, &out
	if err := probe.Start(); err != nil {
		t.Fatal(err)
	}
	first, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(first.Close(), listener.Close()); err != nil { // without an answer
		t.Fatal(err)
	}
	opened := time.Now()
	newServer(t, address, "one")
	if err := probe.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	var began time.Time
	if err := json.Unmarshal(out.Bytes(), &began); err != nil || began.Before(opened) {
		t.Errorf("a connection began at %s, and the server began to listen at %s: %v", began, opened, err)
	}
}
