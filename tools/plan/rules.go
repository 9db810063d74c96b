package plan

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"external-services/tools/findings"
	"external-services/tools/service"
	"external-services/tools/values"
)

// findings are the problems of a change that the values show.
func (c Change) findings() []findings.Finding {
	var list []findings.Finding
	if c.After != nil && losesAddresses(c.Before, c.After) {
		list = append(list, c.finding(findings.NoReadyAddress, nil))
	}
	if c.Before == nil || c.After == nil {
		return list
	}
	list = append(list, c.backendFindings()...)
	list = append(list, c.selectorFindings()...)
	list = append(list, c.aliasFindings()...)
	return append(list, c.portFindings()...)
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
	return []findings.Finding{c.finding(code, findings.Args{"old": fixed.Families(), "new": strings.Join(c.After.Families, " and ")})}
}

func (c Change) backendFindings() []findings.Finding {
	before, after := c.Before, c.After
	backends := []values.Backend{before.Backend, after.Backend}
	if before.IsAlias() || after.IsAlias() || before.Backend == after.Backend || slices.Contains(backends, values.Both) {
		return nil
	}
	return []findings.Finding{c.finding(findings.WithoutBoth, findings.Args{"old": string(before.Backend), "new": string(after.Backend)})}
}

func (c Change) selectorFindings() []findings.Finding {
	var list []findings.Finding
	before, after := c.Before, c.After
	had, has := service.HasSelector(before.Service), service.HasSelector(after.Service)
	if had && after.Endpoints != nil {
		list = append(list, c.finding(findings.EndpointsExist, nil))
	}
	if has && before.Endpoints != nil {
		list = append(list, c.finding(findings.EndpointsOverwritten, nil))
	}
	switch {
	case before.HasPods() && !has && after.IsAlias():
		list = append(list, c.finding(findings.SelectorRemovedAlias, nil))
	case before.HasPods() && !has:
		list = append(list, c.finding(findings.SelectorRemoved, nil))
	case after.HasPods() && !had && !before.IsAlias():
		list = append(list, c.finding(findings.RollbackStale, nil))
	}
	return list
}

func (c Change) aliasFindings() []findings.Finding {
	before, after := c.Before, c.After
	args := findings.Args{"externalName": cmp.Or(after.ExternalName, before.ExternalName)}
	switch {
	case before.IsAlias() == after.IsAlias():
		return nil
	case before.IsAlias():
		return []findings.Finding{c.finding(findings.DNSAnswersFromAlias, args)}
	case before.Headless:
		return []findings.Finding{c.finding(findings.DNSAnswersFromHeadless, args)}
	}
	return []findings.Finding{c.finding(findings.DNSAnswers, args)}
}

// removals are the mappings that are removed, or renamed if an added one reaches the same.
func removals(changes []Change) []findings.Finding {
	var list []findings.Finding
	for _, c := range changes {
		if c.Action != Remove {
			continue
		}
		f := c.finding(findings.EntryRemoved, nil)
		if i := slices.IndexFunc(changes, func(other Change) bool { return other.Action == Add && sameTarget(c.Before, other.After) }); i >= 0 {
			f = c.finding(findings.EntryRenamed, findings.Args{"other": changes[i].Key.String()})
		}
		list = append(list, f)
	}
	return list
}

func sameTarget(a, b *service.Mapping) bool {
	return a.ExternalName == b.ExternalName && reflect.DeepEqual(a.Addresses, b.Addresses) && reflect.DeepEqual(a.Selector, b.Selector)
}
