// Package lookup asks name servers for the IP addresses of a name, one IP family at a time.
package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
)

// defaultTimeout is that of resolv.conf(5).
const defaultTimeout = 5 * time.Second

// Client asks name servers.
type Client struct {
	Servers []string      // "IP:port"
	Timeout time.Duration // of one question to one server, UDP and TCP together; 0 means 5 seconds
}

// Answer is what a name resolves to.
type Answer struct {
	Addresses []netip.Addr  // sorted, each once, at least one
	TTL       time.Duration // the lowest of the CNAME chain and the addresses
}

// Lookup asks all servers at once and returns the first answer with addresses, even if another
// server has said before that there are none. The name is absolute, with or without the final dot:
// no search list applies. The error is an *Error, that of the server which tells most; after the end
// of ctx it wraps ctx.Err() for the servers that have not answered.
func (c *Client) Lookup(ctx context.Context, name string, family corev1.IPFamily) (Answer, error) {
	question, err := newQuestion(name, family)
	if err != nil {
		return Answer{}, &Error{Name: name, Family: family, Reason: Malformed, Err: err}
	}
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel() // ends the questions to the other servers

	type result struct {
		answer Answer
		err    *Error
	}
	results := make(chan result, len(c.Servers))
	for _, server := range c.Servers {
		go func() {
			answer, err := ask(ctx, server, question)
			results <- result{answer, err}
		}()
	}
	failure := &Error{Reason: Unreachable, Err: errors.New("no name servers")}
	for i := range c.Servers {
		r := <-results
		if r.err == nil {
			return r.answer, nil
		}
		if i == 0 || r.err.Reason.tellsMoreThan(failure.Reason) {
			failure = r.err
		}
	}
	failure.Name, failure.Family = name, family
	return Answer{}, failure
}

// newQuestion returns the question for the addresses of a name, the name in its canonical form: lower
// case, with the final dot. It fails for a name that no DNS message can hold.
func newQuestion(name string, family corev1.IPFamily) (dns.Question, error) {
	qtypes := map[corev1.IPFamily]uint16{corev1.IPv4Protocol: dns.TypeA, corev1.IPv6Protocol: dns.TypeAAAA}
	qtype, ok := qtypes[family]
	if !ok {
		return dns.Question{}, fmt.Errorf("unknown IP family %q", family)
	}
	// packed and unpacked again, so that it has the escapes of names in answers
	wire := make([]byte, 256)
	end, err := dns.PackDomainName(dns.Fqdn(name), wire, 0, nil, false)
	if err != nil {
		return dns.Question{}, fmt.Errorf("%q is not a DNS name: %w", name, err)
	}
	name, _, err = dns.UnpackDomainName(wire[:end], 0)
	if err != nil {
		return dns.Question{}, fmt.Errorf("%q is not a DNS name: %w", name, err)
	}
	return dns.Question{Name: dns.CanonicalName(name), Qtype: qtype, Qclass: dns.ClassINET}, nil
}
