// Package resolve writes the addresses of today in place of the DNS names in values, for clusters that run
// no resolver.
package resolve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"external-services/tools/resolver/lookup"
	"external-services/tools/values"
)

// Replaced is a DNS name that was replaced.
type Replaced struct {
	// Field is the list that has it, such as services[0].addresses, of the entry Name.
	Field string `json:"field"`
	Name  string `json:"name"`

	Host      string       `json:"host"`
	Addresses []netip.Addr `json:"addresses"`
}

// Lookup returns the addresses of a name in one IP family.
type Lookup func(ctx context.Context, host string, family corev1.IPFamily) (lookup.Answer, error)

// Values replaces the DNS names in the addresses of values by their addresses, IPv4 before IPv6, and removes
// the keys resolve and healthCheck, which need the resolver. It changes the values that it is given. The
// error names every name that has no addresses, or none that may be written.
func Values(ctx context.Context, vals map[string]any, ask Lookup) ([]Replaced, error) {
	r := &replacer{ctx: ctx, ask: ask}
	var err error
	if r.following, r.filter, err = readFilter(vals["resolver"]); err != nil {
		return nil, err
	}
	services, _ := vals["services"].([]any)
	for i, item := range services {
		if entry, ok := item.(map[string]any); ok {
			name, _ := entry["name"].(string)
			r.replace(fmt.Sprintf("services[%d]", i), name, entry)
		}
	}
	r.patches("overrides", vals["overrides"])
	namespaces, _ := vals["namespaceOverrides"].(map[string]any)
	for _, namespace := range slices.Sorted(maps.Keys(namespaces)) {
		r.patches("namespaceOverrides."+namespace, namespaces[namespace])
	}
	return r.replaced, errors.Join(r.errors...)
}

// readFilter reads what the values say of the answers to take.
func readFilter(resolver any) (f values.Following, _ *lookup.Filter, err error) {
	data, err := json.Marshal(resolver)
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	if err != nil {
		return f, nil, fmt.Errorf("resolver: %w", err)
	}
	filter, err := lookup.NewFilter(f, func(netip.Addr) bool { return false })
	if err != nil {
		return f, nil, fmt.Errorf("resolver: %w", err)
	}
	return f, filter, nil
}

type replacer struct {
	ctx       context.Context
	ask       Lookup
	following values.Following
	filter    *lookup.Filter
	replaced  []Replaced
	errors    []error
}

func (r *replacer) patches(field string, patches any) {
	byName, _ := patches.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if patch, ok := byName[name].(map[string]any); ok {
			r.replace(field+"."+name, name, patch)
		}
	}
}

// replace replaces the names of an entry, or of a change to one.
func (r *replacer) replace(field, name string, entry map[string]any) {
	delete(entry, "resolve")
	delete(entry, "healthCheck")
	list, ok := entry["addresses"].([]any)
	if !ok {
		return
	}
	var out []any
	for _, item := range list {
		host, long := hostOf(item)
		if host == "" {
			out = append(out, item)
			continue
		}
		addresses, err := r.addresses(host)
		if err != nil {
			r.errors = append(r.errors, fmt.Errorf("%s %q: %w", field, name, err))
			continue
		}
		r.replaced = append(r.replaced, Replaced{Field: field + ".addresses", Name: name, Host: host, Addresses: addresses})
		for _, address := range addresses {
			out = append(out, withIP(long, address))
		}
	}
	entry["addresses"] = out
}

// hostOf returns the name of an address, if it is one, and the other keys of the long form.
func hostOf(item any) (host string, long map[string]any) {
	switch item := item.(type) {
	case string:
		if values.IsHost(item) {
			return item, nil
		}
	case map[string]any:
		host, _ = item["host"].(string)
		return host, item
	}
	return "", nil
}

func withIP(long map[string]any, address netip.Addr) any {
	if long == nil {
		return address.String()
	}
	out := maps.Clone(long)
	delete(out, "host")
	out["ip"] = address.String()
	return out
}

// addresses returns those of a name in both families. A name may lack one of them, and must have an address.
func (r *replacer) addresses(host string) (list []netip.Addr, err error) {
	if !lookup.AllowsName(r.following.AllowedNames, host) {
		return nil, fmt.Errorf("%s is not in resolver.allowedNames", host)
	}
	for _, family := range []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol} {
		answer, err := r.ask(r.ctx, host, family)
		var failed *lookup.Error
		if errors.As(err, &failed) && failed.Reason == lookup.NoData {
			continue
		}
		if err != nil {
			return nil, err
		}
		accepted, refused := r.filter.Split(answer.Addresses)
		if len(accepted) == 0 {
			return nil, fmt.Errorf("all addresses of %s are refused: %v", host, refused)
		}
		list = append(list, accepted...)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no addresses", host)
	}
	return list, nil
}
