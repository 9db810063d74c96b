package dnsserver

import (
	"net"

	"github.com/miekg/dns"
)

// Failure is a way in which a question fails.
type Failure int

const (
	NXDomain       Failure = iota + 1 // for a target of a CNAME: NXDOMAIN after the chain
	NoData                            // no records, and no error
	ServFail                          //
	Refused                           //
	NotImp                            // an RCODE that few expect
	Silent                            // no answer
	Malformed                         // the answer ends in the middle of a record
	Truncated                         // the answer has to be asked for over TCP
	TruncatedNoTCP                    // the same, and TCP connections are closed without it
	WrongID                           // over UDP, an answer with the ID of another query comes before the right one
	WrongQuestion                     // over UDP, an answer to another question comes before the right one
	NoEDNS                            // FORMERR to a query with EDNS, the answer to one without
)

var rcodes = map[Failure]int{
	NXDomain: dns.RcodeNameError,
	NoData:   dns.RcodeSuccess,
	ServFail: dns.RcodeServerFailure,
	Refused:  dns.RcodeRefused,
	NotImp:   dns.RcodeNotImplemented,
}

// serve answers a query.
func (s *Server) serve(w dns.ResponseWriter, query *dns.Msg) {
	_, udp := w.RemoteAddr().(*net.UDPAddr)
	reply, failure := s.answer(query)
	switch edns := query.IsEdns0(); {
	case failure == NoEDNS && edns != nil:
		reply = new(dns.Msg).SetRcodeFormatError(query)
	case edns != nil:
		reply.SetEdns0(dns.DefaultMsgSize, false)
		if udp {
			reply.Truncate(int(edns.UDPSize()))
		}
	case udp:
		reply.Truncate(dns.MinMsgSize)
	}
	cut := 0
	switch {
	case failure == Silent:
		return
	case failure == TruncatedNoTCP && !udp:
		s.report(w.Close())
		return
	case (failure == Truncated || failure == TruncatedNoTCP) && udp:
		reply.Truncated, reply.Answer = true, reply.Answer[:min(1, len(reply.Answer))]
	case failure == Malformed:
		reply.Answer, reply.Extra, cut = append(reply.Answer, &dns.TXT{Hdr: header(dns.TypeTXT), Txt: []string{"cut"}}), nil, 1
	case failure == WrongID && udp:
		decoy := *reply
		decoy.Id++
		decoy.Answer = nil
		s.write(w, &decoy, 0)
	case failure == WrongQuestion && udp:
		decoy := *reply
		decoy.Question = []dns.Question{{Name: "wrong.", Qtype: query.Question[0].Qtype, Qclass: dns.ClassINET}}
		decoy.Answer = nil
		s.write(w, &decoy, 0)
	}
	s.write(w, reply, cut)
}

// write sends a message without its last bytes. The client may have gone already.
func (s *Server) write(w dns.ResponseWriter, reply *dns.Msg, cut int) {
	data, err := reply.Pack()
	if err != nil {
		s.report(err)
		return
	}
	_, _ = w.Write(data[:len(data)-cut])
}

// answer counts a question and returns what the script says: the records of the name, or its CNAME and the records
// of the target, as far as they are in the script. The failure is that of the name itself, the RCODE of the
// last name.
func (s *Server) answer(query *dns.Msg) (*dns.Msg, Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := query.Question[0]
	asked.Name = dns.CanonicalName(asked.Name)
	s.questions[asked]++
	reply := new(dns.Msg).SetReply(query)
	reply.Authoritative, reply.Compress = true, true
	visited := map[string]bool{}
	for name := asked.Name; name != "" && !visited[name]; {
		visited[name] = true
		records, exists := closest(s.records, name)
		failure := s.failure(name, asked.Qtype)
		if rcode, ok := rcodes[failure]; ok {
			reply.Rcode = rcode
			break
		}
		if !exists && failure == 0 && name == asked.Name {
			reply.Rcode = dns.RcodeNameError
		}
		name = addRecords(reply, records, name, asked.Qtype)
	}
	return reply, s.failure(asked.Name, asked.Qtype)
}

// addRecords adds the records of a name that answer a question for a type, and returns the target of its CNAME.
func addRecords(reply *dns.Msg, records []*Records, name string, qtype uint16) string {
	target := ""
	for _, r := range records {
		if len(r.rrs) == 0 {
			continue
		}
		switch rrtype := r.rrs[0].Header().Rrtype; {
		case r.raw:
			reply.Answer = append(r.answer(name), reply.Answer...)
			reply.Extra = append(reply.Extra, r.answer(name)...)
		case rrtype == qtype:
			reply.Answer = append(reply.Answer, r.answer(name)...)
		case rrtype == dns.TypeCNAME:
			reply.Answer = append(reply.Answer, r.answer(name)...)
			target = r.rrs[0].(*dns.CNAME).Target
		}
	}
	return target
}

// failure returns how questions for a name and type fail, or 0.
func (s *Server) failure(name string, qtype uint16) Failure {
	failures, _ := closest(s.failures, name)
	if failure, ok := failures[qtype]; ok {
		return failure
	}
	return failures[dns.TypeANY]
}

// closest returns what a script says of a name, or else of the closest wildcard above it.
func closest[T any](script map[string]T, name string) (T, bool) {
	value, ok := script[name]
	for _, start := range dns.Split(name) {
		if start > 0 && !ok {
			value, ok = script["*."+name[start:]]
		}
	}
	return value, ok
}
