package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"external-services/tests/internal/traffic"
)

// The bounds of a load.
var (
	errCount    = errors.New(traffic.CountReached)
	errDuration = errors.New(traffic.DurationReached)
)

// makeLoad makes a load and prints what became of it. It ends when standard input
// does, so that it never outlives the program that started it, at an interrupt, or at
// its bounds, and lets what is under way come to its end.
func makeLoad(args []string) error {
	options, err := loadOptions(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		io.Copy(io.Discard, os.Stdin) // an error is an end too
	}()
	return newLoad(options).run(ctx, os.Stdout)
}

func loadOptions(args []string) (traffic.Options, error) {
	var o traffic.Options
	d := o.WithDefaults()
	flags := flag.NewFlagSet("probe load", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.DurationVar(&o.Interval, "interval", d.Interval, "time between two new connections")
	flags.IntVar(&o.Count, "count", d.Count, "new connections after which the load ends")
	flags.DurationVar(&o.Duration, "duration", d.Duration, "time after which the load ends")
	flags.IntVar(&o.UnderWay, "under-way", d.UnderWay, "new connections that may be under way at a time")
	flags.StringVar(&o.URL, "http", d.URL, "URL that HTTP clients ask for")
	flags.IntVar(&o.HTTPClients, "http-clients", d.HTTPClients, "HTTP clients, each with a kept connection")
	flags.DurationVar(&o.HTTPInterval, "http-interval", d.HTTPInterval, "time between two requests of an HTTP client")
	flags.IntVar(&o.LongLived, "long-lived", d.LongLived, "long-lived connections")
	flags.DurationVar(&o.LongLivedInterval, "long-lived-interval", d.LongLivedInterval, "time between two lines over a long-lived connection")
	flags.BoolVar(&o.CacheDNS, "cache-dns", d.CacheDNS, "keep the answers of the DNS for their TTL")
	if err := flags.Parse(args); err != nil {
		var usage strings.Builder
		flags.SetOutput(&usage)
		flags.PrintDefaults()
		return o, fmt.Errorf("%w\nusage: probe load [flags] HOST:PORT\n%s", err, usage.String())
	}
	if flags.NArg() != 1 {
		return o, fmt.Errorf("%q: name one address after the flags, such as web.shop:80", flags.Args())
	}
	o.Address, o.AtLeast = flags.Arg(0), 1
	return o, o.Check()
}

// load is a load that runs.
type load struct {
	options  traffic.Options
	resolver *resolver
	port     atomic.Uint32 // counts on, see dial

	mu      sync.Mutex
	unsaid  []traffic.Event // those that are not printed yet
	said    int
	leftOut int
}

func newLoad(options traffic.Options) *load {
	l := &load{options: options, resolver: newResolver(options.CacheDNS, "")}
	l.port.Store(rand.Uint32N(ports)) // several loads in one pod
	return l
}

// run runs until ctx is done or a bound is reached, and returns what keeps it from
// printing to out.
func (l *load) run(ctx context.Context, out io.Writer) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	time.AfterFunc(l.options.Duration, func() { stop(errDuration) })

	printer := bufio.NewWriterSize(out, 1<<16)
	encoder := json.NewEncoder(printer)
	var opened, clients sync.WaitGroup
	for _, client := range l.clients() {
		opened.Add(1)
		clients.Go(func() { client.run(ctx, opened.Done) })
	}
	opened.Wait()
	if err := encoder.Encode(traffic.Line{Ready: time.Now()}); err != nil {
		return err
	}
	clients.Go(func() {
		if l.openNew(ctx) {
			stop(errCount)
		}
	})

	// What is printed goes through a pipe, whose reader may be slow: no client waits
	// for it. Who reads no more gets no more load.
	done := make(chan struct{})
	go func() {
		clients.Wait()
		close(done)
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(20 * time.Millisecond):
		}
		if err := l.say(encoder, printer); err != nil {
			return err
		}
	}
	ending := &traffic.Ending{Time: time.Now(), Reason: traffic.Told, Events: l.said, LeftOut: l.leftOut}
	if cause := context.Cause(ctx); cause == errCount || cause == errDuration {
		ending.Reason = cause.Error()
	}
	return errors.Join(encoder.Encode(traffic.Line{Ending: ending}), printer.Flush())
}

// say prints the events since it was last called.
func (l *load) say(encoder *json.Encoder, printer *bufio.Writer) error {
	l.mu.Lock()
	events := l.unsaid
	l.unsaid = nil
	l.mu.Unlock()
	for i := range events {
		if err := encoder.Encode(traffic.Line{Event: &events[i]}); err != nil {
			return err
		}
	}
	l.said += len(events)
	return printer.Flush()
}

