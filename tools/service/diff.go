package service

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"external-services/tools/findings"
)

// Difference is what differs in one field of two mappings.
type Difference struct {
	// Field is the field, such as backend, "port http 80: targetPort" or "label team".
	Field string

	// Old and New are the values, empty if unset. A list that gains and loses items has them in Added
	// and Removed instead.
	Old, New       string
	Added, Removed []string

	// Routes says that connections depend on it.
	Routes bool
}

// Change says what an upgrade changes: "backend: external -> both".
func (d Difference) Change() string {
	if items := listed("+", d.Added, "-", d.Removed); items != "" {
		return d.Field + ": " + items
	}
	return fmt.Sprintf("%s: %s -> %s", d.Field, cmp.Or(d.Old, "none"), cmp.Or(d.New, "none"))
}

// Drift says how a live object differs: Old is what it should be and New what it is.
func (d Difference) Drift() string {
	if items := listed("missing ", d.Removed, "unexpected ", d.Added); items != "" {
		return d.Field + ": " + items
	}
	return fmt.Sprintf("%s is %s, expected %s", d.Field, cmp.Or(d.New, "none"), cmp.Or(d.Old, "none"))
}

// listed lists the items of two lists, each after the word of its list.
func listed(word string, list []string, otherWord string, other []string) string {
	var items []string
	for _, item := range list {
		items = append(items, word+item)
	}
	for _, item := range other {
		items = append(items, otherWord+item)
	}
	return findings.Some(items, ", ")
}

// Diff says in which fields the mapping of an entry differs after a change, or a live one from what it
// should be: the order of the mappings is old and new, or desired and observed.
func Diff(before, after *Mapping) []Difference {
	d := &differences{}
	d.text("backend", string(before.Backend), string(after.Backend), false)
	if before.Kind != "" && after.Kind != "" {
		d.text("kind", before.Kind, after.Kind, true)
	}
	if !before.IsAlias() && !after.IsAlias() || before.Headless || after.Headless {
		d.text("headless", fmt.Sprint(before.Headless), fmt.Sprint(after.Headless), true)
	}
	d.text("externalName", before.ExternalName, after.ExternalName, true)
	d.addresses(before.Addresses, after.Addresses)
	d.ports(before.Ports, after.Ports)
	d.text("selector", before.SelectorText(), after.SelectorText(), true)
	for _, s := range Settings {
		from, to := before.Settings[s.Name], after.Settings[s.Name]
		if s.Defaulted && (from == nil || to == nil) {
			continue
		}
		d.text(s.Name, cmp.Or(printed(from), printed(s.Default)), cmp.Or(printed(to), printed(s.Default)), s.Routes)
	}
	d.pairs("label", before.Labels, after.Labels)
	d.pairs("annotation", before.Annotations, after.Annotations)
	return d.list
}

func printed(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

type differences struct{ list []Difference }

func (d *differences) text(field, before, after string, routes bool) {
	if before != after {
		d.list = append(d.list, Difference{Field: field, Old: before, New: after, Routes: routes})
	}
}

// addresses compares addresses by their IP.
func (d *differences) addresses(before, after []Address) {
	moved := Difference{Field: "addresses", Routes: true}
	var fields differences
	gone := map[string]Address{}
	for _, a := range before {
		gone[a.IP] = a
	}
	for _, a := range after {
		b, ok := gone[a.IP]
		if !ok {
			moved.Added = append(moved.Added, a.String())
			continue
		}
		delete(gone, a.IP)
		field := "address " + a.IP + ": "
		fields.text(field+"ready", fmt.Sprint(b.Ready), fmt.Sprint(a.Ready), true)
		fields.text(field+"draining", fmt.Sprint(b.Draining), fmt.Sprint(a.Draining), true)
		fields.text(field+"hostname", b.Hostname, a.Hostname, true)
		fields.text(field+"zone", b.Zone, a.Zone, true)
	}
	for _, a := range before {
		if _, ok := gone[a.IP]; ok {
			moved.Removed = append(moved.Removed, a.IP)
		}
	}
	d.moved(moved)
	d.list = append(d.list, fields.list...)
}

func (a Address) String() string {
	switch {
	case a.Draining:
		return a.IP + " (draining)"
	case !a.Ready:
		return a.IP + " (not ready)"
	}
	return a.IP
}

func (d *differences) moved(moved Difference) {
	if len(moved.Added)+len(moved.Removed) > 0 {
		d.list = append(d.list, moved)
	}
}

// ports compares ports by their number and protocol.
func (d *differences) ports(before, after []Port) {
	moved := Difference{Field: "ports", Routes: true}
	var fields differences
	type id struct {
		port     int32
		protocol string
	}
	gone := map[id]Port{}
	for _, p := range before {
		gone[id{p.Port, p.Protocol}] = p
	}
	for _, p := range after {
		b, ok := gone[id{p.Port, p.Protocol}]
		if !ok {
			moved.Added = append(moved.Added, p.String())
			continue
		}
		delete(gone, id{p.Port, p.Protocol})
		field := "port " + b.String() + ": "
		fields.text(field+"name", b.Name, p.Name, true)
		fields.text(field+"appProtocol", b.AppProtocol, p.AppProtocol, true)
		if b.TargetPort != 0 && p.TargetPort != 0 {
			fields.text(field+"targetPort", fmt.Sprint(b.TargetPort), fmt.Sprint(p.TargetPort), true)
		}
		if b.PodPort != "" && p.PodPort != "" {
			fields.text(field+"podPort", b.PodPort, p.PodPort, true)
		}
	}
	for _, p := range before {
		if _, ok := gone[id{p.Port, p.Protocol}]; ok {
			moved.Removed = append(moved.Removed, p.String())
		}
	}
	d.moved(moved)
	d.list = append(d.list, fields.list...)
}

// pairs compares labels or annotations. A pair that only one of the two has is in Added or Removed.
func (d *differences) pairs(what string, before, after map[string]string) {
	keys := maps.Clone(before)
	if keys == nil {
		keys = map[string]string{}
	}
	maps.Copy(keys, after)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		was, had := before[key]
		is, has := after[key]
		switch {
		case !had:
			d.list = append(d.list, Difference{Field: what, Added: []string{key + "=" + is}})
		case !has:
			d.list = append(d.list, Difference{Field: what, Removed: []string{key}})
		default:
			d.text(what+" "+key, was, is, false)
		}
	}
}
