package lookup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// maxChain is how many CNAME records to follow at most. Name servers stop at about as many.
const maxChain = 16

// unrelated is the error of a message that does not answer the query.
var unrelated = &Error{Reason: Malformed, Err: errors.New("an answer to another question")}

// readAnswer reads a message that has come back for a query.
func readAnswer(packet []byte, query *dns.Msg) (Answer, *Error) {
	message := new(dns.Msg)
	err := message.Unpack(packet)
	if !answers(message, query) {
		return Answer{}, unrelated
	}
	if message.Truncated { // maybe in the middle of a record
		return Answer{}, &Error{Reason: Truncated, Err: errors.New("truncated")}
	}
	// Unpack lets a message pass that ends before its last records.
	if count := int(binary.BigEndian.Uint16(packet[6:])); err == nil && count != len(message.Answer) {
		err = fmt.Errorf("%d of %d records", len(message.Answer), count)
	}
	if err != nil {
		return Answer{}, &Error{Reason: Malformed, Err: fmt.Errorf("malformed answer: %w", err)}
	}
	if message.Rcode != dns.RcodeSuccess {
		rcode := rcodeError(message.Rcode)
		return Answer{}, &Error{Reason: rcode.reason(), Err: rcode}
	}
	return readRecords(message.Answer, query.Question[0])
}

// answers says whether a message answers a query, as far as it could be unpacked: RFC 5452, section 9.1.
func answers(message, query *dns.Msg) bool {
	if message.Id != query.Id || !message.Response || message.Opcode != query.Opcode {
		return false
	}
	if len(message.Question) == 0 {
		// Servers that do not understand or want a question return the header alone.
		return message.Rcode != dns.RcodeSuccess && message.Rcode != dns.RcodeNameError
	}
	got, asked := message.Question[0], query.Question[0]
	got.Name = dns.CanonicalName(got.Name)
	return len(message.Question) == 1 && got == asked
}

// readRecords returns the addresses at the end of the question's CNAME chain. Other records are ignored,
// wherever they come from.
func readRecords(records []dns.RR, question dns.Question) (Answer, *Error) {
	name, ttl, err := followChain(records, question.Name)
	if err != nil {
		return Answer{}, &Error{Reason: Malformed, Err: err}
	}
	var addresses []netip.Addr
	for _, record := range records {
		header := record.Header()
		if header.Rrtype != question.Qtype || header.Class != dns.ClassINET || dns.CanonicalName(header.Name) != name {
			continue
		}
		address, ok := addressOf(record)
		if !ok {
			return Answer{}, &Error{Reason: Malformed, Err: fmt.Errorf("a record of %s without data", name)}
		}
		addresses = append(addresses, address)
		ttl = min(ttl, ttlOf(record))
	}
	if len(addresses) == 0 {
		err := errors.New("no address")
		if name != question.Name {
			err = fmt.Errorf("no address at %s, the target of its CNAME", name)
		}
		return Answer{}, &Error{Reason: NoData, Err: err}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return Answer{Addresses: slices.Compact(addresses), TTL: ttl}, nil
}

// followChain returns the name at the end of a CNAME chain and the lowest TTL on the way there. The records
// may be in any order; of two CNAME records of one name, which are not allowed (RFC 2181, section 10.1),
// the first one counts.
func followChain(records []dns.RR, name string) (string, time.Duration, error) {
	cnames := map[string]*dns.CNAME{}
	for _, record := range records {
		if cname, ok := record.(*dns.CNAME); ok && cname.Hdr.Class == dns.ClassINET {
			owner := dns.CanonicalName(cname.Hdr.Name)
			if cnames[owner] == nil {
				cnames[owner] = cname
			}
		}
	}
	lowest := time.Duration(math.MaxInt64)
	for range maxChain + 1 {
		cname := cnames[name]
		if cname == nil {
			return name, lowest, nil
		}
		if cname.Target == "" {
			return "", 0, fmt.Errorf("a CNAME of %s without data", name)
		}
		name, lowest = dns.CanonicalName(cname.Target), min(lowest, ttlOf(cname))
	}
	return "", 0, fmt.Errorf("the CNAME chain is a loop or longer than %d", maxChain)
}

// addressOf returns the address in an A or AAAA record. An IPv4 address that is mapped into IPv6 stays what it is.
func addressOf(record dns.RR) (netip.Addr, bool) {
	switch record := record.(type) {
	case *dns.A:
		return netip.AddrFromSlice(record.A.To4())
	case *dns.AAAA:
		return netip.AddrFromSlice(record.AAAA)
	}
	return netip.Addr{}, false
}

// ttlOf returns the TTL of a record. One with the highest bit set is 0: RFC 2181, section 8.
func ttlOf(record dns.RR) time.Duration {
	ttl := record.Header().Ttl
	if ttl > math.MaxInt32 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}
