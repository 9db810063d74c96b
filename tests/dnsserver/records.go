package dnsserver

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Records are records of one type, of the name that they are set for. Their TTL is a minute unless set.
type Records struct {
	rrs    []dns.RR
	raw    bool // in every answer, with the names they have
	rotate int  // so many in an answer; 0 is all
	next   int  // the first one of the next answer
}

// A returns records of IPv4 addresses. It panics if one is not.
func A(addresses ...string) *Records {
	r := &Records{}
	for _, text := range addresses {
		address := netip.MustParseAddr(text)
		if !address.Is4() {
			panic(fmt.Sprintf("not an IPv4 address: %s", text))
		}
		r.rrs = append(r.rrs, &dns.A{Hdr: header(dns.TypeA), A: address.AsSlice()})
	}
	return r
}

// AAAA returns records of IPv6 addresses, IPv4 mapped into IPv6 too. It panics if one is not.
func AAAA(addresses ...string) *Records {
	r := &Records{}
	for _, text := range addresses {
		address := netip.MustParseAddr(text)
		if !address.Is6() {
			panic(fmt.Sprintf("not an IPv6 address: %s", text))
		}
		r.rrs = append(r.rrs, &dns.AAAA{Hdr: header(dns.TypeAAAA), AAAA: address.AsSlice()})
	}
	return r
}

// CNAME returns an alias for another name. The server follows it as far as its script goes: a target that
// is not in the script leaves the alias lame.
func CNAME(target string) *Records {
	return &Records{rrs: []dns.RR{&dns.CNAME{Hdr: header(dns.TypeCNAME), Target: dns.CanonicalName(target)}}}
}

// Raw returns records in the form of a zone file, such as "db.evil.example. 60 IN A 10.0.0.6". They come first in
// each answer for the name that they are set for, whatever is asked, and among the additional records. It panics
// if it cannot read one.
func Raw(records ...string) *Records {
	r := &Records{raw: true}
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			panic(fmt.Sprintf("not a DNS record: %s: %v", text, err))
		}
		r.rrs = append(r.rrs, rr)
	}
	return r
}

func header(rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Rrtype: rrtype, Class: dns.ClassINET, Ttl: 60}
}

// TTL sets the time to live, in whole seconds, and returns the same records.
func (r *Records) TTL(ttl time.Duration) *Records {
	for _, rr := range r.rrs {
		rr.Header().Ttl = uint32(ttl / time.Second)
	}
	return r
}

// Rotate lets each answer have so many of the records, and the next answer those after them. It returns the
// same records.
func (r *Records) Rotate(count int) *Records {
	r.rotate = min(count, len(r.rrs))
	return r
}

// answer returns copies of the records for an answer, with their name.
func (r *Records) answer(name string) []dns.RR {
	count := len(r.rrs)
	if r.rotate > 0 {
		count = r.rotate
	}
	answer := make([]dns.RR, count)
	for i := range answer {
		answer[i] = dns.Copy(r.rrs[(r.next+i)%len(r.rrs)])
		if !r.raw {
			answer[i].Header().Name = name
		}
	}
	if count < len(r.rrs) {
		r.next = (r.next + count) % len(r.rrs)
	}
	return answer
}
