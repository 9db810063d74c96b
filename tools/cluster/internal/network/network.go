// Package network makes the data plane of a cluster: network namespaces that stand for the node, for pods and for
// hosts outside the cluster, and the links between them.
//
// Every pod and every outside host has one link, to the node, and a default route over it. The node forwards between
// them and has one link to the machine, over which it reaches the API server. It has no default route, so that an
// address that no namespace has is unreachable and no packet leaves the machine. The machine's own routes, firewall
// and kernel parameters are left as they are.
package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The networks of a cluster. They exist only inside its namespaces, so clusters side by side use the same ones.
var (
	PodCIDRs     = []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd00:10:244::/56")}
	ServiceCIDRs = []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16"), netip.MustParsePrefix("fd00:10:96::/112")}
)

// linkCIDRs are the networks of the links between nodes and the machine.
var linkCIDRs = []netip.Prefix{netip.MustParsePrefix("10.99.0.0/16"), netip.MustParsePrefix("fd00:10:99::/48")}

const (
	// uplink is the node's end of the link to the machine.
	uplink = "host0"
	// services is the node's link that the addresses of Services are routed to.
	services = "services"
	// gatewayIPv4 and gatewayIPv6 are the node, as seen by every pod and outside host. Both are link-local, so the
	// same addresses do for every link.
	gatewayIPv4 = "169.254.1.1"
	gatewayIPv6 = "fe80::1"
	// maxIndex is what the third byte of a pod's address allows.
	maxIndex = 254
)

// Network is the data plane of one cluster.
type Network struct {
	cluster string
	env     []string
}

// New returns the network of a cluster, which may not exist yet. env is the environment of the programs that it runs.
func New(cluster string, env []string) *Network { return &Network{cluster: cluster, env: env} }

// prefix starts the name of everything that the cluster has on the machine.
func (n *Network) prefix() string { return "extsvc-" + n.cluster }

// Node is the name of the node's network namespace.
func (n *Network) Node() string { return n.prefix() + "-node" }

// Pod is the name of a pod's network namespace.
func (n *Network) Pod(name string) string { return n.prefix() + "-pod-" + name }

// Outside is the name of an outside host's network namespace.
func (n *Network) Outside(name string) string { return n.prefix() + "-out-" + name }

// PodIPs are the addresses of the pod with that index, the IPv4 one first.
func PodIPs(index int, ipv6 bool) []netip.Addr {
	ips := []netip.Addr{netip.AddrFrom4([4]byte{10, 244, byte(index), 2})}
	if ipv6 {
		ips = append(ips, netip.MustParseAddr(fmt.Sprintf("fd00:10:244:%x::2", index)))
	}
	return ips
}

// FreeIndex returns the smallest index that is not among the used ones.
func FreeIndex(used []int) (int, error) {
	taken := make(map[int]bool, len(used))
	for _, i := range used {
		taken[i] = true
	}
	for i := 1; i <= maxIndex; i++ {
		if !taken[i] {
			return i, nil
		}
	}
	return 0, fmt.Errorf("the cluster has %d pods and outside hosts, which is all that it can have", maxIndex)
}

// CheckOutside says whether an outside host can have the address: it must be one that real hosts have, and none that
// the cluster uses itself.
func CheckOutside(ip netip.Addr) error {
	switch {
	case ip.Is4In6():
		return fmt.Errorf("address %q: write it as the IPv4 address %s", ip, ip.Unmap())
	case ip.Zone() != "":
		return fmt.Errorf("address %q: leave out the zone %q", ip, ip.Zone())
	case !ip.IsGlobalUnicast(), ip.Is4() && ip.As4()[0] >= 240, ip.Is4() && ip.As4()[0] == 0:
		return fmt.Errorf("address %q is not a unicast address of a host: use one such as 192.168.50.206", ip)
	}
	for what, cidrs := range map[string][]netip.Prefix{"pods": PodCIDRs, "Services": ServiceCIDRs, "the node": linkCIDRs} {
		for _, cidr := range cidrs {
			if cidr.Contains(ip) {
				return fmt.Errorf("address %q: %s is the network of %s, use an address outside of it", ip, cidr, what)
			}
		}
	}
	return nil
}

