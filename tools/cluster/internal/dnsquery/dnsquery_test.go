package dnsquery

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// serve answers questions on a UDP socket of this machine. It gets the question and the type that is asked for, and
// returns the records and the response code.
func serve(t *testing.T, answer func(name string, qtype uint16) (records [][]byte, code byte)) net.Conn {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 512)
		for {
			n, client, err := server.ReadFrom(buf)
			if err != nil {
				return // closed at the end of the test
			}
			query := buf[:n]
			r := reader{msg: query, at: headerLen}
			r.skipName()
			name := string(query[headerLen+1 : r.at-1])
			records, code := answer(name, binary.BigEndian.Uint16(query[r.at:]))
			reply := slices.Clone(query)
			reply[2], reply[3] = 0x80, code
			binary.BigEndian.PutUint16(reply[6:], uint16(len(records)))
			for _, record := range records {
				reply = append(reply, record...)
			}
			late := slices.Clone(reply)
			late[0]++ // the answer to another question comes first
			for _, message := range [][]byte{late, reply} {
				if _, err := server.WriteTo(message, client); err != nil {
					return
				}
			}
		}
	}()
	conn, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Close()
	})
	return conn
}

// record is a resource record whose name is a reference to that of the question.
func record(rtype uint16, data []byte) []byte {
	r := []byte{0xc0, headerLen}
	r = binary.BigEndian.AppendUint16(r, rtype)
	r = binary.BigEndian.AppendUint16(r, classIN)
	r = binary.BigEndian.AppendUint32(r, 5)
	r = binary.BigEndian.AppendUint16(r, uint16(len(data)))
	return append(r, data...)
}

func TestQuery(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.168.50.206"), netip.MustParseAddr("2001:db8::206")
	const typeCNAME = 5
	conn := serve(t, func(name string, qtype uint16) ([][]byte, byte) {
		if name != "db\x04corp\x07example" {
			t.Errorf("the question is %q", name)
		}
		cname := record(typeCNAME, []byte("\x05other\xc0\x0c"))
		if qtype == typeAAAA {
			return [][]byte{cname, record(typeAAAA, v6.AsSlice())}, 0
		}
		return [][]byte{cname, record(typeA, v4.AsSlice())}, 0
	})
	for _, name := range []string{"db.corp.example", "db.corp.example."} {
		got, err := Query(conn, name, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if want := []netip.Addr{v4, v6}; !slices.Equal(got, want) {
			t.Errorf("Query(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestQueryFailures(t *testing.T) {
	for name, c := range map[string]struct {
		records [][]byte
		code    byte
		want    string
	}{
		"no such name": {code: 3, want: "NXDOMAIN"},
		"refused":      {code: 5, want: "REFUSED"},
		"failure":      {code: 2, want: "SERVFAIL"},
		"other":        {code: 9, want: "code 9"},
		"cut short":    {records: [][]byte{record(typeA, []byte{192, 0, 2, 1})[:12]}, want: "cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := serve(t, func(string, uint16) ([][]byte, byte) { return c.records, c.code })
			_, err := Query(conn, "a.example", 10*time.Second)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "a.example") {
				t.Errorf("Query = %v, want an error with %q and the name", err, c.want)
			}
		})
	}
	conn := serve(t, func(string, uint16) ([][]byte, byte) { return nil, 0 })
	for _, bad := range []string{"", "a..b", strings.Repeat("a", 64)} {
		if _, err := Query(conn, bad, time.Second); err == nil || !strings.Contains(err.Error(), "is not a DNS name") {
			t.Errorf("Query(%q) = %v", bad, err)
		}
	}
	if got, err := Query(conn, "empty.example", 10*time.Second); err != nil || len(got) != 0 {
		t.Errorf("Query of a name without addresses = %v, %v", got, err)
	}
}

func TestQueryTimesOut(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	conn, err := net.Dial("udp", silent.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := Query(conn, "a.example", 10*time.Millisecond); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("Query = %v, want a time-out", err)
	}
}
