package main

import (
	"path/filepath"
	"strings"
	"testing"

	"external-services/tests/dnsserver"
)

func TestResolve(t *testing.T) {
	server, err := dnsserver.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	server.Set("db.corp.example", dnsserver.A("10.0.4.11", "10.0.4.12"))
	dir := t.TempDir()
	base, prod := filepath.Join(dir, "base.yaml"), filepath.Join(dir, "prod.yaml")
	write(t, base, "services: [{name: orders, addresses: [test.corp.example], ports: [{port: 3306, targetPort: 3307}]}]")
	write(t, prod, "overrides: {orders: {addresses: [db.corp.example]}}")

	_, stderr, err := run(t, "resolve", "--nameserver", server.Addr(), "-f", base, "-f", prod)
	if want := `services[0] "orders": `; exitStatus(err) != 2 || !strings.Contains(stderr, want) || !strings.Contains(stderr, "test.corp.example") {
		t.Errorf("a name that does not exist: %v, %s", err, stderr)
	}
	server.Set("test.corp.example", dnsserver.A("10.0.5.1"))
	stdout, stderr, err := run(t, "resolve", "--nameserver", server.Addr(), "-f", base, "-f", prod)
	if err != nil {
		t.Fatal(err, stderr)
	}
	resolved := filepath.Join(dir, "resolved.yaml")
	write(t, resolved, stdout)
	stdout, stderr, err = run(t, "template", "-f", resolved)
	if err != nil || !strings.Contains(stdout, "10.0.4.11") || !strings.Contains(stdout, "10.0.4.12") || strings.Contains(stdout, "10.0.5.1") {
		t.Errorf("%v %s\n%s", err, stderr, stdout)
	}
}
