package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"

	"external-services/tools/findings"
	"external-services/tools/service"
	"external-services/tools/values"
)

// ownObjects looks for the EndpointSlices and Endpoints of the entry.
func (a *assessment) ownObjects() {
	var missing []string
	for _, slice := range a.Slices {
		live := a.live.Named[service.KeyOf(slice)]
		switch {
		case live == nil:
			missing = append(missing, "EndpointSlice "+slice.Name)
		case service.ServiceOf(live) != a.Key:
			a.add(findings.ServiceLabelMissing, findings.Args{
				"slice": service.KeyOf(live).String(), "sliceName": live.Name, "label": serviceLabel(live),
			})
		}
	}
	if a.Endpoints != nil && a.live.CouldRead(service.LegacyObjects, a.Namespace) {
		live := a.live.Legacy[a.Key]
		switch {
		case live == nil:
			missing = append(missing, "Endpoints "+a.Name)
		case len(live.Subsets) > 0 && !slices.ContainsFunc(a.live.Slices[a.Key], service.IsMirrored):
			a.add(findings.EndpointsNotMirrored, nil)
		}
	}
	if len(missing) == 0 {
		return
	}
	code := findings.EndpointsMissing
	if len(a.live.Named) == 0 && len(a.live.Legacy) == 0 { // of any entry
		code = findings.EndpointsMissingAll
	}
	a.add(code, findings.Args{"objects": findings.Some(missing, ", "), "apply": a.report.apply()})
}

// serviceLabel says what is wrong with the label by which an EndpointSlice names its Service.
func serviceLabel(slice *discoveryv1.EndpointSlice) string {
	if name, ok := slice.Labels[discoveryv1.LabelServiceName]; ok {
		return fmt.Sprintf("has the label %s=%s", discoveryv1.LabelServiceName, name)
	}
	return "has no label " + discoveryv1.LabelServiceName
}

