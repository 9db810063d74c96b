// Package importertest makes random Services and says what they mean, for the tests of the
// importer here and in tools/importer.
package importertest

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"external-services/tools/findings"
	"external-services/tools/importer"
	"external-services/tools/values"
)

// Meaning is what objects do, as kube-proxy, CoreDNS and clients of the API read them. It
// is written from their rules and shares no code with the import.
type Meaning struct {
	// Traffic is where connections go: with a ClusterIP from each port to the addresses
	// that are ready, headless to the addresses that DNS answers. It may never change.
	Traffic []string

	// Details are the rest. What differs there has to be reported.
	Details []string
}

// Endpoints is the older kind of object for addresses.
//
//lint:ignore SA1019 deprecated since Kubernetes 1.33, and people have it
type Endpoints = corev1.Endpoints

// Group is a Service with its endpoints.
type Group struct {
	Service   *corev1.Service
	Endpoints *Endpoints
	Slices    []*discoveryv1.EndpointSlice
}

// target is an endpoint of a group: one address with one port.
type target struct {
	ip, port     string // port is name/protocol
	number       int32
	ready        bool
	host, zone   string
	hints, proto string
}

func (g Group) targets() (all []target) {
	for _, slice := range g.Slices {
		if slice.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		for _, e := range slice.Endpoints {
			addresses := e.Addresses
			if g.Service.Spec.ClusterIP != "None" {
				addresses = addresses[:1]
			}
			for _, ip := range addresses {
				t := target{ip: ip, ready: e.Conditions.Ready == nil || *e.Conditions.Ready}
				if e.Hostname != nil {
					t.host = *e.Hostname
				}
				if e.Zone != nil {
					t.zone = *e.Zone
				}
				if e.Hints != nil {
					t.hints = fmt.Sprint(e.Hints.ForZones)
				}
				if len(slice.Ports) == 0 {
					all = append(all, t)
				}
				for _, p := range slice.Ports {
					one, name, protocol := t, "", corev1.ProtocolTCP
					if p.Name != nil {
						name = *p.Name
					}
					if p.Protocol != nil && *p.Protocol != "" {
						protocol = *p.Protocol
					}
					if p.AppProtocol != nil {
						one.proto = *p.AppProtocol
					}
					if p.Port == nil {
						continue
					}
					one.port, one.number = name+"/"+string(protocol), *p.Port
					all = append(all, one)
				}
			}
		}
	}
	// Kubernetes mirrors Endpoints into slices, unless they say no.
	if g.Endpoints != nil && g.Endpoints.Labels["endpointslice.kubernetes.io/skip-mirror"] != "true" && len(g.Service.Spec.Selector) == 0 {
		for _, subset := range g.Endpoints.Subsets {
			for ready, addresses := range map[bool][]corev1.EndpointAddress{true: subset.Addresses, false: subset.NotReadyAddresses} {
				for _, a := range addresses {
					t := target{ip: a.IP, ready: ready, host: a.Hostname}
					if len(subset.Ports) == 0 {
						all = append(all, t)
					}
					for _, p := range subset.Ports {
						one := t
						protocol := p.Protocol
						if protocol == "" {
							protocol = "TCP"
						}
						if p.AppProtocol != nil {
							one.proto = *p.AppProtocol
						}
						one.port, one.number = p.Name+"/"+string(protocol), p.Port
						all = append(all, one)
					}
				}
			}
		}
	}
	return all
}

