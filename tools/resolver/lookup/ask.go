package lookup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/miekg/dns"
)

const (
	// ednsSize is the size in bytes of UDP answers to ask for: none is cut into fragments on its way
	// (dnsflagday.net/2020).
	ednsSize = 1232

	// readSize is the size in bytes of UDP answers to read, if a server sends more than it is asked for.
	readSize = 4096
)

// ask asks one server, and once more without EDNS if the server may not understand it.
func ask(ctx context.Context, server string, question dns.Question) (Answer, *Error) {
	answer, failure := Answer{}, (*Error)(nil)
	if _, err := netip.ParseAddrPort(server); err != nil {
		failure = &Error{Reason: Unreachable, Err: err}
	} else {
		answer, failure = exchange(ctx, server, newQuery(question).SetEdns0(ednsSize, false))
	}
	var rcode rcodeError
	if failure != nil && errors.As(failure, &rcode) && rcode.rejectsEDNS() {
		answer, failure = exchange(ctx, server, newQuery(question))
	}
	if failure != nil {
		failure.Server = server
	}
	return answer, failure
}

// newQuery returns a message with a random ID that asks a question, without EDNS.
func newQuery(question dns.Question) *dns.Msg {
	return &dns.Msg{
		MsgHdr:   dns.MsgHdr{Id: dns.Id(), RecursionDesired: true},
		Question: []dns.Question{question},
	}
}

// exchange asks over UDP, and over TCP if the answer is truncated.
func exchange(ctx context.Context, server string, query *dns.Msg) (Answer, *Error) {
	answer, failure := overUDP(ctx, server, query)
	if failure != nil && failure.Reason == Truncated {
		return overTCP(ctx, server, query)
	}
	return answer, failure
}

// overUDP waits for the answer to a query, and skips all that answers something else: anybody can send
// such a packet, and the right one may be on its way (RFC 5452, section 9.1).
func overUDP(ctx context.Context, server string, query *dns.Msg) (Answer, *Error) {
	conn, closeConn, err := send(ctx, "udp", server, query)
	if err != nil {
		return Answer{}, socketFailure(ctx, err)
	}
	defer closeConn()
	buffer := buffers.Get().(*[readSize]byte)
	defer buffers.Put(buffer)
	for skipped := 0; ; skipped++ {
		n, err := conn.Read(buffer[:])
		if err != nil {
			failure := socketFailure(ctx, err)
			if skipped > 0 {
				failure.Err = fmt.Errorf("%w, %d unrelated packets skipped", failure.Err, skipped)
			}
			return Answer{}, failure
		}
		answer, failure := readAnswer(buffer[:n], query)
		if failure != unrelated {
			return answer, failure
		}
	}
}

// buffers are for UDP answers, which are read out of them.
var buffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// overTCP takes the first message that comes back. Without one the Reason stays Truncated.
func overTCP(ctx context.Context, server string, query *dns.Msg) (Answer, *Error) {
	conn, closeConn, err := send(ctx, "tcp", server, query)
	var packet []byte
	if err == nil {
		defer closeConn()
		packet, err = conn.ReadMsgHeader(nil)
	}
	cause := unrelated
	if err != nil {
		cause = socketFailure(ctx, err)
	} else if answer, failure := readAnswer(packet, query); failure != unrelated {
		return answer, failure
	}
	return Answer{}, &Error{Reason: Truncated, Err: fmt.Errorf("truncated, and TCP failed: %w", cause.Err)}
}

// send sends a query from a new socket, which the end of ctx closes too. Each question has a socket of
// its own: an attacker has to guess its port, and connection tracking pins a kept one to a single, perhaps
// dead, pod of the cluster's DNS (envoyproxy/envoy#7965).
func send(ctx context.Context, network, server string, query *dns.Msg) (*dns.Conn, func(), error) {
	socket, err := new(net.Dialer).DialContext(ctx, network, server)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { socket.Close() })
	closeConn := func() {
		if stop() {
			socket.Close()
		}
	}
	conn := &dns.Conn{Conn: socket, UDPSize: readSize}
	if err := conn.WriteMsg(query); err != nil {
		closeConn()
		return nil, nil, err
	}
	return conn, closeConn, nil
}

// socketFailure is an error of a socket, which may be due to the end of ctx.
func socketFailure(ctx context.Context, err error) *Error {
	if ctx.Err() != nil {
		return &Error{Reason: Timeout, Err: fmt.Errorf("no answer: %w", ctx.Err())}
	}
	return &Error{Reason: Unreachable, Err: err}
}
