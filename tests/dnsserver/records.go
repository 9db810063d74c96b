package dnsserver

import (
	"fmt"
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

// A returns records of IPv4 addresses. It panics if one is not or there are none, as do
// AAAA and Raw.
func A(addresses ...string) *Records { return parse(". 60 IN A ", addresses...) }

// AAAA returns records of IPv6 addresses, IPv4 mapped into IPv6 too.
func AAAA(addresses ...string) *Records { return parse(". 60 IN AAAA ", addresses...) }

// CNAME returns an alias for another name. The server follows it as far as its script goes: a target that
// is not in the script leaves the alias lame.
func CNAME(target string) *Records { return parse(". 60 IN CNAME ", dns.CanonicalName(target)) }

// Raw returns records in the form of a zone file, such as "db.evil.example. 60 IN A 10.0.0.6". They come first in
// each answer for the name that they are set for, whatever is asked, and again as additional records.
func Raw(records ...string) *Records {
	r := parse("", records...)
	r.raw = true
	return r
}

func parse(prefix string, texts ...string) *Records {
	if len(texts) == 0 {
		panic("no DNS records")
	}
	r := &Records{}
	for _, text := range texts {
		rr, err := dns.NewRR(prefix + text)
		if err != nil {
			panic(fmt.Sprintf("not a DNS record: %s%s: %v", prefix, text, err))
		}
		r.rrs = append(r.rrs, rr)
	}
	return r
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
	r.rotate = count
	return r
}

// answer returns copies of the records for an answer, with their name.
func (r *Records) answer(name string) []dns.RR {
	var answer []dns.RR
	for i := range len(r.rrs) {
		if r.rotate > 0 && i == r.rotate {
			r.next += r.rotate
			break
		}
		rr := dns.Copy(r.rrs[(r.next+i)%len(r.rrs)])
		if !r.raw {
			rr.Header().Name = name
		}
		answer = append(answer, rr)
	}
	return answer
}
