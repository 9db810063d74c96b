package lookup

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
)

// queryID is the ID of the query that answers of these tests are for.
const queryID = 0x1234

// newTestQuery returns a query for the addresses of name.
func newTestQuery(t testing.TB, family corev1.IPFamily) *dns.Msg {
	t.Helper()
	question, err := newQuestion(name, family)
	if err != nil {
		t.Fatal(err)
	}
	query := newQuery(question)
	query.Id = queryID
	return query
}

// pack returns an answer to a query, with records and changes, as it is sent.
func pack(t testing.TB, query *dns.Msg, change func(*dns.Msg), records ...string) []byte {
	t.Helper()
	message := new(dns.Msg).SetReply(query)
	message.Compress = true
	for _, text := range records {
		record, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		message.Answer = append(message.Answer, record)
	}
	if change != nil {
		change(message)
	}
	packet, err := message.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

// Only an answer to the query counts: RFC 5452, section 9.1.
func TestUnrelatedAnswers(t *testing.T) {
	query := newTestQuery(t, corev1.IPv4Protocol)
	const record = name + ". 60 IN A 10.0.0.1"
	for title, change := range map[string]func(*dns.Msg){
		"a wrong ID":       func(m *dns.Msg) { m.Id++ },
		"a query":          func(m *dns.Msg) { m.Response = false },
		"another opcode":   func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify },
		"another name":     func(m *dns.Msg) { m.Question[0].Name = "other.example." },
		"another type":     func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA },
		"another class":    func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS },
		"two questions":    func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) },
		"without question": func(m *dns.Msg) { m.Question = nil },
	} {
		if answer, failure := readAnswer(pack(t, query, change, record), query); failure != unrelated {
			t.Errorf("%s: %v, %v", title, answer, failure)
		}
	}
	upper := func(m *dns.Msg) { m.Question[0].Name = "DB.corp.EXAMPLE." }
	if _, failure := readAnswer(pack(t, query, upper, record), query); failure != nil {
		t.Errorf("in upper case: %v", failure)
	}
}

// A message that ends too early is never read as one with fewer addresses.
func TestCutAnswers(t *testing.T) {
	query := newTestQuery(t, corev1.IPv4Protocol)
	packet := pack(t, query, nil, name+". 60 IN A 10.0.0.1", name+". 60 IN A 10.0.0.2")
	question := len(pack(t, query, nil))
	for length := range len(packet) {
		answer, failure := readAnswer(packet[:length], query)
		switch {
		case failure == nil:
			t.Errorf("with %d of %d bytes the answer is %v", length, len(packet), answer)
		case length >= question && failure.Reason != Malformed, length < question && failure != unrelated:
			t.Errorf("with %d of %d bytes: %v", length, len(packet), failure)
		}
		packet := slices.Clone(packet[:length])
		if length >= question {
			packet[2] |= 1 << 1 // TC: it may end anywhere
			if _, failure := readAnswer(packet, query); failure == nil || failure.Reason != Truncated {
				t.Errorf("with %d of %d bytes, truncated: %v", length, len(packet), failure)
			}
		}
	}
}

func TestRecords(t *testing.T) {
	for title, c := range map[string]struct {
		records []string
		want    string
		reason  Reason
	}{
		"a chain in the wrong order": {
			[]string{
				"c.example. 60 IN A 10.0.0.1",
				"b.example. 60 IN CNAME C.example.",
				"DB.CORP.EXAMPLE. 60 IN CNAME b.example.",
			},
			"10.0.0.1", "",
		},
		"two CNAMEs of one name": {
			[]string{
				name + ". 60 IN CNAME a.example.",
				name + ". 60 IN CNAME b.example.",
				"b.example. 60 IN A 10.0.0.2",
				"a.example. 60 IN A 10.0.0.1",
			},
			"10.0.0.1", "",
		},
		"a CNAME and an address of one name": {
			[]string{name + ". 60 IN A 10.0.0.2", name + ". 60 IN CNAME a.example."},
			"", NoData,
		},
		"a CNAME of another class": {
			[]string{name + ". 60 CH CNAME a.example.", "a.example. 60 IN A 10.0.0.2"},
			"", NoData,
		},
		"a name that ends the same": {
			[]string{"x." + name + ". 60 IN A 10.0.0.2", "corp.example. 60 IN A 10.0.0.3"},
			"", NoData,
		},
		"no data in one record": {
			[]string{name + ". 60 IN A 10.0.0.1", name + `. 60 CLASS1 TYPE1 \# 0`},
			"", Malformed,
		},
		"no data in another record": {
			[]string{name + ". 60 IN A 10.0.0.1", `x.example. 60 CLASS1 TYPE1 \# 0`},
			"10.0.0.1", "",
		},
		"no data in the CNAME": {
			[]string{name + `. 60 CLASS1 TYPE5 \# 0`, name + ". 60 IN A 10.0.0.1"},
			"", Malformed,
		},
	} {
		query := newTestQuery(t, corev1.IPv4Protocol)
		answer, failure := readAnswer(pack(t, query, nil, c.records...), query)
		if c.reason != "" {
			if failure == nil || failure.Reason != c.reason {
				t.Errorf("%s: %v, %v, want the reason %s", title, answer, failure, c.reason)
			}
		} else if failure != nil || !slices.Equal(answer.Addresses, []netip.Addr{netip.MustParseAddr(c.want)}) {
			t.Errorf("%s: %v, %v, want %s", title, answer, failure, c.want)
		}
	}
}

