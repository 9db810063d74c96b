package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
)

// Action is what becomes of an entry.
type Action string

// The actions.
const (
	Add    Action = "add"
	Modify Action = "change"
	Remove Action = "remove"
)

// Change is what changes in an entry.
type Change struct {
	Key
	Action Action `json:"action"`

	// Now and Then are what the entry is before and after, null where it is not there.
	Now  *State `json:"now"`
	Then *State `json:"then"`

	// Changes says in words what differs, one item each. It is empty for an entry that
	// is added or removed.
	Changes []string `json:"changes"`
}

func (c Change) String() string {
	return fmt.Sprintf("%s %s: %s", c.Action, c.Key, strings.Join(c.Changes, "; "))
}

// differences says in words what differs between two states of an entry.
func differences(now, then *State) []string {
	var list []string
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	scalar := func(what, a, b string) {
		if a != b {
			say("%s: %s -> %s", what, orNone(a), orNone(b))
		}
	}
	scalar("backend", string(now.Backend), string(then.Backend))
	if now.Kind != "" && then.Kind != "" {
		scalar("kind", now.Kind, then.Kind)
	}
	if !now.isAlias() && !then.isAlias() || now.Headless || then.Headless {
		scalar("headless", fmt.Sprint(now.Headless), fmt.Sprint(then.Headless))
	}
	scalar("externalName", now.ExternalName, then.ExternalName)
	list = append(list, addressDifferences(now.Addresses, then.Addresses)...)
	list = append(list, portDifferences(now, then)...)
	scalar("selector", now.selectorText(), then.selectorText())
	if len(now.Families) > 0 && len(then.Families) > 0 {
		scalar("IP families", strings.Join(now.Families, ","), strings.Join(then.Families, ","))
	}
	scalar("sessionAffinity", now.SessionAffinity, then.SessionAffinity)
	scalar("sessionAffinityTimeoutSeconds", number(now.SessionAffinityTimeout), number(then.SessionAffinityTimeout))
	scalar("trafficDistribution", now.TrafficDistribution, then.TrafficDistribution)
	scalar("publishNotReadyAddresses", fmt.Sprint(now.PublishNotReadyAddresses), fmt.Sprint(then.PublishNotReadyAddresses))
	list = append(list, pairDifferences("label", now.Labels, then.Labels)...)
	list = append(list, pairDifferences("annotation", now.Annotations, then.Annotations)...)
	if len(list) > 0 {
		return list
	}
	// What the fields above do not show, such as another division into EndpointSlices.
	names := map[string]bool{}
	for _, objects := range []map[string]any{now.objects, then.objects} {
		for name := range objects {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, b := now.objects[name], then.objects[name]
		switch {
		case a == nil:
			say("%s: added", name)
		case b == nil:
			say("%s: removed", name)
		case !equality.Semantic.DeepEqual(a, b):
			say("%s: other content", name)
		}
	}
	return list
}

func (s *State) selectorText() string {
	if s.Parked {
		return "parked"
	}
	return pairs(s.Selector)
}

// addressDifferences says which addresses come, go and differ.
func addressDifferences(now, then []Address) []string {
	before, after := map[string]Address{}, map[string]Address{}
	for _, a := range now {
		before[a.IP] = a
	}
	for _, a := range then {
		after[a.IP] = a
	}
	var moved, other []string
	for _, a := range then {
		old, ok := before[a.IP]
		if !ok {
			moved = append(moved, "+"+a.IP)
			if a.Draining {
				moved[len(moved)-1] += " (draining)"
			} else if !a.Ready {
				moved[len(moved)-1] += " (not ready)"
			}
			continue
		}
		for _, field := range []struct{ name, old, new string }{
			{"ready", fmt.Sprint(old.Ready), fmt.Sprint(a.Ready)},
			{"draining", fmt.Sprint(old.Draining), fmt.Sprint(a.Draining)},
			{"hostname", old.Hostname, a.Hostname},
			{"zone", old.Zone, a.Zone},
		} {
			if field.old != field.new {
				other = append(other, fmt.Sprintf("address %s: %s: %s -> %s", a.IP, field.name, orNone(field.old), orNone(field.new)))
			}
		}
	}
	for _, a := range now {
		if _, ok := after[a.IP]; !ok {
			moved = append(moved, "-"+a.IP)
		}
	}
	if len(moved) > 0 {
		return append([]string{"addresses: " + some(moved, " ")}, other...)
	}
	if !slices.EqualFunc(now, then, func(a, b Address) bool { return a.IP == b.IP }) {
		return append([]string{"addresses: in another order"}, other...)
	}
	return other
}

// portDifferences says which ports come, go and differ. A port is known by its number
// and protocol.
func portDifferences(now, then *State) []string {
	type id struct {
		port     int32
		protocol string
	}
	before := map[id]Port{}
	for _, p := range now.Ports {
		before[id{p.Port, p.Protocol}] = p
	}
	var moved, other []string
	for _, p := range then.Ports {
		old, ok := before[id{p.Port, p.Protocol}]
		if !ok {
			moved = append(moved, "+"+p.String())
			continue
		}
		delete(before, id{p.Port, p.Protocol})
		fields := []struct{ name, old, new string }{
			{"name", old.Name, p.Name},
			{"appProtocol", old.AppProtocol, p.AppProtocol},
		}
		if old.TargetPort != 0 && p.TargetPort != 0 {
			fields = append(fields, struct{ name, old, new string }{"targetPort", number(old.TargetPort), number(p.TargetPort)})
		}
		if old.PodPort != "" && p.PodPort != "" {
			fields = append(fields, struct{ name, old, new string }{"podPort", old.PodPort, p.PodPort})
		}
		for _, field := range fields {
			if field.old != field.new {
				other = append(other, fmt.Sprintf("port %s: %s: %s -> %s", old, field.name, orNone(field.old), orNone(field.new)))
			}
		}
	}
	for _, p := range now.Ports {
		if _, gone := before[id{p.Port, p.Protocol}]; gone {
			moved = append(moved, "-"+p.String())
		}
	}
	if len(moved) > 0 {
		return append([]string{"ports: " + some(moved, ", ")}, other...)
	}
	return other
}

// pairDifferences says which labels or annotations come, go and differ.
func pairDifferences(what string, now, then map[string]string) []string {
	keys := maps.Clone(now)
	if keys == nil {
		keys = map[string]string{}
	}
	maps.Copy(keys, then)
	var list []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		old, had := now[key]
		value, has := then[key]
		switch {
		case !had:
			list = append(list, fmt.Sprintf("%s: +%s=%s", what, key, value))
		case !has:
			list = append(list, fmt.Sprintf("%s: -%s", what, key))
		case old != value:
			list = append(list, fmt.Sprintf("%s %s: %s -> %s", what, key, old, value))
		}
	}
	return list
}

// most is how many items of a list are printed.
const most = 8

// some joins a list and cuts a long one off, saying so.
func some(list []string, separator string) string {
	if len(list) > most {
		return strings.Join(list[:most], separator) + fmt.Sprintf("%sand %d more", separator, len(list)-most)
	}
	return strings.Join(list, separator)
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func number(n int32) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
