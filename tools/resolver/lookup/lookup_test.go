package lookup

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"external-services/tests/dnsserver"
)

// startServer starts a DNS server for a test.
func startServer(t testing.TB) *dnsserver.Server {
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

func TestLookup(t *testing.T) {
	server := startServer(t)
	server.Set("db.corp.example", dnsserver.A("10.0.0.2", "10.0.0.1").TTL(5*time.Second))
	client := &Client{Servers: []string{server.Addr()}}
	answer, err := client.Lookup(t.Context(), "db.corp.example", corev1.IPv4Protocol)
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}
	if !slices.Equal(answer.Addresses, want) || answer.TTL != 5*time.Second {
		t.Errorf("the answer is %v for %s", answer.Addresses, answer.TTL)
	}
}
