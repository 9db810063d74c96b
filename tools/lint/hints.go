package lint

import (
	"fmt"
	"slices"
	"strings"

	"external-services/tools/helm"
)

// hint notes what works and surprises.
func (l *linter) hint(part *helm.Part, mappings []helm.Mapping) {
	for _, m := range mappings {
		add := func(field, reason, fix string) {
			path := entryPath(part.Values, helm.Fault{Index: &m.Index, Name: m.Name, Namespace: m.Namespace, Field: field})
			l.hints = append(l.hints, Finding{
				Position: l.find(append(prefix(part.Path), path...), false),
				Entry:    m.Name, Field: field, Reason: reason, Fix: fix,
			})
		}
		if m.Kind == "ExternalName" {
			hintAlias(m, add)
		}
		if m.Families["IPv6"] > 0 && m.Families["IPv4"] == 0 {
			add("addresses", "are all IPv6", "install it where the cluster has IPv6, alone or beside IPv4: others refuse the Service")
		}
		if len(m.Families) > 0 && m.Backend == "external" && len(m.Answers) == 0 {
			add("addresses", "none of them is ready, and no connection gets through", "take ready: false away from those that answer")
		}
	}
}

// hintAlias notes what an alias of a DNS name does to clients that look at names.
func hintAlias(m helm.Mapping, add func(field, reason, fix string)) {
	for _, field := range []string{"headless", "sessionAffinity", "trafficDistribution", "publishNotReadyAddresses"} {
		if value := m.Entry[field]; value != nil && value != false && value != "" && value != "None" {
			add(field, "has no effect with externalName", "leave it out, or write the IP addresses outside under addresses instead of externalName")
		}
	}
	tls, http := false, false
	for _, port := range m.Ports {
		tls = tls || speaks(port, []string{"https", "tls", "ssl", "ldaps", "wss", "amqps", "mqtts", "imaps", "smtps", "grpcs"}, []float64{443, 636, 993, 995, 5671, 6443, 8443, 8883})
		http = http || speaks(port, []string{"http", "https", "h2c", "grpc", "grpcs", "ws", "wss"}, []float64{80, 443, 8080, 8443})
	}
	if tls {
		add("externalName", fmt.Sprintf("is what the certificate of %s is for, and TLS clients that call %s check for that name and send it", m.ExternalName, m.Name),
			fmt.Sprintf("put %s into the certificate, or have the clients ask for %s", m.Name, m.ExternalName))
	}
	if http {
		add("externalName", "makes an alias, which many Ingress controllers and Gateways refuse as a backend, and web servers see the Host "+m.Name,
			"write the IP addresses outside under addresses where a route leads here")
	}
}

// speaks says whether a port is one of some application protocols, by its appProtocol, by
// its name, or else by its number.
func speaks(port map[string]any, protocols []string, numbers []float64) bool {
	if protocol, _ := port["appProtocol"].(string); protocol != "" {
		return slices.Contains(protocols, strings.TrimPrefix(protocol, "kubernetes.io/"))
	}
	if name, _ := port["name"].(string); slices.ContainsFunc(protocols, func(p string) bool { return name == p || strings.HasPrefix(name, p+"-") }) {
		return true
	}
	number, _ := port["port"].(float64)
	return slices.Contains(numbers, number)
}
