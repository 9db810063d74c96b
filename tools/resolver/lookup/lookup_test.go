package lookup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"

	"external-services/tests/dnsserver"
)

const (
	name = "db.corp.example"

	// long is the timeout of questions that get an answer, on any machine.
	long = time.Minute

	// short is the timeout of questions that get none.
	short = 50 * time.Millisecond
)

// startServer starts a DNS server for a test.
func startServer(t testing.TB) *dnsserver.Server {
	t.Helper()
	server, err := dnsserver.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// addresses returns many addresses of a family.
func addresses(count int, format string) []string {
	var list []string
	for i := range count {
		list = append(list, fmt.Sprintf(format, i+1))
	}
	return list
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(long); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", long, what)
		}
	}
}

// inTime repeats a look-up that ends with its timeout, each time with a longer one, until all that is to happen
// before has happened.
func inTime(t *testing.T, what string, lookup func(timeout time.Duration) bool) {
	t.Helper()
	for timeout := short; !lookup(timeout); timeout *= 2 {
		if timeout > long {
			t.Fatalf("not within %s: %s", timeout, what)
		}
	}
}

// lookupName asks servers for the IPv4 addresses of name.
func lookupName(t *testing.T, timeout time.Duration, servers ...string) (Answer, error) {
	return (&Client{Servers: servers, Timeout: timeout}).Lookup(t.Context(), name, corev1.IPv4Protocol)
}

// checkFailure checks that an error is an *Error with a Reason, of the name and of a server.
func checkFailure(t *testing.T, err error, want Reason, server string) {
	t.Helper()
	var failure *Error
	switch {
	case !errors.As(err, &failure):
		t.Errorf("the error is %v, want the reason %s", err, want)
	case failure.Reason != want || failure.Name != name || failure.Server != server || failure.Err == nil:
		t.Errorf("the reason is %q of %q by %q (%v), want %q by %q",
			failure.Reason, failure.Name, failure.Server, err, want, server)
	}
}

