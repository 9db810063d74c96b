package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestFreeSlot(t *testing.T) {
	for _, c := range []struct {
		name  string
		taken []netip.Prefix
		links []string
		want  Slot
	}{
		{name: "nothing in the way", taken: prefixes("192.168.1.5/32", "192.168.1.0/24"), links: []string{"lo", "eth0"}, want: 0},
		{name: "an address in the first", taken: prefixes("10.99.0.1/32"), want: 1},
		{name: "a route over the first four", taken: prefixes("10.99.0.0/22"), want: 4},
		{name: "a gap", taken: prefixes("10.99.0.0/30", "10.99.2.0/30"), want: 1},
		{name: "a link of that name", links: []string{"es0", "es1", "es10"}, want: 2},
		{name: "another part of the same byte", taken: prefixes("10.99.0.4/30"), want: 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := freeSlot(c.taken, c.links)
			if err != nil || got != c.want {
				t.Errorf("freeSlot = %d, %v, want %d", got, err, c.want)
			}
		})
	}
	if _, err := freeSlot(prefixes("10.99.0.0/17"), nil); err == nil || !strings.Contains(err.Error(), "10.99.63.0/30") {
		t.Errorf("freeSlot without a free one = %v", err)
	}
}

func TestSlotAddresses(t *testing.T) {
	s := Slot(63)
	if got := s.HostIP().String(); got != "10.99.63.1" {
		t.Errorf("HostIP = %s", got)
	}
	if got := s.NodeIP().String(); got != "10.99.63.2" {
		t.Errorf("NodeIP = %s", got)
	}
	if got := s.NodeIPv6().String(); got != "fd00:10:99:3f::2" {
		t.Errorf("NodeIPv6 = %s", got)
	}
	if name := s.link(); name != "es63" {
		t.Errorf("link = %s", name)
	}
	// The kernel takes names of up to 15 characters.
	for _, name := range []string{s.link(), LinkName(maxIndex), uplink, services + "-end"} {
		if len(name) > 15 {
			t.Errorf("the name of the link %q is too long", name)
		}
	}
}

func TestParseRoutes(t *testing.T) {
	got, err := parseRoutes([]byte(`[
		{"dst":"default","gateway":"192.0.2.1"},
		{"dst":"10.0.0.0/8","dev":"tun0"},
		{"dst":"10.99.0.0/16","dev":"tun0"},
		{"dst":"10.99.4.0/22","dev":"tun0"},
		{"type":"local","dst":"192.0.2.2","dev":"eth0"}]`))
	if err != nil {
		t.Fatal(err)
	}
	if want := prefixes("10.99.4.0/22", "192.0.2.2/32"); !slices.Equal(got, want) {
		t.Errorf("parseRoutes = %v, want %v", got, want)
	}
	if got, err := parseRoutes([]byte("\n")); err != nil || len(got) != 0 {
		t.Errorf("parseRoutes of nothing = %v, %v", got, err)
	}
	for _, bad := range []string{"{", `[{"dst":"somewhere"}]`} {
		if _, err := parseRoutes([]byte(bad)); err == nil {
			t.Errorf("parseRoutes(%s) has no error", bad)
		}
	}
}

func TestCheckOutside(t *testing.T) {
	for _, ok := range []string{"192.168.50.206", "8.8.8.8", "2001:db8::1", "fd12::1"} {
		if err := CheckOutside(netip.MustParseAddr(ok)); err != nil {
			t.Errorf("CheckOutside(%s) = %v", ok, err)
		}
	}
	for bad, want := range map[string]string{
		"127.0.0.1":        "not a unicast address of a host",
		"0.0.0.0":          "not a unicast address of a host",
		"0.1.2.3":          "not a unicast address of a host",
		"169.254.169.254":  "not a unicast address of a host",
		"224.0.0.1":        "not a unicast address of a host",
		"240.0.0.1":        "not a unicast address of a host",
		"255.255.255.255":  "not a unicast address of a host",
		"::1":              "not a unicast address of a host",
		"fe80::1":          "not a unicast address of a host",
		"ff02::1":          "not a unicast address of a host",
		"::ffff:192.0.2.1": "write it as the IPv4 address 192.0.2.1",
		"2001:db8::1%eth0": "leave out the zone",
		"10.244.1.1":       "the network of pods",
		"fd00:10:244::1":   "the network of pods",
		"10.96.0.10":       "the network of Services",
		"fd00:10:96::1":    "the network of Services",
		"10.99.0.1":        "the network of the node",
		"fd00:10:99::2":    "the network of the node",
	} {
		if err := CheckOutside(netip.MustParseAddr(bad)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckOutside(%s) = %v, want an error with %q", bad, err, want)
		}
	}
}