// SetUp makes the node and its link to the machine, and returns the slot that the link took. The lock on slots, which
// all clusters of the machine share, must be held.
func (n *Network) SetUp(ctx context.Context, ipv6 bool) (Slot, error) {
	taken, err := n.takenPrefixes(ctx)
	if err != nil {
		return 0, err
	}
	_, links, err := hostLinks(n.prefix())
	if err != nil {
		return 0, err
	}
	slot, err := freeSlot(taken, links)
	if err != nil {
		return 0, err
	}
	if err := n.setUp(ctx, slot, ipv6); err != nil {
		return 0, fmt.Errorf("set up the node's network: %w", err)
	}
	return slot, nil
}

func (n *Network) setUp(ctx context.Context, slot Slot, ipv6 bool) error {
	node, link := n.Node(), slot.link()
	// The kernel tells a host at most once a second that what it wants is unreachable. A test that tries more often
	// would take the silence for a time-out.
	parameters := []sysctl{{"ipv4/ip_forward", "1"}, {"ipv4/icmp_ratelimit", "0"}}
	if ipv6 {
		parameters = append(parameters, sysctl{"ipv6/conf/all/forwarding", "1"}, sysctl{"ipv6/icmp/ratelimit", "0"})
	}
	if err := n.addNamespace(ctx, node, ipv6, parameters...); err != nil {
		return err
	}

	lines := []string{
		"link add " + uplink + " type veth peer name " + link,
		"link set " + uplink + " addrgenmode none",
		fmt.Sprintf("address add %s/30 dev %s", slot.NodeIP(), uplink),
		"link set " + uplink + " up",
		// A connection to a Service that the node itself makes needs a route before kube-proxy's rules can send it
		// elsewhere or refuse it. This one leads nowhere. It is not the loopback link, on which refusals get lost.
		"link add " + services + " type veth peer name " + services + "-end",
		"link set " + services + " addrgenmode none up",
		"link set " + services + "-end addrgenmode none up",
		fmt.Sprintf("route add %s dev %s src %s", ServiceCIDRs[0], services, slot.NodeIP()),
	}
	if ipv6 {
		lines = append(lines,
			fmt.Sprintf("address add %s/128 dev lo nodad", slot.NodeIPv6()),
			fmt.Sprintf("route add %s dev %s src %s", ServiceCIDRs[1], services, slot.NodeIPv6()))
	}
	// The link gets the alias that TearDown knows it by before it comes to the machine, which is the last thing to
	// happen here: up to then it is in the namespace and goes with it.
	lines = append(lines,
		fmt.Sprintf("link set %s alias %s", link, n.prefix()),
		fmt.Sprintf("link set %s netns %d", link, os.Getpid()))
	if err := n.batch(ctx, node, lines...); err != nil {
		return err
	}
	if err := n.batch(ctx, "",
		fmt.Sprintf("link set %s addrgenmode none", link),
		fmt.Sprintf("address add %s/30 dev %s", slot.HostIP(), link),
		fmt.Sprintf("link set %s up", link),
	); err != nil {
		return err
	}

	// The machine has no route to pods and would answer them over its default route. So what they send to the API
	// server leaves the node under the node's own address.
	cmd, err := n.tool(ctx, "ip", "netns", "exec", node, "nft", "-f", "-")
	if err != nil {
		return err
	}
	cmd.Stdin = strings.NewReader(`table ip extsvc {
	chain uplink {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "` + uplink + `" masquerade
	}
}
`)
	return run(cmd)
}