func (l *load) record(e traffic.Event) {
	e.Took = time.Since(e.Start)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsaid = append(l.unsaid, e)
}

// longest is the longest text of a server, in bytes: the name of a host and much more.
const longest = 1 << 12

// mayLag is how far the load may fall behind its rate and catch up. Sleeping takes a
// millisecond too long now and then; after a longer delay, a burst of connections
// would be another load than was asked for.
const mayLag = 20 * time.Millisecond

// openNew opens new connections, each when it is due, and waits until the last has
// ended. It reports whether it has opened as many as it may.
func (l *load) openNew(ctx context.Context) bool {
	var connections sync.WaitGroup
	defer connections.Wait()
	places := make(chan struct{}, l.options.UnderWay)
	due := time.Now()
	for opened := 0; opened < l.options.Count; {
		if !sleep(ctx, time.Until(due)) {
			return false
		}
		if behind := time.Since(due); behind > mayLag {
			missed := behind / l.options.Interval
			l.leftOut += int(missed)
			due = due.Add(missed * l.options.Interval)
		}
		due = due.Add(l.options.Interval)
		select {
		case places <- struct{}{}:
		default:
			l.leftOut++
			continue
		}
		opened++
		connections.Go(func() {
			l.connectOnce()
			<-places
		})
	}
	return true
}

// connectOnce opens a connection, reads what the server says and closes.
//
// It closes by a reset. A client that closes in the orderly way keeps its port for a
// minute (TIME_WAIT), and for one address and port it has the 28,232 ports of
// net.ipv4.ip_local_port_range: some tens of thousands of connections use them up,
// dials become slow and then fail, and the fault is the client's own. A reset frees
// the port at once, on both sides. It hides no failure: when it is sent, the server's
// whole line has been read.
//
// The table of conntrack on the node, which drops packets when it is full, is no limit
// either. It forgets a connection that was reset after 10 s, in place of 120 s, and it
// has one entry for each port of the pod that asks the DNS, at most. Measured after
// 60,000 connections in 63 s, each with its own question: 39,169 entries, and a machine
// with a gigabyte of memory has room for 65,536.
func (l *load) connectOnce() {
	e := traffic.Event{Kind: traffic.New, Opens: true, Start: time.Now()}
	connection := l.open(&e, l.options.Address)
	if connection != nil {
		if err := connection.SetLinger(0); err != nil {
			fail(&e, traffic.Dial, err)
		} else {
			e.Server = readLine(&e, bufio.NewReader(io.LimitReader(connection, longest)))
		}
		connection.Close()
	}
	l.record(e)
}

// open resolves and dials an address for an event, and returns nil if the event has
// failed. Of several addresses it takes the first, where an application may go on to
// the next: a failure that another address makes up for is one here.
func (l *load) open(e *traffic.Event, address string) *net.TCPConn {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		panic(err) // the options were checked
	}
	answer, err := l.resolver.lookup(host)
	e.Resolved, e.TTL = answer.asked, answer.ttl
	if err != nil {
		e.Phase, e.Error = traffic.Resolve, resolutionFailure(err)
		return nil
	}
	connection, err := l.dial(e.Kind, net.JoinHostPort(answer.addresses[0].String(), port))
	if err != nil {
		fail(e, traffic.Dial, err)
		return nil
	}
	// What is said on a connection has as much time as the dial.
	if err := connection.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		connection.Close()
		fail(e, traffic.Dial, err)
		return nil
	}
	return connection.(*net.TCPConn)
}

// The source ports of new connections, below those that the kernel chooses from.
const (
	firstPort = 1_024
	ports     = 31_000
)

// dial takes the source ports of new connections in turn. For ten seconds after a
// connection has ended, connection tracking sends the next one from its port to where that
// one went, and the kernel, which chooses by chance, comes back to a port within that time.
func (l *load) dial(kind traffic.Kind, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	for tried := 1; ; tried++ {
		if kind == traffic.New {
			dialer.LocalAddr = &net.TCPAddr{Port: firstPort + int(l.port.Add(1)%ports)}
		}
		connection, err := dialer.Dial("tcp", address)
		if !errors.Is(err, syscall.EADDRINUSE) || tried == ports {
			return connection, err
		}
	}
}