func TestPodIPs(t *testing.T) {
	ips := PodIPs(maxIndex, true)
	for i, want := range []string{"10.244.254.2", "fd00:10:244:fe::2"} {
		if ips[i].String() != want || !PodCIDRs[i].Contains(ips[i]) {
			t.Errorf("PodIPs[%d] = %s, want %s within %s", i, ips[i], want, PodCIDRs[i])
		}
	}
	if got := PodIPs(1, false); len(got) != 1 || !got[0].Is4() {
		t.Errorf("PodIPs without IPv6 = %v", got)
	}
}

func TestFreeIndex(t *testing.T) {
	if got, err := FreeIndex([]int{1, 3, 2, 5}); err != nil || got != 4 {
		t.Errorf("FreeIndex = %d, %v, want 4", got, err)
	}
	var all []int
	for i := 1; i <= maxIndex; i++ {
		all = append(all, i)
	}
	if _, err := FreeIndex(all); err == nil {
		t.Error("FreeIndex finds an index where none is free")
	}
}

func TestOwns(t *testing.T) {
	n := New("a", nil)
	for _, name := range []string{"extsvc-a-node", "extsvc-a-pod-x", "extsvc-a-out-x-y"} {
		if !n.owns(name) {
			t.Errorf("%s is not taken for the cluster's", name)
		}
	}
	for _, name := range []string{"extsvc-ab-node", "extsvc-a-nodes-node", "extsvc-a-b-node", "extsvc-a-podx", "a-node", "extsvc-a"} {
		if n.owns(name) {
			t.Errorf("%s is taken for the cluster's", name)
		}
	}
}

func TestFailedLine(t *testing.T) {
	lines := []string{"link add a", "link set b up"}
	if got := failedLine(`Cannot find device "b" Command failed -:2`, lines); got != ` ("ip link set b up")` {
		t.Errorf("failedLine = %q", got)
	}
	for _, message := range []string{"", "Command failed -:3", "Command failed -:0"} {
		if got := failedLine(message, lines); got != "" {
			t.Errorf("failedLine(%q) = %q, want nothing", message, got)
		}
	}
}

func TestBatchNamesTheFailedCommand(t *testing.T) {
	if _, err := Tool("ip"); err != nil {
		t.Skip("NOT PROVEN without the program ip: the message of a failed batch")
	}
	err := New("test", []string{"PATH=/usr/sbin:/sbin:/bin"}).batch(t.Context(), "", "link show lo", "link show dev nosuch0")
	if err == nil || !strings.Contains(err.Error(), `"ip link show dev nosuch0"`) || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("batch = %v, want the failed command and the reason", err)
	}
}

func TestMissingTool(t *testing.T) {
	find := func(missing string) func(string) (string, error) {
		return func(name string) (string, error) {
			if name == missing {
				return "", errors.New(name + " not found in PATH")
			}
			return "/sbin/" + name, nil
		}
	}
	o := missingTool(find("nft"))
	if o == nil || o.Why != "nft not found in PATH" || o.Fix != "install nft (Debian package nftables)" {
		t.Errorf("missingTool without nft = %+v", o)
	}
	if o := missingTool(find("ip")); o == nil || !strings.Contains(o.Fix, "iproute2") {
		t.Errorf("missingTool without ip = %+v", o)
	}
	if o := missingTool(find("")); o != nil {
		t.Errorf("missingTool with all = %+v", o)
	}
}

func TestProbe(t *testing.T) {
	o := New("test", []string{"PATH=" + os.Getenv("PATH")}).Probe(t.Context())
	if os.Geteuid() != 0 {
		if o == nil || o.Why != "not root" {
			t.Errorf("Probe without root = %+v", o)
		}
		return
	}
	t.Logf("Probe = %+v", o)
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(links, func(link net.Interface) bool { return strings.HasPrefix(link.Name, probeLink) }) {
		t.Errorf("Probe left a link on the machine: %v", links)
	}
}

func TestOnThreadLeavesTheProcessInItsNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT PROVEN without root: a thread that changes its network namespace changes it for itself alone")
	}
	read := func(path string) string {
		t.Helper()
		namespace, err := os.Readlink(path)
		if err != nil {
			t.Fatal(err)
		}
		return namespace
	}
	before := read("/proc/self/ns/net")
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			err := onThread(func() error {
				if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
					return err
				}
				if namespace, err := os.Readlink("/proc/thread-self/ns/net"); err != nil || namespace == before {
					return fmt.Errorf("the thread is still in %s: %w", namespace, err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for range 32 {
		if after := read("/proc/thread-self/ns/net"); after != before {
			t.Fatalf("another goroutine is in %s, want %s", after, before)
		}
		runtime.Gosched()
	}
	if after := read("/proc/self/ns/net"); after != before {
		t.Errorf("the process is in %s, want %s", after, before)
	}
}

func TestDoNamesTheMissingNamespace(t *testing.T) {
	err := Do("extsvc-no-such-namespace", func() error { return nil })
	if err == nil || !strings.Contains(err.Error(), "extsvc-no-such-namespace") {
		t.Errorf("Do in a namespace that does not exist = %v", err)
	}
}
