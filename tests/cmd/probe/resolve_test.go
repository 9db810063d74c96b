package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"external-services/tests/internal/traffic"
)

const service = "svc.test."

// dns is a DNS server on this machine that knows the name service as an alias of a
// host, and counts the questions for the host's IPv4 address.
type dns struct {
	address string
	asked   atomic.Int64
	first   chan struct{} // closed with the first question

	aliasTTL, hostTTL uint32
	host              atomic.Pointer[netip.Addr]
}

func newDNS(t *testing.T, aliasTTL, hostTTL uint32, host netip.Addr) *dns {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	d := &dns{address: socket.LocalAddr().String(), aliasTTL: aliasTTL, hostTTL: hostTTL, first: make(chan struct{})}
	d.host.Store(&host)
	go func() {
		buffer := make([]byte, 1<<12)
		for {
			n, client, err := socket.ReadFrom(buffer)
			if err != nil {
				return // closed
			}
			reply, err := d.answer(buffer[:n])
			if err != nil {
				t.Errorf("answer a question: %v", err)
				return
			}
			socket.WriteTo(reply, client) // who does not get it asks again
		}
	}()
	return d
}

func (d *dns) answer(query []byte) ([]byte, error) {
	var message dnsmessage.Message
	if err := message.Unpack(query); err != nil {
		return nil, err
	}
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: message.ID, Response: true}, Questions: message.Questions}
	question := message.Questions[0]
	record := func(name string, kind dnsmessage.Type, ttl uint32, body dnsmessage.ResourceBody) {
		reply.Answers = append(reply.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET, TTL: ttl}, Body: body,
		})
	}
	if question.Name.String() != service {
		reply.RCode = dnsmessage.RCodeNameError
	} else {
		const host = "host.test."
		record(service, dnsmessage.TypeCNAME, d.aliasTTL, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(host)})
		if question.Type == dnsmessage.TypeA {
			if d.asked.Add(1) == 1 {
				close(d.first)
			}
			record(host, dnsmessage.TypeA, d.hostTTL, &dnsmessage.AResource{A: d.host.Load().As4()})
		}
	}
	return reply.Pack()
}

func TestResolveKeepsAnAnswerForItsSmallestTTL(t *testing.T) {
	for name, ttls := range map[string][2]uint32{"of the alias": {1, 30}, "of the host": {30, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, two := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
			d := newDNS(t, ttls[0], ttls[1], one)
			r := newResolver(true, d.address)
			begin := time.Now()
			first, err := r.lookup(service)
			if err != nil || first.ttl != time.Second || !slices.Equal(first.addresses, []netip.Addr{one}) {
				t.Fatalf("%+v, %v", first, err)
			}
			d.host.Store(&two)
			for {
				a, err := r.lookup(service)
				now := time.Now()
				if err != nil {
					t.Fatal(err)
				}
				if a.asked == first.asked {
					if now.Sub(begin) > 10*time.Second {
						t.Fatal("the answer is kept for ever")
					}
					time.Sleep(time.Millisecond)
					continue
				}
				if d.asked.Load() != 2 || a.asked.Sub(first.asked) < time.Second || !slices.Equal(a.addresses, []netip.Addr{two}) {
					t.Errorf("after %s and %d questions: %+v", a.asked.Sub(first.asked), d.asked.Load(), a)
				}
				break
			}
		})
	}
}

func TestResolveEachTime(t *testing.T) {
	for name, c := range map[string]struct {
		cache    bool
		ttl      uint32
		lookups  int
		wantAsks int64
	}{
		"without a cache":          {false, 30, 3, 3},
		"with a cache":             {true, 30, 3, 1},
		"answers that do not last": {true, 0, 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDNS(t, 60, c.ttl, netip.MustParseAddr("127.0.0.1"))
			r := newResolver(c.cache, d.address)
			for range c.lookups {
				before := time.Now()
				a, err := r.lookup(service)
				if err != nil || a.ttl != time.Duration(c.ttl)*time.Second {
					t.Fatalf("%+v, %v", a, err)
				}
				if c.wantAsks > 1 && a.asked.Before(before) {
					t.Errorf("the answer is of %s, before the question", a.asked)
				}
			}
			if n := d.asked.Load(); n != c.wantAsks {
				t.Errorf("%d questions, want %d", n, c.wantAsks)
			}
		})
	}
}

func TestResolveFailures(t *testing.T) {
	d := newDNS(t, 1, 1, netip.MustParseAddr("127.0.0.1"))
	for name, r := range map[string]*resolver{"without a cache": newResolver(false, d.address), "with a cache": newResolver(true, d.address)} {
		_, err := r.lookup("other.test.")
		if err == nil || !strings.HasPrefix(resolutionFailure(err), "no such host on ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := newResolver(false, "")
	if a, err := r.lookup("2001:db8::1"); err != nil || a.addresses[0].String() != "2001:db8::1" || !a.asked.IsZero() {
		t.Errorf("an address is resolved: %+v, %v", a, err)
	}
}

// A client that keeps answers goes to the old host for the TTL of its answer, and
// then to the new one; one that keeps none goes there at once.
func TestLoadWhenANameMoves(t *testing.T) {
	t.Parallel()
	one := newServer(t, "127.0.0.1:0", "one")
	_, port, err := net.SplitHostPort(one.address)
	if err != nil {
		t.Fatal(err)
	}
	newServer(t, net.JoinHostPort("127.0.0.2", port), "two")
	for name, cache := range map[string]bool{"without a cache": false, "with a cache": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDNS(t, 30, 1, netip.MustParseAddr("127.0.0.1"))
			l := newLoad(traffic.Options{Address: net.JoinHostPort(service, port), CacheDNS: cache}.WithDefaults())
			l.resolver.server = d.address
			ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
			defer cancel()
			moves := make(chan time.Time, 1)
			go func() {
				<-d.first
				<-time.After(1500 * time.Millisecond) // between two times at which the cache asks
				two := netip.MustParseAddr("127.0.0.2")
				d.host.Store(&two)
				moves <- time.Now()
			}()
			var out bytes.Buffer
			if err := l.run(ctx, &out); err != nil {
				t.Fatal(err)
			}
			moved := <-moves
			servers := map[string]int{}
			late := 0
			for decoder := json.NewDecoder(&out); decoder.More(); {
				var line traffic.Line
				if err := decoder.Decode(&line); err != nil {
					t.Fatal(err)
				}
				e := line.Event
				if e == nil {
					continue
				}
				if e.Failed() || e.TTL != time.Second || e.Start.Sub(e.Resolved) > e.TTL {
					t.Errorf("event %+v", e)
				}
				servers[e.Server]++
				if e.Server == "one" && e.Start.After(moved) {
					late++
				}
				if e.Server == "one" && e.Resolved.After(moved) {
					t.Errorf("%+v goes to the old host by a new answer", e)
				}
			}
			if servers["one"] < 100 || servers["two"] < 100 || cache != (late > 0) {
				t.Errorf("the connections reach %v, %d of them the old host after the name has moved", servers, late)
			}
			if asked := d.asked.Load(); cache && asked > 4 || !cache && asked < 200 {
				t.Errorf("%d questions", asked)
			}
		})
	}
}
