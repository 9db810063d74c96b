package cluster

import (
	"net/netip"
	"strings"
	"testing"

	"external-services/tools/cluster/internal/network"
	"external-services/tools/cluster/internal/process"
	"external-services/tools/cluster/internal/state"
)

func TestRemains(t *testing.T) {
	if got := (remains{}); !got.empty() || got.String() != "" {
		t.Errorf("no remains are %q", got)
	}
	r := remains{
		processes: []process.Found{{PID: 1}, {PID: 2}},
		network:   network.Leftovers{Namespaces: []string{"a", "b"}, Links: []string{"es0"}, Folders: []string{"a"}},
		folder:    true,
	}
	want := "2 processes, 2 network namespaces, 1 link, 1 resolver configuration, the state folder"
	if got := r.String(); got != want || r.empty() {
		t.Errorf("the remains are %q, want %q", got, want)
	}
	for _, r := range []remains{
		{processes: r.processes}, {network: network.Leftovers{Links: []string{"es0"}}}, {folder: true},
		{network: network.Leftovers{Namespaces: []string{"a"}}}, {network: network.Leftovers{Folders: []string{"a"}}},
	} {
		if r.empty() {
			t.Errorf("%q counts as nothing", r)
		}
	}
}

func TestCheckDNSName(t *testing.T) {
	for _, name := range []string{"db", "db.corp.example", "1.db.example", "x-1.example"} {
		if err := checkDNSName(name); err != nil {
			t.Errorf("checkDNSName(%q) = %v", name, err)
		}
	}
	for name, want := range map[string]string{
		"":                                "lower-case labels",
		"DB.example":                      "lower-case labels",
		"a..b":                            "lower-case labels",
		"a_b.example":                     "lower-case labels",
		"192.0.2.1":                       "lower-case labels",
		"db.example.":                     "lower-case labels",
		"db.example other":                "lower-case labels",
		strings.Repeat("a.", 127) + "aaa": "lower-case labels",
		"cluster.local":                   "names in cluster.local",
		"x.svc.cluster.local":             "names in cluster.local",
	} {
		if err := checkDNSName(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("checkDNSName(%q) = %v, want an error with %q", name, err, want)
		}
	}
}

func TestCheckConflicts(t *testing.T) {
	ip := netip.MustParseAddr("192.168.50.206")
	r := &state.Record{
		DataPlane: &state.DataPlane{},
		Hosts:     []state.Host{{Name: "db", Kind: state.KindOutside, IPs: []netip.Addr{ip}, DNS: []string{"db.example"}}},
	}
	for want, host := range map[string]state.Host{
		`the name "db" is that of an existing outside host`:            {Name: "db", Kind: state.KindPod},
		`the name "node" is that of the cluster's node`:                {Name: "node"},
		`address "192.168.50.206" is that of the outside host "db"`:    {Name: "other", IPs: []netip.Addr{ip}},
		`DNS name "db.example" is that of the outside host "db"`:       {Name: "other", DNS: []string{"db.example"}},
		`address "2001:db8::1": this machine has no IPv6, use an IPv4`: {Name: "other", IPs: []netip.Addr{netip.MustParseAddr("2001:db8::1")}},
	} {
		if err := checkConflicts(r, host); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("checkConflicts(%+v) = %v, want an error with %q", host, err, want)
		}
	}
	if err := checkConflicts(r, state.Host{Name: "other", IPs: []netip.Addr{netip.MustParseAddr("192.168.50.207")}}); err != nil {
		t.Errorf("checkConflicts of a host of its own = %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://192.0.2.1:3128")
	t.Setenv("PATH", "/usr/bin")
	env := environment("/run/external-services/default")
	want := []string{"PATH=/usr/bin:/usr/sbin:/sbin", "EXTSVC_CLUSTER_DIR=/run/external-services/default"}
	if strings.Join(env, "\n") != strings.Join(want, "\n") {
		t.Errorf("environment = %q, want %q", env, want)
	}
}

func TestPortTaken(t *testing.T) {
	taken := &componentError{name: "kube-apiserver", lines: []string{
		`"command failed" err="failed to create listener: listen tcp 127.0.0.1:6443: bind: address already in use"`,
	}}
	if !portTaken(taken) {
		t.Error("a taken port is not recognised")
	}
	for _, err := range []error{
		&componentError{name: "kube-apiserver", lines: []string{"something else"}},
		&componentError{name: "etcd", lines: taken.lines},
		&ErrDown{"test"},
	} {
		if portTaken(err) {
			t.Errorf("%v is taken for a taken port", err)
		}
	}
}

func TestFreePort(t *testing.T) {
	port, err := freePort(netip.MustParseAddr("127.0.0.1"))
	if err != nil || port == 0 {
		t.Errorf("freePort = %d, %v", port, err)
	}
	if _, err := freePort(netip.MustParseAddr("198.51.100.1")); err == nil {
		t.Error("freePort finds a port at an address of no link")
	}
}

func TestProxyFor(t *testing.T) {
	// The settings are read once per process, so only what no setting can change is looked at here.
	if proxy, err := proxyFor("https://127.0.0.1:6443"); err != nil || proxy != nil {
		t.Errorf("proxyFor = %v, %v: this machine itself is never reached through a proxy", proxy, err)
	}
}
