package cli

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"external-services/tools/cluster/internal/cluster"
	"external-services/tools/cluster/internal/state"
)

// unused is the name of a cluster that nobody starts.
const unused = "never-started"

func run(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = Main(args, &out, &err)
	return code, out.String(), err.String()
}

func TestUsageErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"nosuch"}, 1, `unknown command "nosuch"`},
		{[]string{"up", "extra"}, 1, `unknown command "extra" for "cluster up"`},
		{[]string{"up", "--name", "Bad"}, 1, `cluster name "Bad": use lower-case letters`},
		{[]string{"up", "--name", unused, "--data-plane", "maybe"}, 1, `data plane "maybe": use one of ["auto" "on" "off"]`},
		{[]string{"status", "-o", "yaml"}, 1, `output "yaml": use text or json`},
		{[]string{"add-pod", "--name", unused}, 1, "accepts 1 arg(s), received 0"},
		{[]string{"add-pod", "a", "--name", unused}, 1, `cluster "never-started" is not up: start it by`},
		{[]string{"add-pod", "A", "--name", unused}, 1, `name "A": use lower-case letters`},
		{[]string{"add-pod", "a", "--namespace", "x.y", "--name", unused}, 1, `namespace "x.y": use lower-case letters`},
		{[]string{"add-pod", "a", "--label", "app", "--name", unused}, 1, `--label "app": use KEY=VALUE such as app=orders`},
		{[]string{"add-pod", "a", "--label", "=x", "--name", unused}, 1, `--label "=x": use KEY=VALUE`},
		{[]string{"add-pod", "a", "--label", "x=1", "--label", "x=2", "--name", unused}, 1, `label "x" is named twice`},
		{[]string{"add-pod", "a", "--label", "x=", "--port", "http", "--name", unused}, 1, `--port "http": use NAME=NUMBER such as http=8080`},
		{[]string{"add-pod", "a", "--label", "x=", "--port", "http=0", "--name", unused}, 1, `--port "http=0": use NAME=NUMBER`},
		{[]string{"add-pod", "a", "--label", "x=", "--port", "http=65536", "--name", unused}, 1, `--port "http=65536": use NAME=NUMBER`},
		{[]string{"add-pod", "a", "--label", "x=", "--port", "=80", "--name", unused}, 1, `--port "=80": use NAME=NUMBER`},
		{[]string{"add-pod", "a", "--port", "http=80", "--name", unused}, 1, "only a pod with labels has ports: add --label"},
		{[]string{"add-pod", "a", "--label", "x=", "--port", "http=80", "--name", unused}, 1, "is not up"},
		{[]string{"set-pod", "a", "--name", unused}, 1, "nothing to set: add --ready=true or --ready=false"},
		{[]string{"set-pod", "a", "--ready", "--name", unused}, 1, "is not up"},
		{[]string{"remove-pod", "a", "--name", unused}, 1, "is not up"},
		{[]string{"restart", "--name", unused}, 1, "accepts 1 arg(s), received 0"},
		{[]string{"restart", "etcd", "--name", unused}, 1, "is not up"},
		{[]string{"restart", "etcd", "--down", "-1s", "--name", unused}, 1, "--down -1s: use a time of 0s or more"},
		{[]string{"add-outside", "a", "--name", unused}, 1, "an outside host needs an address: add --ip"},
		{[]string{"add-outside", "a", "--ip", "1.2.3", "--name", unused}, 1, `--ip "1.2.3": use an IP address such as`},
		{[]string{"add-outside", "a", "--ip", "127.0.0.1", "--name", unused}, 1, `address "127.0.0.1" is not a unicast address of a host`},
		{[]string{"add-outside", "a", "--ip", "192.0.2.1", "--ip", "192.0.2.1", "--name", unused}, 1, `address "192.0.2.1" is named twice`},
		{[]string{"add-outside", "a", "--ip", "192.0.2.1", "--dns", "X", "--name", unused}, 1, `DNS name "X": use lower-case labels`},
		{[]string{"add-outside", "a", "--ip", "192.0.2.1", "--dns", "x", "--dns", "x", "--name", unused}, 1, `DNS name "x" is named twice`},
		{[]string{"exec", "--name", unused, "a", "--"}, 125, "name a host and a command: cluster exec NAME -- COMMAND"},
		{[]string{"exec", "--name", unused, "a", "--", "true", "-x"}, 125, "is not up"},
		{[]string{"kubeconfig", "--name", unused}, 1, "start it by `cluster up --name never-started`"},
		{[]string{"build", "--source", "/etc"}, 1, `--source "/etc": no folder with tools/cluster/go.mod in it`},
	} {
		code, _, stderr := run(c.args...)
		if code != c.code || !strings.Contains(stderr, c.want) || !strings.HasPrefix(stderr, "error: ") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("cluster %q: exit code %d, %q, want %d and one line with %q", c.args, code, stderr, c.code, c.want)
		}
	}
}