// FuzzAnswer reads any bytes as they are, and as an answer to the query: with its ID and question.
func FuzzAnswer(f *testing.F) {
	chain := []string{
		"evil.example. 1 IN A 192.0.2.6",
		name + ". 60 IN CNAME a.example.",
		"a.example. 5 IN CNAME B.example.",
		"b.example. 7 IN A 10.0.0.1",
		"b.EXAMPLE. 9 IN A 10.0.0.2",
		"b.example. 60 IN AAAA 2001:db8::1",
		"b.example. 3 CH A 10.0.0.3",
	}
	for _, family := range []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol} {
		query, ipv6 := newTestQuery(f, family), family == corev1.IPv6Protocol
		withEDNS := func(m *dns.Msg) { m.SetEdns0(ednsSize, false) }
		f.Add(pack(f, query, nil, chain...), ipv6)
		f.Add(pack(f, query, withEDNS, name+". 4294967295 IN A 10.0.0.1", name+". 60 IN AAAA ::ffff:10.0.0.1"), ipv6)
		f.Add(pack(f, query, nil, name+". 60 IN CNAME a.example.", "a.example. 60 IN CNAME "+name+"."), ipv6)
		f.Add(pack(f, query, nil, name+`. 60 CLASS1 TYPE1 \# 0`, name+`. 60 CLASS1 TYPE5 \# 0`), ipv6)
		f.Add(pack(f, query, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }), ipv6)
		f.Add(pack(f, query, func(m *dns.Msg) { m.Truncated = true }), ipv6)
	}
	f.Fuzz(func(t *testing.T, packet []byte, ipv6 bool) {
		family := corev1.IPv4Protocol
		if ipv6 {
			family = corev1.IPv6Protocol
		}
		query := newTestQuery(t, family)
		checkAnswer(t, packet, query, ipv6)
		head := pack(t, query, nil)
		if len(packet) < len(head) {
			return
		}
		related := slices.Clone(packet)
		copy(related, head[:2])
		related[2] = 1 << 7 // a response, not truncated
		binary.BigEndian.PutUint16(related[4:], 1)
		copy(related[12:], head[12:])
		checkAnswer(t, related, query, ipv6)
	})
}

// checkAnswer checks what is read of a packet with what an oracle finds in it.
func checkAnswer(t *testing.T, packet []byte, query *dns.Msg, ipv6 bool) {
	answer, failure := readAnswer(packet, query)
	reachable, exact := reachableAddresses(packet)
	maps.DeleteFunc(reachable, func(address netip.Addr, _ time.Duration) bool { return address.Is6() != ipv6 })
	if failure != nil {
		if failure.Reason == "" || failure.Error() == "" || answer.Addresses != nil {
			t.Errorf("%+v with %v", failure, answer)
		}
		if failure.Reason == NoData && exact && len(reachable) > 0 {
			t.Errorf("no data, but at the end of the chain are %v", reachable)
		}
		return
	}
	if len(answer.Addresses) == 0 || answer.TTL < 0 || answer.TTL > (1<<31-1)*time.Second {
		t.Errorf("the answer is %v for %s", answer.Addresses, answer.TTL)
	}
	for i, address := range answer.Addresses {
		if address.Is6() != ipv6 || i > 0 && !answer.Addresses[i-1].Less(address) {
			t.Errorf("of another family, or not sorted: %v", answer.Addresses)
		}
		lowest, ok := reachable[address]
		if reachable != nil && (!ok || answer.TTL > lowest) {
			t.Errorf("%s is in the answer for %s, at the end of the chain are %v", address, answer.TTL, reachable)
		}
	}
	if exact && len(answer.Addresses) != len(reachable) {
		t.Errorf("the answer is %v, at the end of the chain are %v", answer.Addresses, reachable)
	}
}

// reachableAddresses returns the addresses of all names to which a CNAME chain leads from name and which have no
// CNAME themselves, each with its lowest TTL. It takes every chain there is: exact says that there is only one. It
// uses another reader of DNS messages, which cannot read all that the resolver can: then it returns nil.
func reachableAddresses(packet []byte) (found map[netip.Addr]time.Duration, exact bool) {
	var message dnsmessage.Message
	if err := message.Unpack(packet); err != nil || len(message.Questions) == 0 {
		return nil, false
	}
	exact = true
	reached, aliases := map[string]bool{canonical(message.Questions[0].Name): true}, map[string]bool{}
	for round := range message.Answers {
		for _, record := range message.Answers {
			owner := canonical(record.Header.Name)
			cname, isCNAME := record.Body.(*dnsmessage.CNAMEResource)
			if isCNAME && record.Header.Class == dnsmessage.ClassINET {
				exact = exact && (round > 0 || !aliases[owner])
				aliases[owner] = true
				if reached[owner] {
					reached[canonical(cname.CNAME)] = true
				}
			}
		}
	}
	found = map[netip.Addr]time.Duration{}
	for _, record := range message.Answers {
		owner := canonical(record.Header.Name)
		exact = exact && record.Header.Length > 0 // that reader takes what follows for the data
		if !reached[owner] || aliases[owner] || record.Header.Class != dnsmessage.ClassINET {
			continue
		}
		var address netip.Addr
		switch body := record.Body.(type) {
		case *dnsmessage.AResource:
			address = netip.AddrFrom4(body.A)
		case *dnsmessage.AAAAResource:
			address = netip.AddrFrom16(body.AAAA)
		default:
			continue
		}
		ttl := time.Duration(int32(record.Header.TTL)) * time.Second
		if before, ok := found[address]; !ok || ttl < before {
			found[address] = max(ttl, 0)
		}
	}
	return found, exact
}

// canonical returns a name in lower case, as DNS has it.
func canonical(name dnsmessage.Name) string {
	lower := slices.Clone(name.Data[:name.Length])
	for i, b := range lower {
		if 'A' <= b && b <= 'Z' {
			lower[i] = b + 'a' - 'A'
		}
	}
	return string(lower)
}