func (g Group) meaning() Meaning {
	var m Meaning
	spec := g.Service.Spec
	traffic := func(format string, args ...any) { m.Traffic = append(m.Traffic, fmt.Sprintf(format, args...)) }
	detail := func(format string, args ...any) { m.Details = append(m.Details, fmt.Sprintf(format, args...)) }
	for kind, pairs := range map[string]map[string]string{"label": g.Service.Labels, "annotation": g.Service.Annotations} {
		for key, value := range pairs {
			switch {
			case strings.HasPrefix(key, "app.kubernetes.io/"), strings.HasPrefix(key, "helm.sh/chart"), key == "external-services/backend", strings.HasPrefix(key, "meta.helm.sh/"),
				key == "kubectl.kubernetes.io/last-applied-configuration", key == "endpoints.kubernetes.io/last-change-trigger-time":
			default:
				detail("%s %s=%s", kind, key, value)
			}
		}
	}
	if spec.Type == corev1.ServiceTypeExternalName {
		traffic("alias of %s", spec.ExternalName)
		for _, p := range spec.Ports {
			detail("port %d/%s %q", p.Port, orTCP(p.Protocol), p.Name)
		}
		return m.sorted()
	}
	headless := spec.ClusterIP == "None"
	for _, t := range g.targets() {
		t.ip = netip.MustParseAddr(t.ip).String()
		family := corev1.IPv4Protocol
		if strings.Contains(t.ip, ":") {
			family = corev1.IPv6Protocol
		}
		if headless {
			if t.ready {
				traffic("DNS answers %s %s", t.host, t.ip)
			}
		} else if len(spec.IPFamilies) == 1 && spec.IPFamilies[0] != family && (spec.IPFamilyPolicy == nil || *spec.IPFamilyPolicy == "SingleStack") {
			continue
		}
		for _, p := range spec.Ports {
			if p.Name+"/"+string(orTCP(p.Protocol)) != t.port {
				continue
			}
			detail("address %s ready=%t host=%s zone=%s port %s %d", t.ip, t.ready, t.host, t.zone, t.port, t.number)
			detail("hints of %s: %s", t.ip, t.hints)
			if !headless && t.ready {
				traffic("%d/%s -> %s:%d", p.Port, orTCP(p.Protocol), t.ip, t.number)
			}
		}
	}
	if len(spec.Selector) > 0 {
		traffic("pods %v", spec.Selector)
	}
	for _, p := range spec.Ports {
		protocol := ""
		if p.AppProtocol != nil {
			protocol = *p.AppProtocol
		}
		detail("port %d/%s %q %s", p.Port, orTCP(p.Protocol), p.Name, protocol)
		if len(spec.Selector) > 0 {
			if p.TargetPort.String() == "0" {
				p.TargetPort.IntVal = p.Port
			}
			if !headless {
				traffic("%d/%s -> port %s of pods", p.Port, orTCP(p.Protocol), p.TargetPort.String())
			}
		}
	}
	timeout := int32(10800)
	if spec.SessionAffinity == "ClientIP" {
		if c := spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
			timeout = *c.ClientIP.TimeoutSeconds
		}
		detail("affinity %d", timeout)
	}
	if spec.TrafficDistribution != nil {
		detail("distribution %s", *spec.TrafficDistribution)
	}
	detail("headless %t, publish %t, Endpoints %t", headless, spec.PublishNotReadyAddresses, g.Endpoints != nil && len(g.Slices) == 0)
	if !headless && spec.IPFamilyPolicy != nil && *spec.IPFamilyPolicy == corev1.IPFamilyPolicyRequireDualStack {
		detail("both families required")
	}
	for what, there := range map[string]bool{
		"type":                  spec.Type != "" && spec.Type != "ClusterIP",
		"externalIPs":           len(spec.ExternalIPs) > 0,
		"loadBalancer":          spec.LoadBalancerIP != "" || spec.LoadBalancerClass != nil || len(spec.LoadBalancerSourceRanges) > 0,
		"externalTrafficPolicy": spec.ExternalTrafficPolicy == "Local",
		"internalTrafficPolicy": spec.InternalTrafficPolicy != nil && *spec.InternalTrafficPolicy == "Local",
	} {
		if there {
			detail("%s", what)
		}
	}
	return m.sorted()
}

func orTCP(p corev1.Protocol) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return p
}

func (m Meaning) sorted() Meaning {
	slices.Sort(m.Traffic)
	slices.Sort(m.Details)
	return Meaning{slices.Compact(m.Traffic), slices.Compact(m.Details)}
}

// Of says what objects mean, by NAMESPACE/NAME of the Service. Objects without a namespace
// are in the namespace default.
func Of(services []*corev1.Service, endpoints []*Endpoints, slices []*discoveryv1.EndpointSlice) map[string]Meaning {
	groups := map[string]*Group{}
	for _, s := range services {
		groups[keyOf(s.Namespace, s.Name)] = &Group{Service: s}
	}
	for _, e := range endpoints {
		if g := groups[keyOf(e.Namespace, e.Name)]; g != nil {
			g.Endpoints = e
		}
	}
	for _, s := range slices {
		by := s.Labels["endpointslice.kubernetes.io/managed-by"]
		g := groups[keyOf(s.Namespace, s.Labels["kubernetes.io/service-name"])]
		switch {
		case g == nil:
		case by == "endpointslice-controller.k8s.io": // of pods, also those left from a selector
		case by == "endpointslicemirroring-controller.k8s.io" && g.Endpoints != nil: // the same again
		default:
			g.Slices = append(g.Slices, s)
		}
	}
	meanings := map[string]Meaning{}
	for key, group := range groups {
		meanings[key] = group.meaning()
	}
	return meanings
}

// Compare compares what was read with what is rendered of it. Connections go where they
// went, and every other difference is reported. It returns what is wrong, and how many
// entries it compared.
func Compare(read, rendered map[string]Meaning, result *importer.Result) (faults []string, compared int) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	expected := map[string]bool{}
	for _, key := range keysOf(result.Entries) {
		want, isRead := read[key]
		got, isRendered := rendered[key]
		switch {
		case !isRead:
			fault("%s is imported and was not read", key)
			continue
		case !isRendered:
			fault("%s is not rendered", key)
			continue
		}
		expected[key] = true
		compared++
		if diff := gocmp.Diff(want.Traffic, got.Traffic); diff != "" {
			fault("%s: connections go elsewhere (-read +rendered):\n%s", key, diff)
		}
		reported := slices.ContainsFunc(result.Findings, func(f findings.Finding) bool { return keyOf(f.Namespace, f.Entry) == key })
		if diff := gocmp.Diff(want.Details, got.Details); diff != "" && !reported {
			fault("%s: differs, and no comment says so (-read +rendered):\n%s", key, diff)
		}
	}
	for _, key := range keysOf(result.NotImported) {
		if _, isRead := read[key]; !isRead {
			fault("%s is a comment and was not read", key)
		}
	}
	for key := range rendered {
		if !expected[key] {
			fault("%s is rendered and was not imported", key)
		}
	}
	return faults, compared
}

// keysOf are the NAMESPACE/NAME of entries.
func keysOf(entries []values.Entry) (keys []string) {
	for _, e := range entries {
		if len(e.Namespaces) == 0 {
			keys = append(keys, keyOf(e.Namespace, e.Name))
		}
		for _, namespace := range e.Namespaces {
			keys = append(keys, keyOf(namespace, e.Name))
		}
	}
	return keys
}

func keyOf(namespace, name string) string { return cmp.Or(namespace, "default") + "/" + name }
