// Package dnsserver is an authoritative DNS server that answers by script, over UDP and TCP:
//
//	server, err := dnsserver.Start("127.0.0.1:0")
//	server.Set("db.corp.example", dnsserver.A("10.0.0.1").TTL(5*time.Second))
//	server.Fail("db.corp.example", dnsserver.ServFail)
//
// Names are absolute and in any case. The name "*.corp.example" is for all names below corp.example that
// the script does not have themselves.
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

	mu        sync.Mutex
	records   map[string][]*Records
	failures  map[dns.Question]Failure
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
	packets, connections, err := Listen(address)
	if err != nil {
		return nil, fmt.Errorf("start a DNS server: %w", err)
	}
	s := &Server{addr: packets.LocalAddr().String()}
	s.records, s.failures, s.questions = map[string][]*Records{}, map[dns.Question]Failure{}, map[dns.Question]int{}
	for _, l := range []*dns.Server{{PacketConn: packets}, {Listener: connections}} {
		started := make(chan struct{})
		l.Handler, l.NotifyStartedFunc = dns.HandlerFunc(s.serve), func() { close(started) }
		go func() { s.report(l.ActivateAndServe()) }()
		<-started
		s.listeners = append(s.listeners, l)
	}
	return s, nil
}

// Listen opens a port for UDP and TCP. Of ports that are free for UDP it takes the first that is free for TCP.
func Listen(address string) (packets net.PacketConn, connections net.Listener, err error) {
	for range 10 {
		if packets, err = net.ListenPacket("udp", address); err != nil {
			return nil, nil, err
		}
		if connections, err = net.Listen("tcp", packets.LocalAddr().String()); err == nil {
			return packets, connections, nil
		}
		err = errors.Join(err, packets.Close())
	}
	return nil, nil, err
}

// Addr returns the server's "IP:port".
func (s *Server) Addr() string { return s.addr }

// Close stops the server, and returns the errors that it had meanwhile.
func (s *Server) Close() error {
	for _, l := range s.listeners {
		s.report(l.Shutdown())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.errors...)
}

// report keeps an error for Close.
func (s *Server) report(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errors = append(s.errors, err)
}

// Set gives a name these records and no others, and ends its failures. Questions for types that it has no
// records of get NODATA, and without any records NXDOMAIN.
func (s *Server) Set(name string, records ...*Records) {
	s.change(name, func(name string) {
		s.records[name] = records
		s.heal(name)
	})
}

// Fail makes the questions for a name fail, those for both types of addresses or for the given types, until the
// next Heal or Set of the same name. "*.corp.example" fails with all names below it, those with records too.
func (s *Server) Fail(name string, failure Failure, types ...uint16) {
	if len(types) == 0 {
		types = []uint16{dns.TypeA, dns.TypeAAAA}
	}
	s.change(name, func(name string) {
		for _, qtype := range types {
			s.failures[question(name, qtype)] = failure
		}
	})
}

// Heal ends the failures of a name. Its records are those from before.
func (s *Server) Heal(name string) { s.change(name, s.heal) }

func (s *Server) heal(name string) {
	maps.DeleteFunc(s.failures, func(q dns.Question, _ Failure) bool { return q.Name == name })
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
	return s.questions[question(dns.CanonicalName(name), qtype)]
}

func question(name string, qtype uint16) dns.Question {
	return dns.Question{Name: name, Qtype: qtype, Qclass: dns.ClassINET}
}