func TestStatusOfAClusterThatIsDown(t *testing.T) {
	code, stdout, stderr := run("status", "--name", unused)
	if code != 1 || stdout != "cluster \"never-started\": down, it was not started\n" || stderr != "" {
		t.Errorf("status: exit code %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, _ = run("status", "--name", unused, "-o", "json")
	var got map[string]any
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if code != 1 || got["state"] != "down" || got["healthy"] != false {
		t.Errorf("status -o json: exit code %d, %v", code, got)
	}
	for _, list := range []string{"components", "hosts", "leftOut"} {
		if _, ok := got[list].([]any); !ok {
			t.Errorf("%s is %v, want a list", list, got[list])
		}
	}
}

func TestDownOfAClusterThatIsDown(t *testing.T) {
	code, stdout, stderr := run("down", "--name", unused)
	if code != 0 || stdout != "nothing to do: cluster \"never-started\" is not up\n" || stderr != "" {
		t.Errorf("down: exit code %d, %q, %q", code, stdout, stderr)
	}
	if code, stdout, _ := run("down", "--name", unused, "-q"); code != 0 || stdout != "" {
		t.Errorf("down -q: exit code %d, %q", code, stdout)
	}
}

func TestStatusText(t *testing.T) {
	var out bytes.Buffer
	err := writeText(&out, &cluster.Status{
		Name: "test", State: "up", Problem: "etcd: not running", Server: "https://10.99.0.1:6443",
		Versions:   map[string]string{"kubernetes": "v1.37.2"},
		LeftOut:    []state.LeftOut{{What: "IPv6", Effect: "IPv4 only", Why: "the kernel has none", Fix: "another kernel"}},
		Components: []cluster.ComponentStatus{{Name: "etcd", Version: "v3.7.2", PID: 42, Problem: "not running"}},
		Hosts: []cluster.HostStatus{
			{Name: "node", Kind: "node", IPs: []netip.Addr{netip.MustParseAddr("10.99.0.2")}},
			{Name: "db", Kind: "outside", IPs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, DNS: []string{"db.example"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `cluster "test": up, etcd: not running
kubernetes  v1.37.2
server      https://10.99.0.1:6443
left out    IPv6: the kernel has none (IPv4 only); to have it: another kernel

COMPONENT  VERSION  PID  HEALTH
etcd       v3.7.2   42   not running

HOST  KIND     ADDRESSES              NAMESPACE  DNS
node  node     10.99.0.2              -          -
db    outside  192.0.2.1,2001:db8::1  -          db.example
`
	if out.String() != want {
		t.Errorf("the text is\n%s\nwant\n%s", out.String(), want)
	}
}

// TestEveryCommandIsDescribed keeps the help complete.
func TestEveryCommandIsDescribed(t *testing.T) {
	for _, c := range newRoot(nil, nil).Commands() {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("cluster %s is described by %q", c.Name(), c.Short)
		}
		code, stdout, _ := run(c.Name(), "--help")
		if code != 0 || !strings.Contains(stdout, "Usage:\n  cluster "+c.Name()) {
			t.Errorf("cluster %s --help: exit code %d, %q", c.Name(), code, stdout)
		}
	}
}
