package discover

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"external-services/tools/discover/hosts"
	"external-services/tools/findings"
	"external-services/tools/values"
)

// Values writes a values file with an entry for each host that has none. A host of a list, as Kafka's brokers, has an
// entry of its own: an alias has one DNS name, and clients of a list choose a host themselves. An entry that needs
// something first is commented out, with the reason.
func (r *Report) Values() []byte {
	var missing []*Endpoint
	for _, e := range r.Endpoints {
		if !e.Exists {
			missing = append(missing, e)
		}
	}
	slices.SortFunc(missing, func(a, b *Endpoint) int { return cmp.Compare(a.Entry, b.Entry) })
	var out strings.Builder
	out.WriteString(values.Comment("", "", fmt.Sprintf("Values for the chart external-services, of the hosts that settings in %s refer to.",
		findings.Some(r.sources, ", "))))
	if len(missing) == 0 {
		out.WriteString("services: []\n")
		return []byte(out.String())
	}
	out.WriteString("#\n" + values.Comment("", "", "Check the names, which pods will call, and install. Then write in each setting what "+
		"the comment above its entry says; from another namespace, the name with the namespace of the release."))
	out.WriteString("services:\n")
	hasEntry := false
	for i, e := range missing {
		if i > 0 {
			out.WriteString("\n")
		}
		hasEntry = e.write(&out) || hasEntry
	}
	if !hasEntry {
		return []byte(strings.Replace(out.String(), "services:\n", "services: []\n", 1))
	}
	return []byte(out.String())
}

// write writes the entry, and says whether it is not commented out.
func (e *Endpoint) write(out *strings.Builder) bool {
	var places, names []string
	for _, reference := range e.References {
		places = append(places, reference.Place.String()+" "+reference.Key)
		names = append(names, reference.Write+" instead of "+hostAndPort(e.Host, reference.Port, reference.hasPort))
	}
	slices.Sort(names)
	out.WriteString(values.Comment("  ", "used by: ", findings.Some(places, ", ")))
	out.WriteString(values.Comment("  ", "write: ", findings.Some(slices.Compact(names), ", ")))
	if e.Note != "" {
		out.WriteString(values.Comment("  ", "note: ", e.Note))
	}
	indent := "  "
	if !e.isComplete() {
		indent = "  # "
	}
	for line := range strings.Lines(string(e.entry().Item())) {
		out.WriteString(indent + line)
	}
	return e.isComplete()
}

// isComplete says whether the chart accepts the entry, and it would work.
func (e *Endpoint) isComplete() bool {
	isSRV := slices.ContainsFunc(e.References, func(r Reference) bool { return r.Scheme == "mongodb+srv" })
	return !isSRV && !strings.Contains(e.Host, "_") && (!hosts.IsIP(e.Host) || len(e.Ports) > 0)
}

// entry is the entry of the host: an alias of a DNS name, or an IP address with its ports.
func (e *Endpoint) entry() values.Entry {
	entry := values.Entry{Name: e.Entry}
	if hosts.IsIP(e.Host) {
		entry.Addresses = []values.Address{{IP: e.Host}}
	} else {
		entry.ExternalName = e.Host
	}
	used := map[string]bool{}
	for _, p := range e.Ports {
		known, _ := hosts.SchemeOf(p.Scheme)
		port := values.Port{Port: p.Port, Name: strings.ReplaceAll(known.Name, ".", "-")}
		if port.Name == "" && len(e.Ports) > 1 || used[port.Name] {
			port.Name = strings.TrimPrefix(fmt.Sprintf("%s-%d", port.Name, p.Port), "-")
			if known.Name == "" {
				port.Name = fmt.Sprintf("port-%d", p.Port)
			}
		}
		used[port.Name] = true
		if known.IsUDP() {
			port.Protocol = values.UDP
		}
		entry.Ports = append(entry.Ports, port)
	}
	return entry
}
