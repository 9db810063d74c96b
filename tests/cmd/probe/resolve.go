package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// resolveTimeout lasts for the two attempts of five seconds that a resolver makes by
// default, so that one lost packet is no failure.
const resolveTimeout = 12 * time.Second

// mayAsk is how many names a load may be asking for at a time. Each takes two packets, for
// IPv4 and IPv6. A DNS server that a busy machine keeps from reading has room for some 250
// packets, and what comes then is lost: the library asks again after five seconds, and
// when that is lost too it says that there is no such host. Who waits here asks later.
const mayAsk = 32

// answer is what the DNS says about a name.
type answer struct {
	addresses []netip.Addr
	asked     time.Time
	ttl       time.Duration
}

// resolver resolves names as Go programs do, by the search list, retries and order of
// addresses of the standard library, and also notes the TTLs that go by, for which
// the library has no function.
type resolver struct {
	// cache keeps each answer for its TTL.
	cache bool

	// server is the DNS server to ask in place of those of /etc/resolv.conf.
	server string

	mu    sync.Mutex
	names map[string]*cached

	asking chan struct{}
}

// newResolver returns one that asks for mayAsk names at a time.
func newResolver(cache bool, server string) *resolver {
	return &resolver{cache: cache, server: server, names: map[string]*cached{}, asking: make(chan struct{}, mayAsk)}
}

// cached is the latest answer for a name. Who needs a new one holds the lock, and the
// others wait for it.
type cached struct {
	sync.Mutex
	answer
}

// lookup resolves a host, a name or an IP address. An answer that is kept is used for
// its TTL from when it was asked for. What fails is not kept.
func (r *resolver) lookup(host string) (answer, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return answer{addresses: []netip.Addr{ip}}, nil
	}
	if !r.cache {
		return r.ask(host)
	}
	r.mu.Lock()
	kept, ok := r.names[host]
	if !ok {
		kept = &cached{}
		r.names[host] = kept
	}
	r.mu.Unlock()

	kept.Lock()
	defer kept.Unlock()
	if time.Since(kept.asked) < kept.ttl {
		return kept.answer, nil
	}
	a, err := r.ask(host)
	if err == nil {
		kept.answer = a
	}
	return a, err
}

func (r *resolver) ask(host string) (answer, error) {
	r.asking <- struct{}{}
	defer func() { <-r.asking }()
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	ttl := &smallestTTL{}
	// One resolver for each question: a resolver gives those who ask at the same time
	// the same answer, and then nobody could say when it was asked for.
	library := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, server string) (net.Conn, error) {
		if r.server != "" {
			server = r.server
		}
		connection, err := new(net.Dialer).DialContext(ctx, network, server)
		if udp, ok := connection.(*net.UDPConn); ok {
			return listening{udp, ttl}, err
		}
		return connection, err // the long answers that come by TCP are not kept
	}}
	a := answer{asked: time.Now()}
	addresses, err := library.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return a, err
	}
	if len(addresses) == 0 {
		return a, errors.New("no address")
	}
	for _, address := range addresses {
		a.addresses = append(a.addresses, address.Unmap())
	}
	a.ttl = ttl.get()
	return a, nil
}

// listening is a connection to a DNS server that notes the TTLs of what it reads. It
// is also a net.PacketConn, by which the library knows that it is one of UDP.
type listening struct {
	*net.UDPConn
	ttl *smallestTTL
}

func (l listening) Read(b []byte) (int, error) {
	n, err := l.UDPConn.Read(b)
	if err == nil {
		l.ttl.note(b[:n])
	}
	return n, err
}

// smallestTTL is that of all records in the answers to a lookup, those of the aliases on
// the way too. The library asks for IPv4 and IPv6 addresses at the same time.
type smallestTTL struct {
	mu   sync.Mutex
	seen bool
	ttl  time.Duration
}

// note reads a message. One that cannot be read is for the library to refuse.
func (s *smallestTTL) note(message []byte) {
	var parser dnsmessage.Parser
	if _, err := parser.Start(message); err != nil {
		return
	}
	if err := parser.SkipAllQuestions(); err != nil {
		return
	}
	for {
		header, err := parser.AnswerHeader()
		if err != nil {
			return // the last one, or no header
		}
		if err := parser.SkipAnswer(); err != nil {
			return
		}
		s.mu.Lock()
		if ttl := time.Duration(header.TTL) * time.Second; !s.seen || ttl < s.ttl {
			s.seen, s.ttl = true, ttl
		}
		s.mu.Unlock()
	}
}

// get returns 0 if there was none.
func (s *smallestTTL) get() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ttl
}

// resolutionFailure is the text of an error of the library, without the name, which
// is the same for all connections.
func resolutionFailure(err error) string {
	var failure *net.DNSError
	if errors.As(err, &failure) {
		return fmt.Sprintf("%s on %s", failure.Err, failure.Server)
	}
	return err.Error()
}
