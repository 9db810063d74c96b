package discover

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"external-services/tools/discover/hosts"
	"external-services/tools/service"
)

// Names are the entries of values or a release: the names that applications should call.
type Names struct {
	byKey    map[service.Key]*service.Mapping
	byTarget map[string][]*service.Mapping // by the addresses and DNS names outside
}

// NewNames are the names of some mappings.
func NewNames(mappings map[service.Key]*service.Mapping) *Names {
	n := &Names{byKey: mappings, byTarget: map[string][]*service.Mapping{}}
	for _, m := range service.Sorted(mappings) {
		targets := []string{m.ExternalName}
		for _, a := range m.Addresses {
			targets = append(targets, a.Text())
		}
		for _, target := range targets {
			if host, ok := hosts.ParseHost(target); ok {
				n.byTarget[host] = append(n.byTarget[host], m)
			}
		}
	}
	return n
}

// uses says whether a reference uses the name of an entry.
func (n *Names) uses(r Reference) bool {
	for _, key := range keysOfHost(r.Host, r.Namespace) {
		if n.byKey[key] != nil {
			return true
		}
		isKey := func(m *service.Mapping) bool { return key.Namespace == "" && m.Name == key.Name }
		for _, m := range n.byKey {
			if isKey(m) {
				return true
			}
		}
	}
	return false
}

// entryFor is the entry that reaches the host of a reference: one that has its port, if there is one, and one in its
// namespace rather than another one.
func (n *Names) entryFor(r Reference) *service.Mapping {
	if n == nil {
		return nil
	}
	found := slices.Clone(n.byTarget[r.Host])
	rank := func(m *service.Mapping) int {
		_, hasPort := portOf(m, r.Port)
		switch {
		case !hasPort:
			return 2
		case m.Namespace != r.Namespace:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(found, func(a, b *service.Mapping) int { return cmp.Compare(rank(a), rank(b)) })
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

// portOf is the port of an entry that leads to a port of the host outside.
func portOf(m *service.Mapping, target int) (int, bool) {
	if target == 0 || m.IsAlias() {
		return target, true
	}
	for _, p := range m.Ports {
		if int(cmp.Or(p.TargetPort, p.Port)) == target {
			return int(p.Port), true
		}
	}
	return 0, false
}

// replacement is what to write in place of the host and the port of a reference: the port too if it is written with
// the host, or differs. It is empty if the entry does not have the port.
func replacement(m *service.Mapping, r Reference) string {
	port, ok := portOf(m, r.Port)
	if !ok {
		return ""
	}
	return hostAndPort(m.Name+"."+m.Namespace, port, r.hasPort || port != r.Port)
}

func hostAndPort(host string, port int, withPort bool) string {
	switch {
	case port == 0 || !withPort:
		return host
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(port)
}