func TestLookup(t *testing.T) {
	chain := func(length int) func(*dnsserver.Server) {
		return func(s *dnsserver.Server) {
			s.Set(name, dnsserver.CNAME("1.example"))
			for i := 1; i < length; i++ {
				s.Set(fmt.Sprintf("%d.example", i), dnsserver.CNAME(fmt.Sprintf("%d.example", i+1)))
			}
			s.Set(fmt.Sprintf("%d.example", length), dnsserver.A("10.0.0.1"))
		}
	}
	set := func(records ...*dnsserver.Records) func(*dnsserver.Server) {
		return func(s *dnsserver.Server) { s.Set(name, records...) }
	}
	fail := func(failure dnsserver.Failure, types ...uint16) func(*dnsserver.Server) {
		return func(s *dnsserver.Server) {
			s.Set(name, dnsserver.A(addresses(3, "10.0.0.%d")...), dnsserver.AAAA("2001:db8::1"))
			s.Fail(name, failure, types...)
		}
	}
	lameTo := func(failure dnsserver.Failure) func(*dnsserver.Server) {
		return func(s *dnsserver.Server) {
			s.Set(name, dnsserver.CNAME("target.example"))
			s.Fail("target.example", failure)
		}
	}
	for title, c := range map[string]struct {
		script func(*dnsserver.Server)
		family corev1.IPFamily
		want   []string
		ttl    time.Duration
		reason Reason
	}{
		"sorted, each once": {
			script: set(dnsserver.A("10.0.0.10", "10.0.0.9", "10.0.0.10").TTL(5 * time.Second)),
			want:   []string{"10.0.0.9", "10.0.0.10"}, ttl: 5 * time.Second,
		},
		"the lowest TTL of the addresses": {
			script: set(dnsserver.A("10.0.0.1").TTL(8*time.Second), dnsserver.A("10.0.0.2").TTL(7*time.Second)),
			want:   []string{"10.0.0.1", "10.0.0.2"}, ttl: 7 * time.Second,
		},
		"the lowest TTL of the chain": {
			script: func(s *dnsserver.Server) {
				s.Set(name, dnsserver.CNAME("a.example").TTL(30*time.Second))
				s.Set("a.example", dnsserver.CNAME("B.example").TTL(6*time.Second))
				s.Set("b.example", dnsserver.A("10.0.0.1").TTL(20*time.Second))
			},
			want: []string{"10.0.0.1"}, ttl: 6 * time.Second,
		},
		"a TTL beyond 31 bits": {
			script: set(dnsserver.A("10.0.0.1").TTL(1<<31*time.Second), dnsserver.A("10.0.0.2")),
			want:   []string{"10.0.0.1", "10.0.0.2"}, ttl: 0,
		},
		"the largest TTL": {
			script: set(dnsserver.A("10.0.0.1").TTL((1<<31 - 1) * time.Second)),
			want:   []string{"10.0.0.1"}, ttl: (1<<31 - 1) * time.Second,
		},
		"IPv4 of both": {
			script: set(dnsserver.A("10.0.0.1"), dnsserver.AAAA("2001:db8::1")),
			want:   []string{"10.0.0.1"}, ttl: time.Minute,
		},
		"IPv6 of both, one with IPv4 mapped into it": {
			script: set(dnsserver.A("10.0.0.1"), dnsserver.AAAA("2001:db8::1", "::ffff:10.0.0.1")),
			family: corev1.IPv6Protocol,
			want:   []string{"::ffff:10.0.0.1", "2001:db8::1"}, ttl: time.Minute,
		},
		"a wildcard": {
			script: func(s *dnsserver.Server) { s.Set("*.corp.example", dnsserver.A("10.0.0.1")) },
			want:   []string{"10.0.0.1"}, ttl: time.Minute,
		},
		"too large for UDP": {
			script: set(dnsserver.A(addresses(200, "10.0.0.%d")...)),
			want:   addresses(200, "10.0.0.%d"), ttl: time.Minute,
		},
		"truncated":            {script: fail(dnsserver.Truncated), want: addresses(3, "10.0.0.%d"), ttl: time.Minute},
		"wrong ID first":       {script: fail(dnsserver.WrongID), want: addresses(3, "10.0.0.%d"), ttl: time.Minute},
		"wrong question first": {script: fail(dnsserver.WrongQuestion), want: addresses(3, "10.0.0.%d"), ttl: time.Minute},
		"without EDNS":         {script: fail(dnsserver.NoEDNS), want: addresses(3, "10.0.0.%d"), ttl: time.Minute},
		"the other family fails": {
			script: fail(dnsserver.ServFail, dns.TypeAAAA),
			want:   addresses(3, "10.0.0.%d"), ttl: time.Minute,
		},
		"poison": {
			script: func(s *dnsserver.Server) {
				s.Set(name, dnsserver.CNAME("target.example"), dnsserver.Raw(
					"evil.example. 1 IN A 192.0.2.6",
					"evil.example. 1 IN CNAME target.example.",
					name+". 1 IN A 192.0.2.7", // not at the end of the chain
					"target.example. 1 CH A 192.0.2.8",
					"target.example. 1 IN AAAA 2001:db8::6",
					"target.example. 1 IN TXT evil",
				))
				s.Set("target.example", dnsserver.A("10.0.0.1"))
			},
			want: []string{"10.0.0.1"}, ttl: time.Minute,
		},
		"nothing but poison": {script: set(dnsserver.Raw("evil.example. 1 IN A 192.0.2.6")), reason: NoData},
		"a chain of 16":      {script: chain(16), want: []string{"10.0.0.1"}, ttl: time.Minute},
		"a chain of 17":      {script: chain(17), reason: Malformed},
		"a CNAME to itself":  {script: set(dnsserver.CNAME(name)), reason: Malformed},
		"a CNAME loop": {script: func(s *dnsserver.Server) {
			s.Set(name, dnsserver.CNAME("a.example"))
			s.Set("a.example", dnsserver.CNAME(name))
		}, reason: Malformed},
		"a lame CNAME":          {script: set(dnsserver.CNAME("target.example")), reason: NoData},
		"a CNAME to NXDOMAIN":   {script: lameTo(dnsserver.NXDomain), reason: NXDomain},
		"a CNAME to NODATA":     {script: lameTo(dnsserver.NoData), reason: NoData},
		"a CNAME to SERVFAIL":   {script: lameTo(dnsserver.ServFail), reason: ServFail},
		"only the other type":   {script: set(dnsserver.AAAA("2001:db8::1")), reason: NoData},
		"no such name":          {script: func(*dnsserver.Server) {}, reason: NXDomain},
		"NXDOMAIN":              {script: fail(dnsserver.NXDomain), reason: NXDomain},
		"NODATA":                {script: fail(dnsserver.NoData), reason: NoData},
		"SERVFAIL":              {script: fail(dnsserver.ServFail), reason: ServFail},
		"REFUSED":               {script: fail(dnsserver.Refused), reason: Refused},
		"another RCODE":         {script: fail(dnsserver.NotImp), reason: Other},
		"malformed":             {script: fail(dnsserver.Malformed), reason: Malformed},
		"truncated, and no TCP": {script: fail(dnsserver.TruncatedNoTCP), reason: Truncated},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			c.script(server)
			if c.family == "" {
				c.family = corev1.IPv4Protocol
			}
			answer, err := (&Client{Servers: []string{server.Addr()}, Timeout: long}).Lookup(t.Context(), name, c.family)
			if c.reason != "" {
				checkFailure(t, err, c.reason, server.Addr())
				return
			}
			var got []string
			for _, address := range answer.Addresses {
				got = append(got, address.String())
			}
			if err != nil || !slices.Equal(got, c.want) || answer.TTL != c.ttl {
				t.Errorf("the answer is %q for %s, %v, want %q for %s", got, answer.TTL, err, c.want, c.ttl)
			}
		})
	}
}

