package plan

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"external-services/tools/findings"
	"external-services/tools/service"
	"external-services/tools/values"
)

// checkChanges adds the problems that the values show.
func (p *Plan) checkChanges() {
	for _, c := range p.Changes {
		if c.After == nil {
			p.checkRemoval(c)
			continue
		}
		p.checkConflict(c)
		if losesAddresses(c.Before, c.After) {
			p.add(c, findings.NoReadyAddress, nil)
		}
		if c.Before != nil {
			p.checkRules(c)
		}
	}
}

func (p *Plan) checkRules(c Change) {
	before, after := c.Before, c.After
	wasAlias, isAlias := before.IsAlias(), after.IsAlias()
	hadSelector, hasSelector := service.HasSelector(before.Service), service.HasSelector(after.Service)
	isCutover := before.Backend != after.Backend && before.Backend != values.Both && after.Backend != values.Both
	// With the backend cluster, the resolver has removed them when a pod became ready.
	leavesSlices := before.IsFollowed() && before.Backend != values.Cluster && !p.followedAfter[c.Namespace]
	handsOver := !before.IsFollowed() && isStatic(before) && before.Backend == values.External &&
		after.IsFollowed() && !isStatic(after) && after.Backend == values.External
	renamed, removed := changedPorts(before, after)
	patched := patchedPorts(before.Service, after.Service)
	args := findings.Args{
		"old": string(before.Backend), "new": string(after.Backend),
		"externalName": cmp.Or(after.ExternalName, before.ExternalName),
		"names":        findings.Some(renamed, ", "), "ports": findings.Some(removed, ", "),
	}
	for _, rule := range []struct {
		applies bool
		code    findings.Code
	}{
		{hadSelector && after.Endpoints != nil, findings.EndpointsExist},
		{hasSelector && before.Endpoints != nil, findings.EndpointsOverwritten},
		{isCutover && !wasAlias && !isAlias, findings.WithoutBoth},
		{before.HasPods() && !hasSelector && !isAlias, findings.SelectorRemoved},
		{before.HasPods() && !hasSelector && isAlias, findings.SelectorRemovedAlias},
		{after.HasPods() && !hadSelector && !wasAlias, findings.RollbackStale},
		{isAlias && before.HasClusterIP(), findings.DNSAnswers},
		{isAlias && before.Headless, findings.DNSAnswersFromHeadless},
		{wasAlias && !isAlias, findings.DNSAnswersFromAlias},
		{handsOver && after.HealthCheck == nil, findings.WithoutOverlap},
		{handsOver && after.HealthCheck != nil, findings.WithoutOverlapChecked},
		{leavesSlices && !isAlias, findings.ResolverRemoved},
		{leavesSlices && isAlias, findings.ResolverRemovedAlias},
		{after.IsFollowed() && !p.followedBefore[c.Namespace] && !wasAlias, findings.RollbackResolver},
		{len(renamed) > 0 && before.HasClusterIP() && after.HasClusterIP(), findings.PortRenamed},
		{patched != "", patched},
		{len(removed) > 0 && !isAlias, findings.PortRemoved},
	} {
		if rule.applies {
			p.add(c, rule.code, args)
		}
	}
}

// isStatic says whether connections go to an address in an object of the release.
func isStatic(m *service.Mapping) bool {
	byRelease := m.HealthCheck == nil // else the resolver writes the IP addresses too
	return byRelease && slices.ContainsFunc(m.Addresses, func(a service.Address) bool { return a.IP != "" && a.Ready })
}

// losesAddresses says whether connections go to addresses of which none is ready, and did not before.
func losesAddresses(before, after *service.Mapping) bool {
	lost := func(m *service.Mapping) bool { return m.Backend == values.External && !m.HasReadyAddress() }
	return !after.IsAlias() && lost(after) && (before == nil || !lost(before))
}

// checkConflict finds what the API server does not change in the live Service. An upgrade that it did not apply
// leaves the Service other than the release says, so the release counts only if the Service could not be read.
func (p *Plan) checkConflict(c Change) {
	var stored *corev1.Service
	if p.live != nil {
		stored = p.live.Services[c.Key]
	}
	if stored == nil && c.Before != nil && (p.live == nil || !p.live.CouldRead(service.Services, c.Namespace)) {
		stored = c.Before.Stored()
	}
	if stored == nil {
		return
	}
	if code := service.Conflict(stored, c.After); code != "" {
		p.add(c, code, findings.Args{
			"old": service.Join(stored.Spec.IPFamilies, " and "), "new": strings.Join(c.After.Families, " and "),
		})
	}
}

// checkRemoval finds a mapping that is removed, or renamed if an added one reaches the same.
func (p *Plan) checkRemoval(c Change) {
	for _, other := range p.Changes {
		if other.Action == Add && sameTarget(c.Before, other.After) {
			p.add(c, findings.EntryRenamed, findings.Args{"other": other.Key.String()})
			return
		}
	}
	p.add(c, findings.EntryRemoved, nil)
}

func sameTarget(a, b *service.Mapping) bool {
	return a.ExternalName == b.ExternalName && slices.Equal(a.Addresses, b.Addresses) && maps.Equal(a.Selector, b.Selector)
}