// Host is a pod or an outside host to add.
type Host struct {
	// Namespace is the network namespace to make.
	Namespace string
	// Link is the node's end of its link.
	Link string
	// IPs are its addresses, of either family.
	IPs []netip.Addr
	// ResolvConf is what it reads as /etc/resolv.conf.
	ResolvConf string
}

// LinkName is the name of the node's end of the link to the host with that index.
func LinkName(index int) string { return fmt.Sprintf("to%d", index) }

// AddHost makes a namespace for a pod or an outside host, and links it to the node. What an earlier call that was
// killed left of it is removed first.
func (n *Network) AddHost(ctx context.Context, h Host, slot Slot, ipv6 bool) error {
	if err := n.RemoveHost(ctx, h); err != nil {
		return err
	}
	if err := n.WriteResolvConf(h.Namespace, h.ResolvConf); err != nil {
		return err
	}
	if err := n.addNamespace(ctx, h.Namespace, ipv6); err != nil {
		return err
	}

	node := []string{
		fmt.Sprintf("link add %s type veth peer name eth0 netns %s", h.Link, h.Namespace),
		fmt.Sprintf("link set %s addrgenmode none", h.Link),
		fmt.Sprintf("address add %s/32 dev %s scope link", gatewayIPv4, h.Link),
	}
	if ipv6 {
		node = append(node, fmt.Sprintf("address add %s/64 dev %s nodad", gatewayIPv6, h.Link))
	}
	node = append(node, fmt.Sprintf("link set %s up", h.Link))
	host := []string{"link set eth0 up"}
	var has4, has6 bool
	for _, ip := range h.IPs {
		// The node speaks to its hosts under its own address, not under the link-local one of the gateway.
		if ip.Is4() {
			has4 = true
			node = append(node, fmt.Sprintf("route add %s/32 dev %s src %s", ip, h.Link, slot.NodeIP()))
			host = append(host, fmt.Sprintf("address add %s/32 dev eth0", ip))
		} else {
			has6 = true
			node = append(node, fmt.Sprintf("route add %s/128 dev %s src %s", ip, h.Link, slot.NodeIPv6()))
			host = append(host, fmt.Sprintf("address add %s/128 dev eth0 nodad", ip))
		}
	}
	if has4 {
		host = append(host,
			fmt.Sprintf("route add %s dev eth0 scope link", gatewayIPv4),
			fmt.Sprintf("route add default via %s dev eth0", gatewayIPv4))
	}
	if has6 {
		host = append(host, fmt.Sprintf("route add default via %s dev eth0", gatewayIPv6))
	}
	if err := n.batch(ctx, n.Node(), node...); err != nil {
		return err
	}
	return n.batch(ctx, h.Namespace, host...)
}

// WriteResolvConf sets what commands in a namespace of the cluster read as /etc/resolv.conf.
func (n *Network) WriteResolvConf(ns, content string) error {
	dir := filepath.Join(etcDir, ns)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder for the files of %s: %w", ns, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "resolv.conf"), []byte(content), 0o644); err != nil {
		return fmt.Errorf("write the resolv.conf of %s: %w", ns, err)
	}
	return nil
}

