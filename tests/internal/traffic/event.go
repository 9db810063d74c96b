package traffic

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"
)

// Options say what load a pod makes. What is zero gets its default.
type Options struct {
	// Address is the host:port of a `probe serve tcp`, where the new and the
	// long-lived connections go.
	Address string

	// Interval is the time between two new connections. By default it is a
	// millisecond, which two cores that also run a cluster keep up with.
	Interval time.Duration

	// Count and Duration bound the run: it ends by itself after so many new
	// connections, by default 60,000, and so much time, by default two minutes.
	Count    int
	Duration time.Duration

	// UnderWay is how many new connections may be under way at a time, by default 500.
	// As long as there are so many, because each of them waits, no further one is
	// opened, and the Report says how many were left out.
	UnderWay int

	// URL is that of a `probe serve http`. So many HTTPClients, by default none, send a
	// request every HTTPInterval, by default 5 ms, each over a connection that it keeps.
	URL          string
	HTTPClients  int
	HTTPInterval time.Duration

	// So many LongLived connections, by default none, exchange a line with the server
	// every LongLivedInterval, by default 50 ms.
	LongLived         int
	LongLivedInterval time.Duration

	// CacheDNS keeps the answers of the DNS for their TTL, as clients with a cache do.
	// Otherwise a name is resolved for each connection.
	CacheDNS bool

	// AtLeast is how many new connections each period must have, by default 100: a
	// load that made fewer proves nothing and has no Report. The probe does not know it.
	AtLeast int
}

// WithDefaults returns the options with the defaults for what is zero.
func (o Options) WithDefaults() Options {
	o.Interval = cmp.Or(o.Interval, time.Millisecond)
	o.Count = cmp.Or(o.Count, 60_000)
	o.Duration = cmp.Or(o.Duration, 2*time.Minute)
	o.UnderWay = cmp.Or(o.UnderWay, 500)
	o.HTTPInterval = cmp.Or(o.HTTPInterval, 5*time.Millisecond)
	o.LongLivedInterval = cmp.Or(o.LongLivedInterval, 50*time.Millisecond)
	o.AtLeast = cmp.Or(o.AtLeast, 100)
	return o
}

// Check says what is wrong with options that have their defaults, and what to write
// instead. The bounds keep a mistake in a test from becoming a load on the machine.
func (o Options) Check() error {
	if host, port, err := net.SplitHostPort(o.Address); err != nil || host == "" {
		return fmt.Errorf("address %q: write host:port, such as web.shop:80", o.Address)
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("address %q: write the port as a number", o.Address)
	}
	for _, bound := range []struct {
		what             string
		value, low, high time.Duration
	}{
		{"interval", o.Interval, 50 * time.Microsecond, time.Minute},
		{"duration", o.Duration, time.Millisecond, 30 * time.Minute},
		{"HTTP interval", o.HTTPInterval, time.Millisecond, time.Minute},
		{"long-lived interval", o.LongLivedInterval, time.Millisecond, time.Minute},
	} {
		if bound.value < bound.low || bound.value > bound.high {
			return fmt.Errorf("%s %s: write one from %s to %s", bound.what, bound.value, bound.low, bound.high)
		}
	}
	for _, bound := range []struct {
		what             string
		value, low, high int
	}{
		{"count", o.Count, 1, 200_000},
		{"connections under way", o.UnderWay, 1, 2_000},
		{"HTTP clients", o.HTTPClients, 0, 100},
		{"long-lived connections", o.LongLived, 0, 1_000},
		{"at least", o.AtLeast, 1, o.Count},
	} {
		if bound.value < bound.low || bound.value > bound.high {
			return fmt.Errorf("%s %d: write a number from %d to %d", bound.what, bound.value, bound.low, bound.high)
		}
	}
	if (o.URL == "") != (o.HTTPClients == 0) {
		return fmt.Errorf("URL %q with %d HTTP clients: write both or neither", o.URL, o.HTTPClients)
	}
	if u, err := url.Parse(o.URL); o.URL != "" && (err != nil || u.Scheme != "http" || u.Hostname() == "") {
		return fmt.Errorf("URL %q: write one such as http://web.shop:80/", o.URL)
	}
	return nil
}

