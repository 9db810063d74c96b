package discover

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"external-services/tools/discover/hosts"
	"external-services/tools/findings"
)

// ReportOptions say what a report has.
type ReportOptions struct {
	// Names are the entries of values or a release, nil if the report is about hosts alone.
	Names *Names

	// ReleaseNamespace is that of the release which will have new entries. If it is empty, what to write is a name
	// without a namespace.
	ReleaseNamespace string

	// All shows doubtful references in the text too.
	All bool
}

// Report classifies what was read, and puts the references to each host together. The same files and objects give
// the same report, in whatever order they were read.
func (s *Scan) Report(o ReportOptions) *Report {
	report := &Report{
		Endpoints: []*Endpoint{}, Doubtful: []Reference{}, Findings: append([]findings.Finding{}, s.findings...),
		Read: s.read, sources: s.sources, showAll: o.All,
	}
	if o.Names != nil {
		report.Mapped = []Reference{}
	}
	byHost := map[string]*Endpoint{}
	for _, r := range sorted(dedupe(slices.Clone(s.references))) {
		class := s.classify(r)
		switch {
		case o.Names != nil && o.Names.uses(r):
			report.Mapped = append(report.Mapped, r)
		case class == inside:
			report.Read.InCluster++
		case class == unknown || r.Doubtful:
			r.Doubtful = true
			report.Doubtful = append(report.Doubtful, r)
		default:
			if byHost[r.Host] == nil {
				byHost[r.Host] = &Endpoint{Host: r.Host, Ports: []Port{}}
			}
			byHost[r.Host].References = append(byHost[r.Host].References, r)
		}
	}
	names := newNaming(s, o.Names)
	for _, host := range slices.Sorted(maps.Keys(byHost)) {
		e := byHost[host]
		e.addPorts()
		e.setEntry(o, names)
		report.Endpoints = append(report.Endpoints, e)
	}
	if o.Names != nil {
		report.Progress = &Progress{Mapped: len(report.Mapped), Total: len(report.Mapped)}
		for _, e := range report.Endpoints {
			report.Progress.Total += len(e.References)
		}
	}
	return report
}

func sorted(references []Reference) []Reference {
	slices.SortStableFunc(references, func(a, b Reference) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port),
		)
	})
	return references
}

// addPorts adds the ports of the references.
func (e *Endpoint) addPorts() {
	schemes := map[int]string{}
	for _, r := range e.References {
		if r.Port > 0 {
			schemes[r.Port] = cmp.Or(schemes[r.Port], r.Scheme)
		}
	}
	for _, port := range slices.Sorted(maps.Keys(schemes)) {
		e.Ports = append(e.Ports, Port{Port: port, Scheme: schemes[port]})
	}
}

// setEntry sets the entry of the host, one that exists or a name for a new one, and what to write in each reference.
func (e *Endpoint) setEntry(o ReportOptions, names *naming) {
	without := []string{}
	for i := range e.References {
		r := &e.References[i]
		m := o.Names.entryFor(*r)
		if m == nil {
			continue
		}
		e.Entry, e.Exists = m.Key.String(), true
		if r.Write = replacement(m, *r); r.Write == "" {
			without = append(without, strconv.Itoa(r.Port))
		}
	}
	if e.Exists {
		if len(without) > 0 {
			e.Note = "the entry does not have the port " + strings.Join(slices.Compact(without), ", ") + ": add it"
		}
		return
	}
	e.Entry = names.nameFor(e)
	e.Note = e.note()
	name := strings.TrimSuffix(e.Entry+"."+o.ReleaseNamespace, ".")
	for i := range e.References {
		r := &e.References[i]
		r.Write = hostAndPort(name, r.Port, r.hasPort)
	}
}

// note says why a new entry needs thought.
func (e *Endpoint) note() string {
	has := func(schemes ...string) bool {
		return slices.ContainsFunc(e.References, func(r Reference) bool { return slices.Contains(schemes, r.Scheme) })
	}
	switch {
	case has("mongodb+srv"):
		return "mongodb+srv asks DNS for the SRV records of the name itself, which an alias does not have: use the mongodb:// URL of its hosts"
	case has("kafka", "plaintext", "sasl_plaintext", "sasl_ssl"):
		return "Kafka brokers tell clients where to connect next: set advertised.listeners to the names of the entries too"
	case hosts.IsIP(e.Host) && len(e.Ports) == 0:
		return "no setting has the port: write the ports of the Service"
	case strings.Contains(e.Host, "_"):
		return "Kubernetes refuses a name with an underscore: use another name of the host, or its IP address"
	}
	return ""
}
