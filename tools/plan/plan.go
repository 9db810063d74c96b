// Package plan says what an upgrade from some values of the chart to others changes, which parts of it the
// cluster refuses or applies differently, and which interrupt connections. It changes nothing.
package plan

import (
	"maps"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
)

// Plan is what an upgrade does.
type Plan struct {
	// Release is the release to upgrade, null if two sets of values are compared.
	Release *helm.Deployed `json:"release"`

	// Changes are the mappings that change, by namespace and name.
	Changes []Change `json:"changes"`

	// Findings are the problems of the upgrade, and what could not be read. Those of the release come first,
	// the others by namespace and name.
	Findings []findings.Finding `json:"findings"`

	applier helm.Applier  // Flux, if it installs the release
	live    *service.Live // nil without a cluster

	// followedBefore and followedAfter are the namespaces in which a resolver works.
	followedBefore, followedAfter map[string]bool
}

// ExitCode is the exit code of extsvc plan.
func (p *Plan) ExitCode() int {
	code := findings.ExitCode(p.Findings)
	if code == findings.ExitOK && len(p.Changes) > 0 {
		return findings.ExitNotice
	}
	return code
}

// Compare plans an upgrade from the objects of one rendering to those of another, without a cluster.
func Compare(before, after *helm.Result) *Plan {
	p := compare(before, after)
	p.checkChanges()
	findings.Sort(p.Findings)
	return p
}

// compare lists the changes.
func compare(before, after *helm.Result) *Plan {
	from, to := service.FromRendered(before), service.FromRendered(after)
	p := &Plan{
		Changes: []Change{}, Findings: []findings.Finding{},
		followedBefore: followedNamespaces(from), followedAfter: followedNamespaces(to),
	}
	all := maps.Clone(from)
	maps.Copy(all, to)
	for _, m := range service.Sorted(all) {
		if change := newChange(m.Key, from[m.Key], to[m.Key]); change != nil {
			p.Changes = append(p.Changes, *change)
		}
	}
	return p
}

// followedNamespaces are those in which a resolver follows an entry. It has no permissions elsewhere.
func followedNamespaces(mappings map[service.Key]*service.Mapping) map[string]bool {
	namespaces := map[string]bool{}
	for _, m := range mappings {
		if m.IsFollowed() {
			namespaces[m.Namespace] = true
		}
	}
	return namespaces
}

// add adds a finding about a mapping.
func (p *Plan) add(c Change, code findings.Code, args findings.Args) {
	p.Findings = append(p.Findings, findings.New(code, c.Namespace, c.Name, args))
}
