// Package dnsserver is an authoritative DNS server that answers by script, over UDP and TCP:
//
//	server, err := dnsserver.Start("127.0.0.1:0")
//	server.Set("db.corp.example", dnsserver.A("10.0.0.1").TTL(5*time.Second))
//	server.Fail("db.corp.example", dnsserver.ServFail)
//
// Names are absolute and in any case. A name without records or failure does not exist. The name
// "*.corp.example" stands for all names below corp.example that are not in the script by themselves.
package dnsserver

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Server is a running server.
type Server struct {
	addr      string
	listeners []*dns.Server
	serving   sync.WaitGroup

	mu        sync.Mutex
	records   map[string][]*Records
	failures  map[string]map[uint16]Failure // by name and type; dns.TypeANY is for the other types
	questions map[dns.Question]int
	changes   []Change
	errors    []error
}

// Change is a change of the script.
type Change struct {
	Name string // in lower case, with the final dot
	Time time.Time
}

// Start starts a server on an IP address and port, the same port for UDP and TCP. Port 0 is a free one.
func Start(address string) (*Server, error) {
	packets, listener, err := listen(address)
	if err != nil {
		return nil, fmt.Errorf("start a DNS server: %w", err)
	}
	s := &Server{
		addr:      listener.Addr().String(),
		records:   map[string][]*Records{},
		failures:  map[string]map[uint16]Failure{},
		questions: map[dns.Question]int{},
	}
	handler := dns.HandlerFunc(s.serve)
	s.listeners = []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: listener, Handler: handler}}
	for _, l := range s.listeners {
		started := make(chan struct{})
		l.NotifyStartedFunc = sync.OnceFunc(func() { close(started) })
		s.serving.Go(func() {
			s.report(l.ActivateAndServe())
			l.NotifyStartedFunc() // also if it could not start: Close says why
		})
		<-started
	}
	return s, nil
}

// listen opens a port for UDP and TCP. A free port of UDP may be in use for TCP: then it tries another one.
func listen(address string) (net.PacketConn, net.Listener, error) {
	var failed []error
	for range 10 {
		packets, err := net.ListenPacket("udp", address)
		if err != nil {
			return nil, nil, err
		}
		listener, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, listener, nil
		}
		failed = append(failed, err, packets.Close())
	}
	return nil, nil, errors.Join(failed...)
}

// Addr returns the server's "IP:port".
func (s *Server) Addr() string { return s.addr }

// Close stops the server, and returns what went wrong while it ran.
func (s *Server) Close() error {
	for _, l := range s.listeners {
		s.report(l.Shutdown())
	}
	s.serving.Wait()
	return errors.Join(s.errors...)
}

// report keeps an error for Close.
func (s *Server) report(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errors = append(s.errors, err)
}

// Set gives a name these records and no others, and ends its failures. Without records of the type that
// is asked for, the answer is NODATA.
func (s *Server) Set(name string, records ...*Records) {
	s.change(name, func(name string) {
		s.records[name] = records
		delete(s.failures, name)
	})
}

// Remove takes a name out of the script.
func (s *Server) Remove(name string) {
	s.change(name, func(name string) {
		delete(s.records, name)
		delete(s.failures, name)
	})
}

// Fail makes questions for a name fail, of all types or of some, until the next Heal, Set or Remove.
func (s *Server) Fail(name string, failure Failure, types ...uint16) {
	if len(types) == 0 {
		types = []uint16{dns.TypeANY}
	}
	s.change(name, func(name string) {
		failures := maps.Clone(s.failures[name])
		if failures == nil || types[0] == dns.TypeANY {
			failures = map[uint16]Failure{}
		}
		for _, qtype := range types {
			failures[qtype] = failure
		}
		s.failures[name] = failures
	})
}

// Heal ends the failures of a name. Its records are those from before.
func (s *Server) Heal(name string) {
	s.change(name, func(name string) { delete(s.failures, name) })
}

// change changes the script between two answers.
func (s *Server) change(name string, apply func(name string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = dns.CanonicalName(name)
	apply(name)
	s.changes = append(s.changes, Change{Name: name, Time: time.Now()})
}

// Changes returns all changes of the script so far, in order.
func (s *Server) Changes() []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.changes)
}

// Questions returns how often a name was asked for with a type, such as dns.TypeA, over UDP and TCP together.
func (s *Server) Questions(name string, qtype uint16) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.questions[dns.Question{Name: dns.CanonicalName(name), Qtype: qtype, Qclass: dns.ClassINET}]
}
