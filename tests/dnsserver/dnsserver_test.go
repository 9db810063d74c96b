package dnsserver_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"external-services/tests/dnsserver"
)

// start starts a server for a test.
func start(t *testing.T) *dnsserver.Server {
	t.Helper()
	server, err := dnsserver.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// ask returns what a server says of a name: the RCODE and the data of the records.
func ask(t *testing.T, server *dnsserver.Server, network, name string, qtype uint16) string {
	t.Helper()
	client := dns.Client{Net: network, Timeout: time.Minute}
	reply, _, err := client.Exchange(new(dns.Msg).SetQuestion(name, qtype), server.Addr())
	if err != nil {
		t.Error(err)
		return ""
	}
	said := []string{dns.RcodeToString[reply.Rcode]}
	for _, record := range reply.Answer {
		said = append(said, strings.TrimPrefix(record.String(), record.Header().String()))
	}
	return strings.Join(said, " ")
}

func TestScript(t *testing.T) {
	server := start(t)
	server.Set("db.corp.example", dnsserver.A("10.0.0.1"))
	server.Set("*.corp.example", dnsserver.A("10.0.0.2"), dnsserver.AAAA("2001:db8::2"))
	server.Set("*.b.corp.example", dnsserver.CNAME("DB.corp.example"))
	server.Set("rotating.example", dnsserver.A("10.0.0.1", "10.0.0.2", "10.0.0.3").Rotate(2))
	check := func(name string, qtype uint16, want string) {
		t.Helper()
		for _, network := range []string{"udp", "tcp"} {
			if got := ask(t, server, network, name, qtype); got != want {
				t.Errorf("over %s %s is %q, want %q", network, name, got, want)
			}
		}
	}
	check("db.corp.example.", dns.TypeA, "NOERROR 10.0.0.1")
	check("DB.corp.Example.", dns.TypeA, "NOERROR 10.0.0.1")
	check("db.corp.example.", dns.TypeAAAA, "NOERROR")
	check("a.corp.example.", dns.TypeAAAA, "NOERROR 2001:db8::2")
	check("x.b.corp.example.", dns.TypeA, "NOERROR db.corp.example. 10.0.0.1")
	check("corp.example.", dns.TypeA, "NXDOMAIN")

	server.Fail("db.corp.example", dnsserver.ServFail, dns.TypeA)
	check("db.corp.example.", dns.TypeA, "SERVFAIL")
	check("db.corp.example.", dns.TypeAAAA, "NOERROR")
	check("x.b.corp.example.", dns.TypeA, "SERVFAIL db.corp.example.")
	server.Fail("db.corp.example", dnsserver.Refused, dns.TypeAAAA)
	check("db.corp.example.", dns.TypeA, "SERVFAIL")
	check("db.corp.example.", dns.TypeAAAA, "REFUSED")
	server.Fail("rotating.example", dnsserver.ServFail)
	server.Heal("db.corp.example")
	check("db.corp.example.", dns.TypeA, "NOERROR 10.0.0.1")
	check("rotating.example.", dns.TypeA, "SERVFAIL")
	server.Heal("rotating.example")
	server.Fail("*.corp.example", dnsserver.NXDomain)
	check("db.corp.example.", dns.TypeA, "NXDOMAIN")
	server.Fail("db.corp.example", dnsserver.NoData)
	check("db.corp.example.", dns.TypeA, "NOERROR")
	server.Set("*.corp.example", dnsserver.A("10.0.0.3"))
	server.Set("db.corp.example", dnsserver.A("10.0.0.4"))
	check("db.corp.example.", dns.TypeA, "NOERROR 10.0.0.4")
	server.Set("db.corp.example")
	check("db.corp.example.", dns.TypeA, "NOERROR 10.0.0.3")

	var rotation []string
	for range 3 {
		rotation = append(rotation, ask(t, server, "udp", "rotating.example.", dns.TypeA))
	}
	want := []string{"NOERROR 10.0.0.1 10.0.0.2", "NOERROR 10.0.0.3 10.0.0.1", "NOERROR 10.0.0.2 10.0.0.3"}
	if !slices.Equal(rotation, want) {
		t.Errorf("the answers are %q, want %q", rotation, want)
	}
}

// Records that several names share have in an answer the name that they are for.
func TestOwners(t *testing.T) {
	server := start(t)
	shared := dnsserver.A("10.0.0.1")
	server.Set("a.example", shared, dnsserver.CNAME("b.example"))
	server.Set("b.example", shared)
	client := dns.Client{Timeout: time.Minute}
	reply, _, err := client.Exchange(new(dns.Msg).SetQuestion("a.example.", dns.TypeA), server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	var owners []string
	for _, record := range reply.Answer {
		owners = append(owners, record.Header().Name)
	}
	if want := []string{"a.example.", "a.example.", "b.example."}; !slices.Equal(owners, want) {
		t.Errorf("the records are of %q, want %q", owners, want)
	}
}

// Questions are counted by name and type, and changes are kept with their time.
func TestRecord(t *testing.T) {
	server := start(t)
	before := time.Now()
	server.Set("DB.example", dnsserver.A("10.0.0.1"))
	server.Fail("db.example.", dnsserver.ServFail)
	server.Heal("db.example")
	for range 3 {
		ask(t, server, "udp", "Db.example.", dns.TypeA)
	}
	ask(t, server, "tcp", "db.example.", dns.TypeA)
	ask(t, server, "udp", "db.example.", dns.TypeAAAA)
	a, aaaa := server.Questions("db.EXAMPLE", dns.TypeA), server.Questions("db.example.", dns.TypeAAAA)
	if a != 4 || aaaa != 1 {
		t.Errorf("%d questions for A and %d for AAAA", a, aaaa)
	}
	changes := server.Changes()
	if len(changes) != 3 {
		t.Fatalf("the changes are %v", changes)
	}
	for _, change := range changes {
		if change.Name != "db.example." || change.Time.Before(before) || change.Time.After(time.Now()) {
			t.Errorf("a change is %v", change)
		}
		before = change.Time
	}
}

// An answer has the addresses from before a change or those after it, never some of both.
func TestChangesAreAtomic(t *testing.T) {
	server := start(t)
	set := func(subnet int) {
		server.Set("db.example", dnsserver.A(fmt.Sprintf("10.0.%d.1", subnet), fmt.Sprintf("10.0.%d.2", subnet)))
	}
	set(0)
	var changing sync.WaitGroup
	stop := make(chan struct{})
	changing.Go(func() {
		for subnet := 0; ; subnet++ {
			select {
			case <-stop:
				return
			default:
				set(subnet % 256)
			}
		}
	})
	for range 200 {
		var one, two int
		answer := ask(t, server, "udp", "db.example.", dns.TypeA)
		if _, err := fmt.Sscanf(answer, "NOERROR 10.0.%d.1 10.0.%d.2", &one, &two); err != nil || one != two {
			t.Errorf("the answer is %q, %v", answer, err)
		}
	}
	close(stop)
	changing.Wait()
}

// Close gives the port back, for UDP and TCP.
func TestClose(t *testing.T) {
	server, err := dnsserver.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dnsserver.Start(server.Addr()); err == nil {
		t.Error("a second server on the same port")
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	again, err := dnsserver.Start(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
