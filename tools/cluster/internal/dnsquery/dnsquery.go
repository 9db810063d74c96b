// Package dnsquery asks a DNS server for the addresses of a name.
//
// The standard library's resolver reads the machine's hosts file and resolver configuration, which say nothing about
// the names of a cluster, so the question is put on the wire here.
package dnsquery

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"
)

// The record types that hold addresses, and the class of all records of the internet.
const (
	typeA    = 1
	typeAAAA = 28
	classIN  = 1
)

const headerLen = 12

// Query asks over conn, which is connected to a DNS server by UDP, for the IPv4 and IPv6 addresses of name, and
// returns them in the order of the answers. A name that does not exist is an error, one without addresses is not.
func Query(conn net.Conn, name string, timeout time.Duration) ([]netip.Addr, error) {
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, fmt.Errorf("ask for %s: %w", name, err)
	}
	var all []netip.Addr
	for _, qtype := range []uint16{typeA, typeAAAA} {
		ips, err := ask(conn, name, qtype)
		if err != nil {
			return nil, fmt.Errorf("ask %s for %s: %w", conn.RemoteAddr(), name, err)
		}
		all = append(all, ips...)
	}
	return all, nil
}

func ask(conn net.Conn, name string, qtype uint16) ([]netip.Addr, error) {
	id := uint16(rand.Uint32())
	query, err := question(id, name, qtype)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if n >= headerLen && binary.BigEndian.Uint16(buf) == id {
			return answers(buf[:n], qtype)
		}
		// Anything else is the late answer to an earlier question.
	}
}

// question is a message with one question, as in RFC 1035.
func question(id uint16, name string, qtype uint16) ([]byte, error) {
	const recursionDesired = 1 << 8
	msg := binary.BigEndian.AppendUint16(nil, id)
	msg = binary.BigEndian.AppendUint16(msg, recursionDesired)
	msg = append(msg, 0, 1, 0, 0, 0, 0, 0, 0) // one question, nothing else
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if label == "" || len(label) > 63 {
			return nil, fmt.Errorf("%q is not a DNS name", name)
		}
		msg = append(msg, byte(len(label)))
		msg = append(msg, label...)
	}
	msg = append(msg, 0)
	msg = binary.BigEndian.AppendUint16(msg, qtype)
	return binary.BigEndian.AppendUint16(msg, classIN), nil
}

// answers returns the addresses of one type in a message. Records of other types, such as the CNAME that leads to the
// addresses, are passed over.
func answers(msg []byte, qtype uint16) ([]netip.Addr, error) {
	if code := msg[3] & 0x0f; code != 0 {
		return nil, fmt.Errorf("the server answers %s", codeText(code))
	}
	questions, records := binary.BigEndian.Uint16(msg[4:]), binary.BigEndian.Uint16(msg[6:])
	r := reader{msg: msg, at: headerLen}
	for range questions {
		r.skipName()
		r.take(4)
	}
	var ips []netip.Addr
	for range records {
		r.skipName()
		head := r.take(10)
		if r.err != nil {
			return nil, r.err
		}
		data := r.take(int(binary.BigEndian.Uint16(head[8:])))
		if r.err == nil && binary.BigEndian.Uint16(head) == qtype {
			if ip, ok := netip.AddrFromSlice(data); ok {
				ips = append(ips, ip)
			}
		}
	}
	return ips, r.err
}

// reader walks through a message. Once it is at the end it stays there and keeps the error.
type reader struct {
	msg []byte
	at  int
	err error
}

func (r *reader) take(n int) []byte {
	if r.err == nil && r.at+n > len(r.msg) {
		r.err = errors.New("the answer is cut short")
	}
	if r.err != nil {
		return nil
	}
	r.at += n
	return r.msg[r.at-n : r.at]
}

func (r *reader) skipName() {
	for {
		length := r.take(1)
		switch {
		case r.err != nil || length[0] == 0:
			return
		case length[0]&0xc0 == 0xc0: // the rest of the name is elsewhere in the message
			r.take(1)
			return
		}
		r.take(int(length[0]))
	}
}

func codeText(code byte) string {
	switch code {
	case 2:
		return "SERVFAIL"
	case 3:
		return "NXDOMAIN"
	case 5:
		return "REFUSED"
	}
	return fmt.Sprintf("code %d", code)
}