// RemoveHost removes what there is of a pod or an outside host, which may be nothing.
func (n *Network) RemoveHost(ctx context.Context, h Host) error {
	// The kernel takes the links of a namespace away some time after its name. The link's name must be free at once.
	var links []net.Interface
	err := Do(n.Node(), func() (err error) {
		links, err = net.Interfaces()
		return err
	})
	if err != nil {
		return fmt.Errorf("list the links of the node: %w", err)
	}
	if slices.ContainsFunc(links, func(l net.Interface) bool { return l.Name == h.Link }) {
		if err := n.ip(ctx, "-netns", n.Node(), "link", "delete", h.Link); err != nil {
			return err
		}
	}
	found, err := entries(namespaceDir, func(name string) bool { return name == h.Namespace })
	if err != nil {
		return err
	}
	if len(found) > 0 {
		if err := n.ip(ctx, "netns", "delete", h.Namespace); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(filepath.Join(etcDir, h.Namespace)); err != nil {
		return fmt.Errorf("remove the files of %s: %w", h.Namespace, err)
	}
	return nil
}

// addNamespace makes a network namespace and sets kernel parameters in it.
func (n *Network) addNamespace(ctx context.Context, ns string, ipv6 bool, parameters ...sysctl) error {
	if err := n.ip(ctx, "netns", "add", ns); err != nil {
		return err
	}
	if ipv6 {
		// A new address would be of no use for a second while the kernel looks for a duplicate, and whether IPv6 is on
		// in a new namespace depends on the machine.
		for _, name := range []string{"all/disable_ipv6", "default/disable_ipv6", "all/accept_dad", "default/accept_dad"} {
			parameters = append(parameters, sysctl{"ipv6/conf/" + name, "0"})
		}
	}
	err := Do(ns, func() error {
		for _, p := range parameters {
			if err := p.set(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("set up %s: %w", ns, err)
	}
	return n.ip(ctx, "-netns", ns, "link", "set", "lo", "up")
}

// Leftovers is what a cluster has on the machine, by name.
type Leftovers struct {
	// Namespaces are network namespaces.
	Namespaces []string
	// Links are links of the machine itself.
	Links []string
	// Folders are those of namespaces that have files of their own in place of those in /etc.
	Folders []string
}

// Empty reports whether there is nothing.
func (l Leftovers) Empty() bool { return len(l.Namespaces)+len(l.Links)+len(l.Folders) == 0 }

// Find returns what the cluster has on the machine, whether or not anything is recorded about it.
func (n *Network) Find() (Leftovers, error) {
	if os.Geteuid() != 0 {
		// Only root's clusters have a network. What is there is that of root's cluster of the same name.
		return Leftovers{}, nil
	}
	links, _, err := hostLinks(n.prefix())
	if err != nil {
		return Leftovers{}, err
	}
	namespaces, err := entries(namespaceDir, n.owns)
	if err != nil {
		return Leftovers{}, err
	}
	folders, err := entries(etcDir, n.owns)
	return Leftovers{Namespaces: namespaces, Links: links, Folders: folders}, err
}

// owns reports whether a namespace of that name is the cluster's. The names of clusters keep the words for the kinds
// out, so it cannot be that of a cluster whose name starts like this one's.
func (n *Network) owns(namespace string) bool {
	return namespace == n.Node() ||
		strings.HasPrefix(namespace, n.Pod("")) || strings.HasPrefix(namespace, n.Outside(""))
}

// TearDown removes what Find finds. Processes in the namespaces must have ended.
func (n *Network) TearDown(ctx context.Context) (Leftovers, error) {
	l, err := n.Find()
	if err != nil {
		return l, err
	}
	for _, link := range l.Links {
		// The link of a namespace that is just going away may go with it, before we come to it.
		if err := n.ip(ctx, "link", "delete", link); err != nil && !gone(link) {
			return l, err
		}
	}
	for _, ns := range l.Namespaces {
		if err := n.ip(ctx, "netns", "delete", ns); err != nil {
			return l, err
		}
	}
	for _, name := range l.Folders {
		if err := os.RemoveAll(filepath.Join(etcDir, name)); err != nil {
			return l, fmt.Errorf("remove the files of a network namespace: %w", err)
		}
	}
	if len(l.Folders) == 0 {
		return l, nil
	}
	// The folder above means nothing when it is empty, and AddHost may have made it.
	err = os.Remove(etcDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
		return l, fmt.Errorf("remove the empty folder of network namespaces: %w", err)
	}
	return l, nil
}

// gone reports whether the machine has no link of that name.
func gone(link string) bool {
	_, err := os.Lstat(filepath.Join("/sys/class/net", link))
	return errors.Is(err, fs.ErrNotExist)
}