// routes lists where the cluster routes connections, and finds endpoints that should not be there. Observed is
// the live Service, or the desired one if that could not be read.
func (a *assessment) routes(observed *corev1.Service) {
	desired := map[string]bool{}
	for _, address := range a.Addresses {
		desired[address.IP] = true
	}
	positions := map[Endpoint]int{} // by address and class
	unwanted := map[findings.Code][]string{}
	for _, slice := range a.live.Slices[a.Key] {
		class := service.Classify(slice, a.live.Slices[a.Key], observed, a.Mapping)
		if code := unwantedCode(class, slice, a.live.Slices[a.Key]); code != "" && len(slice.Endpoints) > 0 {
			unwanted[code] = append(unwanted[code], slice.Name)
		}
		for _, endpoint := range slice.Endpoints {
			e := Endpoint{Address: endpoint.Addresses[0], Class: class}
			if class == service.Own && !desired[e.Address] {
				e.Class = service.Foreign // which is a drift of the slice
			}
			i, ok := positions[e]
			if !ok {
				i = len(a.entry.Endpoints)
				positions[e] = i
				a.entry.Endpoints = append(a.entry.Endpoints, e)
				a.entry.Endpoints[i].Slice = slice.Name
			}
			a.entry.Endpoints[i].Ready = a.entry.Endpoints[i].Ready || service.IsReady(endpoint)
		}
	}
	writer := service.Own
	if a.HealthCheck != nil {
		writer = service.Followed
	}
	for _, address := range a.Addresses {
		if _, ok := positions[Endpoint{Address: address.IP, Class: writer}]; !ok && address.IP != "" {
			a.entry.Missing = append(a.entry.Missing, address.IP)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(unwanted)) {
		args := service.SliceArgs(unwanted[code])
		args["prune"] = a.report.prune()
		a.add(code, args)
	}
}

// unwantedCode is the finding about a slice of a class that the Service should not have, empty for the others.
func unwantedCode(class service.Class, slice *discoveryv1.EndpointSlice, all []*discoveryv1.EndpointSlice) findings.Code {
	switch class {
	case service.Stale:
		return service.StaleBecause(slice, all)
	case service.Left:
		return findings.ResolverSlicesLeft
	case service.Foreign:
		return findings.ForeignEndpoints
	}
	return ""
}

// ports finds ports of the Service that its endpoints do not have. Pods have a slice for each set of ports, and
// one of them is enough.
func (a *assessment) ports() {
	if a.existing == nil {
		return
	}
	var mismatched []string
	var ofPods []service.Port
	reachesPods := false
	ports := service.NewMapping(a.existing, nil, nil).Ports
	for _, slice := range a.live.Slices[a.Key] {
		has := slicePorts(slice)
		switch {
		case len(slice.Endpoints) == 0, service.IsMirrored(slice) && a.Endpoints == nil:
		case service.OfPods(slice):
			reachesPods = service.SelectsPods(a.existing)
			ofPods = append(ofPods, has...)
		default:
			for _, port := range without(ports, has) {
				text := fmt.Sprintf("the Service has %s, EndpointSlice %s has %s", port, slice.Name, cmp.Or(service.Join(has, ", "), "none"))
				mismatched = append(mismatched, text)
			}
		}
	}
	if len(mismatched) > 0 {
		code := findings.PortNameMismatch
		if a.existing.Spec.ClusterIP == corev1.ClusterIPNone {
			code = findings.PortNameMismatchHeadless
		}
		restore := a.report.restore()
		if a.patch != "" {
			restore = "Follow the advice about the Service, which differs."
		}
		a.add(code, findings.Args{"ports": findings.Some(mismatched, "; "), "restore": restore})
	}
	if missing := without(ports, ofPods); reachesPods && len(missing) > 0 {
		code := findings.PodPortMissing
		if a.Backend == values.Both {
			code = findings.PodPortMissingBoth
		}
		a.add(code, findings.Args{"ports": service.PodPorts(missing)})
	}
}

func slicePorts(slice *discoveryv1.EndpointSlice) []service.Port {
	var ports []service.Port
	for _, p := range slice.Ports {
		protocol := string(service.Protocol(ptr.Deref(p.Protocol, "")))
		ports = append(ports, service.Port{Name: ptr.Deref(p.Name, ""), Port: ptr.Deref(p.Port, 0), Protocol: protocol})
	}
	return ports
}

// without are the ports that others do not have. kube-proxy matches them by name and protocol.
func without(ports, others []service.Port) []service.Port {
	return slices.DeleteFunc(slices.Clone(ports), func(p service.Port) bool {
		return slices.ContainsFunc(others, func(o service.Port) bool { return o.Name == p.Name && o.Protocol == p.Protocol })
	})
}

// readiness finds a Service without an endpoint that connections can go to.
func (a *assessment) readiness(observed *corev1.Service) {
	pods, readyPods := a.entry.count(service.Pods)
	if a.Backend != values.External && service.SelectsPods(observed) && readyPods == 0 {
		code := findings.NoPods
		if _, others := a.entry.count(service.Followed); a.Backend == values.Both || others > 0 {
			code = findings.NoPodsBoth
		}
		a.add(code, findings.Args{"count": strconv.Itoa(pods), "selector": service.Pairs(observed.Spec.Selector)})
		return
	}
	unknown := a.Endpoints != nil && !a.live.CouldRead(service.LegacyObjects, a.Namespace)
	if !a.entry.hasReady() && !unknown && !a.IsAlias() && !a.has(findings.EndpointsMissing, findings.ServiceLabelMissing, findings.NameUnresolved) {
		a.add(findings.NoReadyEndpoint, findings.Args{"count": strconv.Itoa(len(a.entry.Endpoints))})
	}
}

// has says whether there is one of some findings about the entry.
func (a *assessment) has(codes ...findings.Code) bool {
	return slices.ContainsFunc(codes, func(code findings.Code) bool {
		return findings.Has(a.report.Findings, code, a.Namespace, a.Name)
	})
}

// hasReady says whether an endpoint is ready.
func (e *Entry) hasReady() bool {
	return slices.ContainsFunc(e.Endpoints, func(endpoint Endpoint) bool { return endpoint.Ready })
}

// count counts the endpoints of a class.
func (e *Entry) count(class service.Class) (all, ready int) {
	for _, endpoint := range e.Endpoints {
		if endpoint.Class == class {
			all++
			if endpoint.Ready {
				ready++
			}
		}
	}
	return all, ready
}
