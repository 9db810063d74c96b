package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// slots is how many clusters can have a data plane on one machine at the same time.
const slots = 64

// broadRoute is the longest prefix of a route that is no obstacle: a route to a network as wide as this, such as that
// of a VPN to 10.0.0.0/8, is about that network as a whole and hardly about the four addresses of a slot.
const broadRoute = 16

// Slot tells apart the links that join clusters to the machine: its number is part of the addresses and of the name.
type Slot int

// link is the name of the machine's end of the link.
func (s Slot) link() string { return "es" + strconv.Itoa(int(s)) }

// HostIP is the machine's end of the link, where the API server listens.
func (s Slot) HostIP() netip.Addr { return netip.AddrFrom4([4]byte{10, 99, byte(s), 1}) }

// NodeIP is the node's end of the link.
func (s Slot) NodeIP() netip.Addr { return netip.AddrFrom4([4]byte{10, 99, byte(s), 2}) }

// NodeIPv6 is the node's IPv6 address. It is inside the node's namespace only: the machine has no IPv6 route to it.
func (s Slot) NodeIPv6() netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("fd00:10:99:%x::2", int(s)))
}

// prefix is the network of the link.
func (s Slot) prefix() netip.Prefix { return netip.PrefixFrom(s.HostIP(), 30).Masked() }

// freeSlot returns the first slot that no address, route or link of the machine stands in the way of.
func freeSlot(taken []netip.Prefix, links []string) (Slot, error) {
	used := make(map[string]bool, len(links))
	for _, link := range links {
		used[link] = true
	}
candidates:
	for s := range Slot(slots) {
		if used[s.link()] {
			continue
		}
		for _, p := range taken {
			if p.Overlaps(s.prefix()) {
				continue candidates
			}
		}
		return s, nil
	}
	return 0, fmt.Errorf("no free network between %s and %s for the link to the node: take clusters down, or free one of these networks",
		Slot(0).prefix(), Slot(slots-1).prefix())
}

// takenPrefixes returns the IPv4 networks that the machine uses itself.
func (n *Network) takenPrefixes(ctx context.Context) ([]netip.Prefix, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the addresses of the machine: %w", err)
	}
	var taken []netip.Prefix
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Addr().Is4() {
			taken = append(taken, netip.PrefixFrom(p.Addr(), 32))
		}
	}

	cmd, err := n.tool(ctx, "ip", "-4", "-json", "route", "show", "table", "all")
	if err != nil {
		return nil, err
	}
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the routes of the machine: %w", err)
	}
	routes, err := parseRoutes(output)
	return append(taken, routes...), err
}

// parseRoutes takes the destinations out of what `ip -json route` prints, but for those of broad routes.
func parseRoutes(output []byte) ([]netip.Prefix, error) {
	if strings.TrimSpace(string(output)) == "" {
		return nil, nil // what old versions print when there is no route
	}
	var routes []struct{ Dst string }
	if err := json.Unmarshal(output, &routes); err != nil {
		return nil, fmt.Errorf("read the routes of the machine: %w", err)
	}
	var prefixes []netip.Prefix
	for _, r := range routes {
		if r.Dst == "default" {
			continue
		}
		text := r.Dst
		if !strings.Contains(text, "/") {
			text += "/32"
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("read the routes of the machine: %w", err)
		}
		if p.Bits() > broadRoute {
			prefixes = append(prefixes, p)
		}
	}
	return prefixes, nil
}

// hostLinks returns the names of the machine's links whose alias is the given one, and the names of all links.
func hostLinks(alias string) (own, all []string, err error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, nil, fmt.Errorf("list the links of the machine: %w", err)
	}
	for _, i := range interfaces {
		all = append(all, i.Name)
		data, err := os.ReadFile(filepath.Join("/sys/class/net", i.Name, "ifalias"))
		if errors.Is(err, os.ErrNotExist) {
			continue // it went away in the meantime
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read the alias of a link: %w", err)
		}
		if strings.TrimSpace(string(data)) == alias {
			own = append(own, i.Name)
		}
	}
	return own, all, nil
}
