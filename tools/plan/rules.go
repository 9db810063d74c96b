package plan

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"external-services/tools/findings"
	"external-services/tools/service"
	"external-services/tools/values"
)

// findings are the problems of a change that the values show.
func (c Change) findings() []findings.Finding {
	var list []findings.Finding
	before, after := c.Before, c.After
	if after != nil && losesAddresses(before, after) {
		list = append(list, c.finding(findings.NoReadyAddress, nil))
	}
	if before == nil || after == nil {
		return list
	}
	wasAlias, isAlias := before.IsAlias(), after.IsAlias()
	hadSelector, hasSelector := service.HasSelector(before.Service), service.HasSelector(after.Service)
	isCutover := before.Backend != after.Backend && before.Backend != values.Both && after.Backend != values.Both
	renamed, removed := renamedPorts(before, after), removedPorts(before, after)
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
		{len(renamed) > 0 && before.HasClusterIP() && after.HasClusterIP(), findings.PortRenamed},
		{patched == findings.PortsByNumber, findings.PortsByNumber},
		{patched == findings.PortsByNumberRefused, findings.PortsByNumberRefused},
		{len(removed) > 0 && !isAlias, findings.PortRemoved},
	} {
		if rule.applies {
			list = append(list, c.finding(rule.code, args))
		}
	}
	return list
}

// losesAddresses says whether connections go to addresses of which none is ready, and did not before.
func losesAddresses(before, after *service.Mapping) bool {
	lost := func(m *service.Mapping) bool { return m.Backend == values.External && m.ReadyAddresses() == 0 }
	return !after.IsAlias() && lost(after) && (before == nil || !lost(before))
}

// conflict is what the API server does not change in the Service.
func (c Change) conflict(fixed *service.Fixed) []findings.Finding {
	if fixed == nil {
		return nil
	}
	code := map[service.Conflict]findings.Code{
		service.RemovesClusterIP: findings.ClusterIPToHeadless,
		service.AddsClusterIP:    findings.HeadlessToClusterIP,
		service.ChangesFamily:    findings.FamilyChange,
	}[fixed.Conflict(c.After)]
	if code == "" {
		return nil
	}
	args := findings.Args{"old": fixed.Families(), "new": strings.Join(c.After.Families, " and ")}
	return []findings.Finding{c.finding(code, args)}
}

// removals are the mappings that are removed, or renamed if an added one reaches the same.
func removals(changes []Change) []findings.Finding {
	var list []findings.Finding
	for _, c := range changes {
		if c.Action != Remove {
			continue
		}
		isNewName := func(other Change) bool { return other.Action == Add && sameTarget(c.Before, other.After) }
		f := c.finding(findings.EntryRemoved, nil)
		if i := slices.IndexFunc(changes, isNewName); i >= 0 {
			f = c.finding(findings.EntryRenamed, findings.Args{"other": changes[i].Key.String()})
		}
		list = append(list, f)
	}
	return list
}

func sameTarget(a, b *service.Mapping) bool {
	return a.ExternalName == b.ExternalName && slices.Equal(a.Addresses, b.Addresses) && maps.Equal(a.Selector, b.Selector)
}
