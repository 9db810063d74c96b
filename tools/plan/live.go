package plan

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
	"external-services/tools/values"
)

// look adds findings to a plan that only the cluster shows.
type look struct {
	plan *Plan
	live *service.Live
}

// fixed is what the live Service does not change. An upgrade that the API server did not apply leaves it other
// than the release says, so the release counts only if the Service could not be read.
func (l *look) fixed(c Change) *service.Fixed {
	live := l.live.Services[c.Key]
	switch {
	case live != nil:
		return ptr.To(service.FixedOf(live))
	case c.Before != nil && !l.live.CouldRead(service.Services, c.Namespace):
		return ptr.To(c.Before.Fixed())
	}
	return nil
}

// ownership finds objects that Helm would create, and that already exist.
func (l *look) ownership(c Change) {
	before, stored := c.Before.Objects(), l.live.Services[c.Key]
	check := func(kind string, live metav1.Object) {
		switch {
		case before[kind+" "+live.GetName()] != nil, l.plan.Release.Owns(live):
		case kind == "Endpoints" && stored != nil && l.plan.Release.Owns(stored):
			// Kubernetes created them for a selector, perhaps one that the Service no longer has.
			if !findings.Has(l.plan.Findings, findings.EndpointsExist, c.Namespace, c.Name) {
				l.plan.add(c.finding(findings.EndpointsExist, nil))
			}
		default:
			l.plan.add(c.finding(findings.NotOwned, findings.Args{
				"kind": kind, "object": service.KeyOf(live).String(), "owner": helm.OwnerOf(live).String(),
			}))
		}
	}
	if stored != nil {
		check("Service", stored)
	}
	for _, slice := range c.After.Slices {
		if live := l.live.Named[service.KeyOf(slice)]; live != nil {
			check("EndpointSlice", live)
		}
	}
	if live := l.live.Legacy[c.Key]; live != nil {
		check("Endpoints", live)
	}
}

// stale finds endpoints of pods at a Service that has no selector anymore, and will have none: Kubernetes keeps
// them.
func (l *look) stale(c Change) {
	live := l.live.Services[c.Key]
	if live == nil || c.After.IsAlias() || service.HasSelector(c.After.Service) || service.HasSelector(live) {
		return
	}
	var names []string
	for _, slice := range l.live.Slices[c.Key] {
		if service.OfPods(slice) && len(slice.Endpoints) > 0 {
			names = append(names, slice.Name)
		}
	}
	if len(names) > 0 {
		l.plan.add(service.SliceFinding(findings.StaleEndpoints, c.Key, names))
	}
}

// reachesOtherPods says whether a mapping reaches pods that it did not reach before, or at other ports.
func reachesOtherPods(before, after *service.Mapping) bool {
	if !after.HasPods() {
		return false
	}
	ports := func(m *service.Mapping) (list []string) {
		for _, p := range m.Ports {
			list = append(list, p.PodPort+"/"+p.Protocol)
		}
		return list
	}
	return before == nil || before.Backend != after.Backend || before.SelectorText() != after.SelectorText() ||
		!slices.Equal(ports(before), ports(after))
}

// podFindings are the problems of the pods that a mapping begins to reach.
func (c Change) podFindings(pods []*corev1.Pod) []findings.Finding {
	noPods, noPort := findings.NoPods, findings.PodPortMissing
	if c.After.Backend == values.Both {
		noPods, noPort = findings.NoPodsBoth, findings.PodPortMissingBoth
	}
	count := strconv.Itoa(len(pods))
	ready := slices.DeleteFunc(pods, func(pod *corev1.Pod) bool {
		return !isReady(pod) && (c.After.Settings["publishNotReadyAddresses"] != true || pod.Status.PodIP == "")
	})
	if len(ready) == 0 {
		return []findings.Finding{c.finding(noPods, findings.Args{"count": count, "selector": c.After.SelectorText()})}
	}
	missing := slices.DeleteFunc(slices.Clone(c.After.Ports), func(port service.Port) bool {
		_, err := strconv.Atoi(port.PodPort)
		return err == nil || slices.ContainsFunc(ready, func(pod *corev1.Pod) bool { return hasPort(pod, port) })
	})
	if len(missing) == 0 {
		return nil
	}
	return []findings.Finding{c.finding(noPort, findings.Args{"ports": service.PodPorts(missing)})}
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
