package plan

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
	"external-services/tools/values"
)

// checkOwners finds objects that Helm would create, and that already exist.
func (p *Plan) checkOwners(c Change) {
	before, stored := c.Before.Objects(), p.live.Services[c.Key]
	check := func(kind string, live metav1.Object) {
		switch {
		case before[kind+" "+live.GetName()] != nil, p.Release.Owns(live):
		case kind == "Endpoints" && stored != nil && p.Release.Owns(stored):
			// Kubernetes created them for a selector, perhaps one that the Service no longer has.
			if !findings.Has(p.Findings, findings.EndpointsExist, c.Namespace, c.Name) {
				p.add(c, findings.EndpointsExist, nil)
			}
		default:
			p.add(c, findings.NotOwned, findings.Args{
				"kind": kind, "object": service.KeyOf(live).String(), "owner": helm.Whose(live),
			})
		}
	}
	if stored != nil {
		check("Service", stored)
	}
	for _, slice := range c.After.Slices {
		if live := p.live.Named[service.KeyOf(slice)]; live != nil {
			check("EndpointSlice", live)
		}
	}
	if live := p.live.Legacy[c.Key]; live != nil {
		check("Endpoints", live)
	}
	for _, route := range c.After.Routes {
		if live, _ := p.live.Route(c.After, route); live != nil {
			check(route.Kind, live)
		}
	}
}

// checkStale finds endpoints that nobody will remove: of pods, at a Service that has no selector anymore and will have
// none, as Kubernetes keeps them, and of a resolver that no longer works in the namespace.
func (p *Plan) checkStale(c Change) {
	live := p.live.Services[c.Key]
	if live == nil || c.After.IsAlias() {
		return
	}
	add := func(code findings.Code, isStale func(*discoveryv1.EndpointSlice) bool) {
		var names []string
		for _, slice := range p.live.Slices[c.Key] {
			if isStale(slice) && len(slice.Endpoints) > 0 {
				names = append(names, slice.Name)
			}
		}
		if len(names) > 0 {
			p.add(c, code, service.SliceArgs(names))
		}
	}
	if !service.HasSelector(c.After.Service) && !service.HasSelector(live) {
		add(findings.StaleEndpoints, service.OfPods)
	}
	if !p.followedAfter[c.Namespace] && !findings.Has(p.Findings, findings.ResolverRemoved, c.Namespace, c.Name) {
		add(findings.ResolverSlicesLeft, service.OfResolver)
	}
}

// reachesOtherPods says whether a mapping reaches pods that it did not reach before, or at other ports.
func reachesOtherPods(before, after *service.Mapping) bool {
	if !after.HasPods() {
		return false
	}
	samePods := func(a, b service.Port) bool { return a.PodPort == b.PodPort && a.Protocol == b.Protocol }
	return before == nil || before.Backend != after.Backend || before.SelectorText() != after.SelectorText() ||
		!slices.EqualFunc(before.Ports, after.Ports, samePods)
}

// checkPods finds problems of the pods that a mapping begins to reach.
func (p *Plan) checkPods(c Change, pods []*corev1.Pod) {
	noPods, noPort := findings.NoPods, findings.PodPortMissing
	if c.After.Backend == values.Both {
		noPods, noPort = findings.NoPodsBoth, findings.PodPortMissingBoth
	}
	count := strconv.Itoa(len(pods))
	ready := slices.DeleteFunc(pods, func(pod *corev1.Pod) bool {
		return !isReady(pod) && (c.After.Settings["publishNotReadyAddresses"] != true || pod.Status.PodIP == "")
	})
	if len(ready) == 0 {
		p.add(c, noPods, findings.Args{"count": count, "selector": c.After.SelectorText()})
		return
	}
	missing := slices.DeleteFunc(slices.Clone(c.After.Ports), func(port service.Port) bool {
		_, err := strconv.Atoi(port.PodPort)
		return err == nil || slices.ContainsFunc(ready, func(pod *corev1.Pod) bool { return hasPort(pod, port) })
	})
	if len(missing) > 0 {
		p.add(c, noPort, findings.Args{"ports": service.PodPorts(missing)})
	}
}

func isReady(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func hasPort(pod *corev1.Pod, port service.Port) bool {
	return slices.ContainsFunc(pod.Spec.Containers, func(container corev1.Container) bool {
		return slices.ContainsFunc(container.Ports, func(p corev1.ContainerPort) bool {
			return p.Name == port.PodPort && string(service.Protocol(p.Protocol)) == port.Protocol
		})
	})
}
