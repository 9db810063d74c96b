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
	ServFail                          // SERVFAIL
	Refused                           // REFUSED
	NotImp                            // NOTIMP
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

// maxChain is how many names of a CNAME chain, or rounds of a loop, are in an answer.
const maxChain = 32

// serve answers a query.
func (s *Server) serve(w dns.ResponseWriter, query *dns.Msg) {
	_, udp := w.RemoteAddr().(*net.UDPAddr)
	reply, failure := s.answer(query)
	size := dns.MinMsgSize
	if edns := query.IsEdns0(); edns != nil {
		size = int(edns.UDPSize())
		reply.SetEdns0(dns.DefaultMsgSize, false)
		if failure == NoEDNS {
			reply = new(dns.Msg).SetRcodeFormatError(query)
		}
	}
	switch {
	case failure == Silent:
		return
	case failure == TruncatedNoTCP && !udp:
		s.report(w.Close())
		return
	case failure == Malformed:
		s.write(w, reply, 1)
		return
	case (failure == Truncated || failure == TruncatedNoTCP) && udp:
		reply.Truncated, reply.Answer = true, reply.Answer[:min(1, len(reply.Answer))]
	case (failure == WrongID || failure == WrongQuestion) && udp:
		decoy := reply.Copy()
		decoy.Answer = nil
		if failure == WrongID {
			decoy.Id++
		} else {
			decoy.Question[0].Name = "wrong."
		}
		s.write(w, decoy, 0)
	}
	if udp {
		reply.Truncate(size)
	}
	s.write(w, reply, 0)
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

// answer counts a question and returns the answer: the records of the name, or its CNAME and the records of the
// target, as far as they are in the script, and the RCODE of the last name. The failure is that of the name itself.
func (s *Server) answer(query *dns.Msg) (*dns.Msg, Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := query.Question[0]
	asked.Name = dns.CanonicalName(asked.Name)
	s.questions[asked]++
	reply := new(dns.Msg).SetReply(query)
	reply.Authoritative, reply.Compress = true, true
	for name, hops := asked.Name, 0; name != "" && hops < maxChain; hops++ {
		records := s.find(name)
		rcode, failed := rcodes[s.failure(name, asked.Qtype)]
		if !failed && len(records) == 0 && hops == 0 {
			rcode, failed = dns.RcodeNameError, true
		}
		if failed {
			reply.Rcode = rcode
			break
		}
		name = add(reply, records, name, asked.Qtype)
	}
	return reply, s.failure(asked.Name, asked.Qtype)
}

// add adds the records of a name that answer a question for a type, and returns the target of its CNAME.
func add(reply *dns.Msg, records []*Records, name string, qtype uint16) (target string) {
	for _, r := range records {
		cname, isCNAME := r.rrs[0].(*dns.CNAME)
		switch {
		case r.raw:
			reply.Answer = append(r.answer(name), reply.Answer...)
			reply.Extra = append(reply.Extra, r.answer(name)...)
		case isCNAME:
			reply.Answer = append(reply.Answer, r.answer(name)...)
			target = cname.Target
		case r.rrs[0].Header().Rrtype == qtype:
			reply.Answer = append(reply.Answer, r.answer(name)...)
		}
	}
	return target
}

// find returns the records of a name.
func (s *Server) find(name string) []*Records {
	for _, name := range withWildcards(name) {
		if records := s.records[name]; len(records) > 0 {
			return records
		}
	}
	return nil
}

// failure returns how the questions for a name and type fail, or 0.
func (s *Server) failure(name string, qtype uint16) Failure {
	for _, name := range withWildcards(name) {
		if failure := s.failures[question(name, qtype)]; failure != 0 {
			return failure
		}
	}
	return 0
}

// withWildcards returns a name and the wildcards above it, the closest first.
func withWildcards(name string) []string {
	names := []string{name}
	for _, start := range dns.Split(name) {
		if start > 0 {
			names = append(names, "*."+name[start:])
		}
	}
	return names
}