// Names are absolute, in any case, with or without the final dot: no search list applies.
func TestNames(t *testing.T) {
	server := startServer(t)
	client := &Client{Servers: []string{server.Addr()}, Timeout: long}
	for text, canonical := range map[string]string{
		"db":                  "db.",
		"DB.Corp.example":     "db.corp.example.",
		"b.corp.example.":     "b.corp.example.",
		"_a._tcp.corp":        "_a._tcp.corp.",
		"b\u00fccher.example": `b\195\188cher.example.`,
	} {
		server.Set(canonical, dnsserver.A("10.0.0.1"))
		if _, err := client.Lookup(t.Context(), text, corev1.IPv4Protocol); err != nil {
			t.Error(err)
		}
		if count := server.Questions(canonical, dns.TypeA); count != 1 {
			t.Errorf("%q was asked for %d times, want once", canonical, count)
		}
	}
}

// Invalid names, families and servers are errors, and no server gets a question.
func TestNoQuestion(t *testing.T) {
	server := startServer(t)
	servers := []string{server.Addr()}
	for title, c := range map[string]struct {
		servers []string
		name    string
		family  corev1.IPFamily
		reason  Reason
		text    string
	}{
		"an empty label": {
			servers, "a..example", corev1.IPv4Protocol, Malformed,
			`look up IPv4 addresses of a..example: "a..example" is not a DNS name: `,
		},
		"a long label": {servers, strings.Repeat("a", 64), corev1.IPv4Protocol, Malformed, "is not a DNS name"},
		"a long name":  {servers, strings.Repeat("a.", 127) + "a", corev1.IPv4Protocol, Malformed, "is not a DNS name"},
		"no family":    {servers, name, "", Malformed, `unknown IP family ""`},
		"no servers": {
			nil, name, corev1.IPv4Protocol, Unreachable,
			"look up IPv4 addresses of db.corp.example: no name servers",
		},
		"a server's name": {
			[]string{"localhost:53"}, name, corev1.IPv6Protocol, Unreachable,
			`look up IPv6 addresses of db.corp.example: name server localhost:53: ParseAddr`,
		},
	} {
		_, err := (&Client{Servers: c.servers, Timeout: long}).Lookup(t.Context(), c.name, c.family)
		var failure *Error
		if !errors.As(err, &failure) || failure.Reason != c.reason || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: the error is %v, want %q in it, reason %s", title, err, c.text, c.reason)
		}
	}
	if count := server.Questions(name, dns.TypeA); count != 0 {
		t.Errorf("%d questions", count)
	}
}

