package lookup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestServers(t *testing.T) {
	for title, c := range map[string]struct {
		text string
		want []string
		err  string
	}{
		"of a pod": {
			"search shop.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
			[]string{"10.96.0.10:53"}, "",
		},
		"both families": {
			"# two\nnameserver 10.0.0.1 # one\nnameserver fd00::10\nnameserver fe80::1%eth0",
			[]string{"10.0.0.1:53", "[fd00::10]:53", "[fe80::1%eth0]:53"}, "",
		},
		"none":           {"search corp.example\nnameserver\n", nil, "no nameserver in "},
		"not IP address": {"nameserver 10.0.0.1\nnameserver dns.corp.example\n", nil, `nameserver "dns.corp.example" in `},
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		servers, err := Servers(path)
		asExpected := err == nil && c.err == "" || err != nil && c.err != "" && strings.Contains(err.Error(), c.err+path)
		if !slices.Equal(servers, c.want) || !asExpected {
			t.Errorf("%s: %q, %v, want %q, %q", title, servers, err, c.want, c.err)
		}
	}
	if servers, err := Servers(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %q, %v", servers, err)
	}
}
