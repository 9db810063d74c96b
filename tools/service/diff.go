package service

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"external-services/tools/findings"
	"external-services/tools/helm"
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
	return fmt.Sprintf("%s is %s, expected %s", d.Field, cmp.Or(d.New, "not set"), cmp.Or(d.Old, "none"))
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
	compareItems(d, "addresses", before.Addresses, after.Addresses, Address.Text, Address.Text, compareAddresses)
	d.text("resolve", fieldsOf(before.Resolve), fieldsOf(after.Resolve), false)
	d.text("healthCheck", fieldsOf(before.HealthCheck), fieldsOf(after.HealthCheck), true)
	d.following(before.Resolver, after.Resolver)
	compareItems(d, "ports", before.Ports, after.Ports, Port.id, Port.String, comparePorts)
	d.text("selector", before.SelectorText(), after.SelectorText(), true)
	for _, s := range Settings {
		from, to := before.Settings[s.Name], after.Settings[s.Name]
		if s.Defaulted && (from == nil || to == nil) {
			continue
		}
		d.text(s.Name, cmp.Or(printed(from), printed(s.Default)), cmp.Or(printed(to), printed(s.Default)), s.Routes)
	}
	d.routes(before.Routes, after.Routes)
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

// fieldsOf prints the fields of a part of an entry that are set, as key=value,key=value. It is empty for no part.
func fieldsOf[T any](part *T) string {
	if part == nil {
		return ""
	}
	text, _ := json.Marshal(part) // numbers and strings only
	var fields map[string]any
	_ = json.Unmarshal(text, &fields)
	pairs := map[string]string{}
	for key, value := range fields {
		pairs[key] = fmt.Sprint(value)
	}
	return cmp.Or(Pairs(pairs), "defaults")
}

type differences struct{ list []Difference }

func (d *differences) text(field, before, after string, routes bool) {
	if before != after {
		d.list = append(d.list, Difference{Field: field, Old: before, New: after, Routes: routes})
	}
}

// following compares how two resolvers follow the names of an entry.
func (d *differences) following(before, after *helm.Resolver) {
	if before == nil || after == nil {
		return
	}
	from, to := before.Config.Following, after.Config.Following
	d.items("resolver.nameservers", from.Nameservers, to.Nameservers)
	d.text("resolver.minSeconds", fmt.Sprint(from.MinSeconds), fmt.Sprint(to.MinSeconds), false)
	d.text("resolver.maxSeconds", fmt.Sprint(from.MaxSeconds), fmt.Sprint(to.MaxSeconds), false)
	d.items("resolver.allowedNames", from.AllowedNames, to.AllowedNames)
	d.items("resolver.allowedCIDRs", from.AllowedCIDRs, to.AllowedCIDRs)
	d.items("resolver.deniedCIDRs", from.DeniedCIDRs, to.DeniedCIDRs)
}

// items compares two lists of texts, whatever their order.
func (d *differences) items(field string, before, after []string) {
	text := func(s string) string { return s }
	compareItems(d, field, before, after, text, text, func(*differences, string, string) {})
}

func (a Address) String() string {
	switch {
	case a.Draining:
		return a.Text() + " (draining)"
	case !a.Ready:
		return a.Text() + " (not ready)"
	}
	return a.Text()
}

// compareItems compares two lists by the keys of their items, and the fields of those that are in both.
func compareItems[T any, K comparable](
	d *differences, field string, before, after []T,
	key func(T) K, removed func(T) string, fields func(d *differences, old, new T),
) {
	moved := Difference{Field: field, Routes: true}
	var changed differences
	gone := map[K]T{}
	for _, item := range before {
		gone[key(item)] = item
	}
	for _, item := range after {
		old, ok := gone[key(item)]
		if !ok {
			moved.Added = append(moved.Added, fmt.Sprint(item))
			continue
		}
		delete(gone, key(item))
		fields(&changed, old, item)
	}
	for _, item := range before {
		if _, ok := gone[key(item)]; ok {
			moved.Removed = append(moved.Removed, removed(item))
		}
	}
	if len(moved.Added)+len(moved.Removed) > 0 {
		d.list = append(d.list, moved)
	}
	d.list = append(d.list, changed.list...)
}

func compareAddresses(d *differences, old, new Address) {
	field := "address " + old.Text() + ": "
	d.text(field+"ready", fmt.Sprint(old.Ready), fmt.Sprint(new.Ready), true)
	d.text(field+"draining", fmt.Sprint(old.Draining), fmt.Sprint(new.Draining), true)
	d.text(field+"hostname", old.Hostname, new.Hostname, true)
	d.text(field+"zone", old.Zone, new.Zone, true)
}

func comparePorts(d *differences, old, new Port) {
	field := "port " + old.String() + ": "
	d.text(field+"name", old.Name, new.Name, true)
	d.text(field+"appProtocol", old.AppProtocol, new.AppProtocol, true)
	if old.TargetPort != 0 && new.TargetPort != 0 {
		d.text(field+"targetPort", fmt.Sprint(old.TargetPort), fmt.Sprint(new.TargetPort), true)
	}
	if old.PodPort != "" && new.PodPort != "" {
		d.text(field+"podPort", old.PodPort, new.PodPort, true)
	}
}

// pairs compares labels or annotations. A pair that only one of the two has is in Added or Removed.
func (d *differences) pairs(what string, before, after map[string]string) {
	keys := map[string]string{}
	maps.Copy(keys, before)
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