// fail notes why an event failed, by the address and the error of the system.
func fail(e *traffic.Event, phase traffic.Phase, err error) {
	e.Phase, e.Error = phase, err.Error()
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Addr != nil {
		cause := operation.Err
		var call *os.SyscallError
		if errors.As(cause, &call) {
			cause = call.Err
		}
		e.Error = fmt.Sprintf("%s: %v", operation.Addr, cause)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		e.Error = "the server has closed the connection"
	}
}

// readLine reads a line for an event, without its end.
func readLine(e *traffic.Event, reader *bufio.Reader) string {
	line, err := reader.ReadString('\n')
	if err != nil {
		fail(e, traffic.Read, err)
		return ""
	}
	return strings.TrimSuffix(line, "\n")
}

// client is one that keeps its connection.
type client struct {
	load     *load
	kind     traffic.Kind
	number   int
	interval time.Duration
	address  string

	// exchange asks something over a connection, the first time or again, and notes in
	// the event which server answers, or why none does. It reports whether the
	// connection is good for more.
	exchange func(e *traffic.Event, connection *net.TCPConn, reader *bufio.Reader) (keeps bool)

	connections int
	connection  *net.TCPConn
	reader      *bufio.Reader
}

// clients are those that keep their connections.
func (l *load) clients() []*client {
	var clients []*client
	for i := range l.options.LongLived {
		clients = append(clients, &client{
			load: l, kind: traffic.LongLived, number: i + 1, interval: l.options.LongLivedInterval,
			address: l.options.Address, exchange: exchangeLine,
		})
	}
	for i := range l.options.HTTPClients {
		u, err := url.Parse(l.options.URL)
		if err != nil {
			panic(err) // the options were checked
		}
		port := u.Port()
		if port == "" {
			port = "80"
		}
		request := &http.Request{Method: http.MethodGet, URL: u, Host: u.Host}
		clients = append(clients, &client{
			load: l, kind: traffic.HTTP, number: i + 1, interval: l.options.HTTPInterval,
			address: net.JoinHostPort(u.Hostname(), port), exchange: exchangeHTTP(request),
		})
	}
	return clients
}

// run asks at once, says when that is done, and asks again after each interval. When
// the load is to end it asks once more, which shows that the connection has lasted,
// and closes.
func (c *client) run(ctx context.Context, opened func()) {
	c.ask()
	opened()
	for sleep(ctx, c.interval) {
		c.ask()
	}
	c.ask()
	if c.connection != nil {
		c.connection.Close()
	}
}

// ask opens a connection if there is none, and asks. It closes one that is not kept.
func (c *client) ask() {
	e := traffic.Event{Kind: c.kind, Client: c.number, Start: time.Now()}
	if c.connection == nil {
		c.connections++
		e.Opens = true
		c.connection = c.load.open(&e, c.address)
		if c.connection != nil {
			c.reader = bufio.NewReader(c.connection)
		}
	}
	e.Connection = c.connections
	if c.connection != nil {
		keeps := false
		if err := c.connection.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
			fail(&e, traffic.Write, err)
		} else {
			keeps = c.exchange(&e, c.connection, c.reader)
		}
		if !keeps {
			c.connection.Close()
			c.connection = nil
		}
	}
	c.load.record(e)
}

// exchangeLine reads what the server says first, and later what it says to a line.
func exchangeLine(e *traffic.Event, connection *net.TCPConn, reader *bufio.Reader) bool {
	if !e.Opens {
		if _, err := io.WriteString(connection, "?\n"); err != nil {
			fail(e, traffic.Write, err)
			return false
		}
	}
	e.Server = readLine(e, reader)
	return !e.Failed()
}

// exchangeHTTP sends a request and reads the response. It is no http.Client, for that
// one sends a request once more, over another connection, when the one it has kept is
// cut, and nobody would know. A server that says it will close, as one does that is to
// end, has failed nobody.
func exchangeHTTP(request *http.Request) func(*traffic.Event, *net.TCPConn, *bufio.Reader) bool {
	return func(e *traffic.Event, connection *net.TCPConn, reader *bufio.Reader) bool {
		if err := request.Write(connection); err != nil {
			fail(e, traffic.Write, err)
			return false
		}
		response, err := http.ReadResponse(reader, request)
		if err != nil {
			fail(e, traffic.Read, err)
			return false
		}
		defer response.Body.Close()
		body, err := io.ReadAll(io.LimitReader(response.Body, longest))
		if err != nil {
			fail(e, traffic.Read, err)
			return false
		}
		if response.StatusCode != http.StatusOK {
			fail(e, traffic.Read, errors.New(response.Status))
			return false
		}
		e.Server = string(body)
		return !response.Close && len(body) < longest
	}
}

// sleep reports whether there was time to sleep before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
