package lookup

import (
	"fmt"
	"slices"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
)

// Reason says why there is no answer. It is short and of a fixed set, for a label of a metric.
type Reason string

const (
	NXDomain    Reason = "nxdomain"    // the name, or the end of its CNAME chain, does not exist
	NoData      Reason = "nodata"      // the name exists, or its CNAME leads elsewhere, but has no address of the family
	ServFail    Reason = "servfail"    // the server could not find the answer
	Refused     Reason = "refused"     // the server does not answer such questions
	Other       Reason = "rcode"       // another RCODE
	Truncated   Reason = "truncated"   // too large for UDP, and TCP failed
	Malformed   Reason = "malformed"   // the answer, or the name to ask for, is not valid DNS
	Timeout     Reason = "timeout"     // no answer in time, or ctx ended before
	Unreachable Reason = "unreachable" // an error of the socket, or no server to ask
)

// telling lists the reasons, those that tell most first: RCODEs and NODATA about the name, then RCODEs about
// the server, answers that cannot be used, timeouts, and errors of the socket, which may be this machine's.
var telling = []Reason{NXDomain, NoData, Refused, ServFail, Other, Truncated, Malformed, Timeout, Unreachable}

// tellsMoreThan says whether to return this reason rather than another one.
func (r Reason) tellsMoreThan(other Reason) bool {
	return slices.Index(telling, r) < slices.Index(telling, other)
}

// Error says why a look-up has failed.
type Error struct {
	Name   string
	Family corev1.IPFamily
	Reason Reason
	Server string // "IP:port"; empty if no server was asked
	Err    error
}

func (e *Error) Error() string {
	server, cause := "", string(e.Reason)
	if e.Server != "" {
		server = "name server " + e.Server + ": "
	}
	if e.Err != nil {
		cause = e.Err.Error()
	}
	return fmt.Sprintf("look up %s addresses of %s: %s%s", e.Family, e.Name, server, cause)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// rcodeError is an RCODE other than NOERROR as an error.
type rcodeError int

func (r rcodeError) Error() string {
	if name, ok := dns.RcodeToString[int(r)]; ok {
		return name
	}
	return fmt.Sprintf("RCODE %d", int(r))
}

// reason returns the Reason of an RCODE.
func (r rcodeError) reason() Reason {
	switch r {
	case dns.RcodeNameError:
		return NXDomain
	case dns.RcodeServerFailure:
		return ServFail
	case dns.RcodeRefused:
		return Refused
	}
	return Other
}

// rejectsEDNS says whether an RCODE may be due to EDNS in the question: RFC 6891, sections 6.1.3 and 7.
func (r rcodeError) rejectsEDNS() bool {
	return r == dns.RcodeFormatError || r == dns.RcodeNotImplemented || r == dns.RcodeBadVers
}
