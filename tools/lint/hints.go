package lint

import (
	"slices"
	"strings"

	"external-services/tools/findings"
	"external-services/tools/helm"
)

// hint finds what works and may surprise.
func (l *linter) hint(p *part, mappings []helm.Mapping) {
	for _, m := range mappings {
		add := func(code findings.Code, field string) {
			path := p.setAt(helm.Refusal{Index: &m.Index, Name: m.Name, Namespace: m.Namespace}, []any{field})
			l.add(l.layers.find(p.whole(path), false), code, m.Name, field, findings.Args{"target": target(m)})
		}
		if m.Kind == "ExternalName" {
			hintAlias(m, add)
		}
		if len(m.Hosts) > 0 && slices.ContainsFunc(m.Ports, tls.speaks) {
			add(findings.TLSName, "addresses")
		}
		if m.Families["IPv6"] > 0 && m.Families["IPv4"] == 0 && len(m.Hosts) == 0 {
			add(findings.IPv6Only, "addresses")
		}
		if len(m.Families)+len(m.Hosts) > 0 && m.Backend == "external" && len(m.Answers) == 0 {
			add(findings.NoReadyAddressValues, "addresses")
		}
	}
}

// target is what a certificate outside is for: the DNS names of the mapping.
func target(m helm.Mapping) string {
	if m.Kind == "ExternalName" {
		return m.ExternalName
	}
	return findings.Some(m.Hosts, ", ")
}

// hintAlias finds settings that an alias ignores, and what clients notice that look at names.
func hintAlias(m helm.Mapping, add func(code findings.Code, field string)) {
	for _, field := range []string{"headless", "sessionAffinity", "trafficDistribution", "publishNotReadyAddresses", "resolve", "healthCheck"} {
		if value := m.Entry[field]; value != nil && value != false && value != "" && value != "None" {
			add(findings.NoEffect, field)
		}
	}
	if slices.ContainsFunc(m.Ports, tls.speaks) {
		add(findings.TLSName, "externalName")
	}
	if slices.ContainsFunc(m.Ports, http.speaks) || m.Entry["ingress"] != nil || m.Entry["route"] != nil {
		add(findings.AliasBehindRoute, "externalName")
	}
}

// protocols are application protocols of one kind, by their names and their usual ports.
type protocols struct {
	names []string
	ports []float64
}

var (
	tls = protocols{
		[]string{"https", "tls", "ssl", "ldaps", "wss", "amqps", "mqtts", "imaps", "smtps", "grpcs"},
		[]float64{443, 636, 993, 995, 5671, 6443, 8443, 8883},
	}
	http = protocols{
		[]string{"http", "https", "h2c", "grpc", "grpcs", "ws", "wss"},
		[]float64{80, 443, 8080, 8443},
	}
)

// speaks says whether a port is one of the protocols: by its appProtocol, its name, or else its
// number.
func (p protocols) speaks(port map[string]any) bool {
	if protocol, _ := port["appProtocol"].(string); protocol != "" {
		return slices.Contains(p.names, strings.TrimPrefix(protocol, "kubernetes.io/"))
	}
	name, _ := port["name"].(string)
	if first, _, _ := strings.Cut(name, "-"); slices.Contains(p.names, first) {
		return true
	}
	number, _ := port["port"].(float64)
	return slices.Contains(p.ports, number)
}