// Args are the arguments of `probe load` for options that have their defaults.
func (o Options) Args() []string {
	return []string{
		"--interval", o.Interval.String(),
		"--count", strconv.Itoa(o.Count),
		"--duration", o.Duration.String(),
		"--under-way", strconv.Itoa(o.UnderWay),
		"--http", o.URL,
		"--http-clients", strconv.Itoa(o.HTTPClients),
		"--http-interval", o.HTTPInterval.String(),
		"--long-lived", strconv.Itoa(o.LongLived),
		"--long-lived-interval", o.LongLivedInterval.String(),
		"--cache-dns=" + strconv.FormatBool(o.CacheDNS),
		o.Address,
	}
}

// Kind is what a client does.
type Kind string

const (
	// New is a connection that is opened, reads what the server says first, and closes.
	New Kind = "new"

	// HTTP is a request and its response over a kept connection.
	HTTP Kind = "http"

	// LongLived is a line and its answer over a connection that lasts.
	LongLived Kind = "long-lived"
)

// Phase is what a client was doing when it failed.
type Phase string

// The phases of an event, in their order.
const (
	Resolve Phase = "resolve"
	Dial    Phase = "dial"
	Write   Phase = "write"
	Read    Phase = "read"
)

// Event is one thing that a client did, which has come off or failed.
type Event struct {
	Kind Kind `json:"kind"`

	// Client is the number of the client from 1, and Connection that of its connection:
	// a client whose connection failed opens another. Both are 0 for New.
	Client     int `json:"client,omitempty"`
	Connection int `json:"connection,omitempty"`

	// Opens says that a connection was opened, or was to be. It is so for each New,
	// and for the first event of each other connection.
	Opens bool `json:"opens,omitempty"`

	// Start is when it began, in the machine's time to the nanosecond, and Took how
	// long it took, from the question to the DNS, if there was one, to the last byte.
	Start time.Time     `json:"start"`
	Took  time.Duration `json:"took"`

	// Server is what the server said, which is its name.
	Server string `json:"server,omitempty"`

	// Phase and Error say what failed. Both are empty for what has come off.
	Phase Phase  `json:"phase,omitempty"`
	Error string `json:"error,omitempty"`

	// Resolved is when the DNS was asked for the address that the connection goes to,
	// and TTL how long that answer holds: it is the smallest of the records in it. Both
	// are zero for what opens no connection and for an address that is no name. An
	// answer without a TTL, such as one from /etc/hosts, has 0 and is not kept.
	Resolved time.Time     `json:"resolved,omitzero"`
	TTL      time.Duration `json:"ttl,omitempty"`
}

// End is when the event came off or failed.
func (e Event) End() time.Time { return e.Start.Add(e.Took) }

// Failed says whether it failed.
func (e Event) Failed() bool { return e.Error != "" }

// Line is one line of what `probe load` prints: Ready, which is when the connections
// that last were open and the first new one was not, an Event for each, in no order,
// and Ending as the last. Output without it is that of a probe that was cut off.
type Line struct {
	Ready  time.Time `json:"ready,omitzero"`
	Event  *Event    `json:"event,omitempty"`
	Ending *Ending   `json:"ending,omitempty"`
}

// Ending is how a load ended.
type Ending struct {
	Time   time.Time `json:"time"`
	Reason string    `json:"reason"`

	// Events is how many events there were.
	Events int `json:"events"`

	// LeftOut is how many new connections were due and not opened, because too many
	// were under way or the machine did not keep up.
	LeftOut int `json:"leftOut"`
}

// The reasons for which a load ends.
const (
	Told            = "it was told to"
	CountReached    = "it has opened as many connections as it may"
	DurationReached = "it has run for as long as it may"
)
