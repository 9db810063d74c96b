package dataplane

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"external-services/tools/cluster/internal/state"
)

func TestFormatHosts(t *testing.T) {
	got := string(formatHosts([]state.Host{
		{Name: "app", Kind: state.KindPod, IPs: []netip.Addr{netip.MustParseAddr("10.244.1.2")}},
		{Name: "db", Kind: state.KindOutside, DNS: []string{"db.corp.example", "mysql.corp.example"}, IPs: []netip.Addr{
			netip.MustParseAddr("192.168.50.206"), netip.MustParseAddr("2001:db8::206"),
		}},
		{Name: "nameless", Kind: state.KindOutside, IPs: []netip.Addr{netip.MustParseAddr("192.168.50.207")}},
	}))
	_, entries, _ := strings.Cut(got, "\n")
	if want := "192.168.50.206 db.corp.example mysql.corp.example\n2001:db8::206 db.corp.example mysql.corp.example\n"; entries != want {
		t.Errorf("the entries are\n%swant\n%s", entries, want)
	}
}

func TestWriteHostsReplacesTheFile(t *testing.T) {
	dir := newDir(t)
	for _, ip := range []string{"192.0.2.1", "192.0.2.2"} {
		err := WriteHosts(dir, []state.Host{{DNS: []string{"a.example"}, IPs: []netip.Addr{netip.MustParseAddr(ip)}}})
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(hostsFile(dir))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(string(data), "\n"+ip+" a.example\n") || strings.Count(string(data), "a.example") != 1 {
			t.Errorf("the file is\n%s", data)
		}
	}
}

func TestWriteDNSNamesFilesThatExist(t *testing.T) {
	dir := newDir(t)
	if err := WriteDNS(dir, "test", map[string]string{"corp.example": "10.0.9.53"}); err != nil {
		t.Fatal(err)
	}
	corefile, err := os.ReadFile(filepath.Join(dir.DNS(), "Corefile"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(corefile)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "hosts" && fields[0] != "file" {
			continue
		}
		if _, err := os.Stat(fields[1]); err != nil {
			t.Errorf("the Corefile names a file that is not there: %v", err)
		}
	}
	if want := "kubeconfig " + dir.ComponentKubeconfig(CoreDNS) + " extsvc-test\n"; !strings.Contains(string(corefile), want) {
		t.Errorf("the Corefile has no %q:\n%s", want, corefile)
	}
	if want := "corp.example:53 {\n    errors\n    cache 30\n    forward . 10.0.9.53\n}\n"; !strings.HasSuffix(string(corefile), want) {
		t.Errorf("the Corefile does not end with %q:\n%s", want, corefile)
	}
}

func TestPodResolvConf(t *testing.T) {
	want := "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
	if got := PodResolvConf("shop"); got != want {
		t.Errorf("PodResolvConf = %q, want %q", got, want)
	}
}

func newDir(t *testing.T) state.Dir {
	t.Helper()
	dir := state.Dir(filepath.Join(t.TempDir(), "test"))
	if err := dir.Create(); err != nil {
		t.Fatal(err)
	}
	return dir
}