// Each of the servers may be the one that answers.
func TestServersOfWhichOneAnswers(t *testing.T) {
	good, bad := startServer(t), startServer(t)
	good.Set(name, dnsserver.A("10.0.0.1"))
	closed := closedPort(t)
	for title, other := range map[string]struct {
		failure dnsserver.Failure
		address string
	}{
		"silent":      {dnsserver.Silent, bad.Addr()},
		"NXDOMAIN":    {dnsserver.NXDomain, bad.Addr()},
		"SERVFAIL":    {dnsserver.ServFail, bad.Addr()},
		"malformed":   {dnsserver.Malformed, bad.Addr()},
		"closed":      {dnsserver.NXDomain, closed},
		"not numeric": {dnsserver.NXDomain, "localhost:53"},
	} {
		bad.Fail(name, other.failure)
		for _, servers := range [][]string{{good.Addr(), other.address}, {other.address, good.Addr()}} {
			answer, err := lookupName(t, long, servers...)
			if err != nil || len(answer.Addresses) != 1 {
				t.Errorf("%s: %v, %v", title, answer, err)
			}
		}
	}
}

// An answer with addresses counts also if another server has said before that there are none.
func TestLateAnswer(t *testing.T) {
	first := startServer(t)
	late := handle(t, func(w dns.ResponseWriter, query *dns.Msg) {
		for t.Context().Err() == nil && first.Questions(query.Question[0].Name, dns.TypeA) == 0 {
			time.Sleep(time.Millisecond)
		}
		reply(t, w, query, query.Question[0].Name+" 60 IN A 10.0.0.1")
	})
	client := &Client{Servers: []string{first.Addr(), late}, Timeout: long}
	for i := range 50 {
		if _, err := client.Lookup(t.Context(), fmt.Sprintf("%d.example", i), corev1.IPv4Protocol); err != nil {
			t.Error(err)
		}
	}
}

// Of servers that all fail, the error is of the one that tells most.
func TestMostTellingError(t *testing.T) {
	one, two := startServer(t), startServer(t)
	order := []struct {
		failure dnsserver.Failure
		reason  Reason
	}{
		{dnsserver.NXDomain, NXDomain},
		{dnsserver.NoData, NoData},
		{dnsserver.Refused, Refused},
		{dnsserver.ServFail, ServFail},
		{dnsserver.NotImp, Other},
		{dnsserver.TruncatedNoTCP, Truncated},
		{dnsserver.Malformed, Malformed},
		{dnsserver.Silent, Timeout},
	}
	for i := range order[1:] {
		better, worse := order[i], order[i+1]
		one.Fail(name, better.failure)
		two.Fail(name, worse.failure)
		for _, servers := range [][]string{{one.Addr(), two.Addr()}, {two.Addr(), one.Addr()}} {
			inTime(t, string(better.reason), func(timeout time.Duration) bool {
				if worse.failure != dnsserver.Silent {
					timeout = long
				}
				_, err := lookupName(t, timeout, servers...)
				var failure *Error
				return errors.As(err, &failure) && failure.Reason == better.reason && failure.Server == one.Addr()
			})
		}
	}
	closed := closedPort(t)
	for _, servers := range [][]string{{two.Addr(), closed}, {closed, two.Addr()}} {
		inTime(t, "the timeout of the silent server", func(timeout time.Duration) bool {
			_, err := lookupName(t, timeout, servers...)
			var failure *Error
			return errors.As(err, &failure) && failure.Reason == Timeout && failure.Server == two.Addr()
		})
	}
	_, err := lookupName(t, long, closed)
	checkFailure(t, err, Unreachable, closed)
}

// The end of ctx ends a look-up, and the error says so.
func TestContext(t *testing.T) {
	server := startServer(t)
	server.Fail(name, dnsserver.Silent)
	client := &Client{Servers: []string{server.Addr()}, Timeout: 24 * time.Hour}

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for t.Context().Err() == nil && server.Questions(name, dns.TypeA) == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := client.Lookup(ctx, name, corev1.IPv4Protocol)
	checkFailure(t, err, Timeout, server.Addr())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v, want context.Canceled in it", err)
	}

	ctx, cancel = context.WithTimeout(t.Context(), short)
	defer cancel()
	_, err = client.Lookup(ctx, name, corev1.IPv4Protocol)
	checkFailure(t, err, Timeout, server.Addr())
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v, want context.DeadlineExceeded in it", err)
	}
}

// Each question has a socket of its own, with its own port, over UDP and after truncation over TCP.
func TestFreshSockets(t *testing.T) {
	var mu sync.Mutex
	ports := map[string]bool{}
	server := handle(t, func(w dns.ResponseWriter, query *dns.Msg) {
		mu.Lock()
		ports[w.RemoteAddr().Network()+w.RemoteAddr().String()] = true
		mu.Unlock()
		if w.RemoteAddr().Network() == "udp" {
			reply(t, w, query, "truncated")
		} else {
			reply(t, w, query, name+". 60 IN A 10.0.0.1")
		}
	})
	const count = 10
	for range count {
		if _, err := lookupName(t, long, server); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	// the kernel may give a port a second time
	if len(ports) < count {
		t.Errorf("%d questions over UDP and as many over TCP from %d ports", count, len(ports))
	}
}

// Answers to other questions are skipped over UDP, for as long as there is time.
func TestOnlyWrongAnswers(t *testing.T) {
	server := handle(t, func(w dns.ResponseWriter, query *dns.Msg) {
		if _, err := w.Write([]byte("short")); err != nil {
			t.Error(err)
		}
		query.Id++
		reply(t, w, query, name+". 60 IN A 10.0.0.1")
	})
	want := "look up IPv4 addresses of db.corp.example: name server " + server +
		": no answer: context deadline exceeded, 2 unrelated packets skipped"
	inTime(t, want, func(timeout time.Duration) bool {
		_, err := lookupName(t, timeout, server)
		checkFailure(t, err, Timeout, server)
		return err.Error() == want
	})
}

// Over TCP nobody else can send an answer: the first one counts.
func TestWrongAnswerOverTCP(t *testing.T) {
	server := handle(t, func(w dns.ResponseWriter, query *dns.Msg) {
		if w.RemoteAddr().Network() == "tcp" {
			query.Id++
		}
		reply(t, w, query, "truncated")
	})
	_, err := lookupName(t, long, server)
	checkFailure(t, err, Truncated, server)
	if err == nil || !strings.Contains(err.Error(), "truncated, and TCP failed: an answer to another question") {
		t.Errorf("the error is %v", err)
	}
}

// A header without a question is an answer if the server refuses to answer, but says nothing about a name.
func TestHeaderAlone(t *testing.T) {
	for rcode, want := range map[int]Reason{
		dns.RcodeRefused:   Refused,
		dns.RcodeNameError: Timeout,
		dns.RcodeSuccess:   Timeout,
	} {
		server := handle(t, func(w dns.ResponseWriter, query *dns.Msg) {
			message := new(dns.Msg).SetRcode(query, rcode)
			message.Question = nil
			if err := w.WriteMsg(message); err != nil {
				t.Error(err)
			}
		})
		timeout := long
		if want == Timeout {
			timeout = short
		}
		_, err := lookupName(t, timeout, server)
		checkFailure(t, err, want, server)
	}
}

// A server without EDNS is asked once more; one that fails for another reason gets no third question.
func TestQuestionsWithoutEDNS(t *testing.T) {
	server := startServer(t)
	client := &Client{Servers: []string{server.Addr()}, Timeout: long}
	for failure, want := range map[dnsserver.Failure]int{
		dnsserver.NoEDNS: 2, dnsserver.NotImp: 2, dnsserver.ServFail: 1, dnsserver.Refused: 1, dnsserver.NXDomain: 1,
	} {
		host := fmt.Sprintf("%d.example", failure)
		server.Set(host, dnsserver.A("10.0.0.1"))
		server.Fail(host, failure)
		if _, err := client.Lookup(t.Context(), host, corev1.IPv4Protocol); (err == nil) != (failure == dnsserver.NoEDNS) {
			t.Errorf("failure %d: %v", failure, err)
		}
		if count := server.Questions(host, dns.TypeA); count != want {
			t.Errorf("failure %d: %d questions, want %d", failure, count, want)
		}
	}
}

// A query asks for recursion and for UDP answers of 1232 bytes, each with a random ID. A server that does not know
// the version of EDNS is asked without it.
func TestQuery(t *testing.T) {
	var mu sync.Mutex
	ids := map[uint16]bool{}
	var withoutEDNS atomic.Int32
	server := handle(t, func(w dns.ResponseWriter, query *dns.Msg) {
		mu.Lock()
		ids[query.Id] = true
		mu.Unlock()
		if !query.RecursionDesired {
			t.Error("no recursion")
		}
		edns := query.IsEdns0()
		if edns == nil {
			withoutEDNS.Add(1)
			reply(t, w, query, query.Question[0].Name+" 60 IN A 10.0.0.1")
			return
		}
		if edns.UDPSize() != 1232 {
			t.Errorf("asks for %d bytes", edns.UDPSize())
		}
		message := new(dns.Msg).SetRcode(query, dns.RcodeBadVers).SetEdns0(1232, false)
		if err := w.WriteMsg(message); err != nil {
			t.Error(err)
		}
	})
	const count = 10
	for range count {
		if _, err := lookupName(t, long, server); err != nil {
			t.Error(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ids) < count {
		t.Errorf("%d queries have %d IDs", 2*count, len(ids))
	}
	if n := withoutEDNS.Load(); n != count {
		t.Errorf("%d queries without EDNS for %d questions", n, count)
	}
}

// A server may send more over UDP than it is asked for.
func TestLargeUDPAnswer(t *testing.T) {
	var records []string
	for _, address := range addresses(100, "10.0.0.%d") {
		records = append(records, "db.corp.example. 60 IN A "+address)
	}
	server := handle(t, func(w dns.ResponseWriter, query *dns.Msg) { reply(t, w, query, records...) })
	answer, err := lookupName(t, long, server)
	if err != nil || len(answer.Addresses) != len(records) {
		t.Errorf("%d addresses, %v, want %d", len(answer.Addresses), err, len(records))
	}
}

// After its answer a look-up leaves neither goroutines nor sockets, also if a server stays silent.
func TestNothingIsLeft(t *testing.T) {
	good, silent := startServer(t), startServer(t)
	good.Set(name, dnsserver.A("10.0.0.1"))
	silent.Fail(name, dnsserver.Silent)
	client := &Client{Servers: []string{good.Addr(), silent.Addr(), closedPort(t)}, Timeout: 24 * time.Hour}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it closes sockets that are forgotten
	goroutines, sockets := runtime.NumGoroutine(), openFiles(t)
	for range 1000 {
		if _, err := client.Lookup(t.Context(), name, corev1.IPv4Protocol); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "no more goroutines than before", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "no more sockets than before", func() bool { return openFiles(t) <= sockets })
}

// openFiles returns how many files and sockets this process has open.
func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// closedPort returns an address on which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	return conn.LocalAddr().String()
}

// handle starts a server of a handler on a free port of UDP and TCP, and returns its address.
func handle(t *testing.T, handler dns.HandlerFunc) string {
	t.Helper()
	packets, listener, err := dnsserver.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []*dns.Server{{Listener: listener}, {PacketConn: packets}} {
		server.Handler = handler
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() {
			if err := server.ActivateAndServe(); err != nil {
				t.Error(err)
			}
		}()
		<-started
		t.Cleanup(func() {
			if err := server.Shutdown(); err != nil {
				t.Error(err)
			}
		})
	}
	return listener.Addr().String()
}

// reply answers a query with records, or with none of those that a truncated answer has no room for.
func reply(t *testing.T, w dns.ResponseWriter, query *dns.Msg, records ...string) {
	message := new(dns.Msg).SetReply(query)
	for _, text := range records {
		if text == "truncated" {
			message.Truncated = true
			continue
		}
		record, err := dns.NewRR(text)
		if err != nil {
			t.Error(err)
			continue
		}
		message.Answer = append(message.Answer, record)
	}
	if err := w.WriteMsg(message); err != nil {
		t.Error(err)
	}
}
