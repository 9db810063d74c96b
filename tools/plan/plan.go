// Package plan says what an upgrade from some values of the chart to others changes, which parts of it the
// cluster refuses or applies differently, and which interrupt connections. It changes nothing.
package plan

import (
	"maps"

	"k8s.io/utils/ptr"

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
	p.find(func(c Change) *service.Fixed {
		if c.Before == nil {
			return nil
		}
		return ptr.To(c.Before.Fixed())
	})
	findings.Sort(p.Findings)
	return p
}

// find adds what the objects of the changes show. Fixed says what cannot change in the Service, nil if it does
// not exist.
func (p *Plan) find(fixed func(Change) *service.Fixed) {
	for _, c := range p.Changes {
		if c.After != nil {
			p.add(c.conflict(fixed(c))...)
		}
		p.add(c.findings()...)
	}
	p.add(removals(p.Changes)...)
}

func (p *Plan) add(list ...findings.Finding) { p.Findings = append(p.Findings, list...) }

// compare lists the changes.
func compare(before, after *helm.Result) *Plan {
	p := &Plan{Changes: []Change{}, Findings: []findings.Finding{}}
	from, to := service.FromRendered(before), service.FromRendered(after)
	all := maps.Clone(from)
	maps.Copy(all, to)
	for _, m := range service.Sorted(all) {
		if change := newChange(m.Key, from[m.Key], to[m.Key]); change != nil {
			p.Changes = append(p.Changes, *change)
		}
	}
	return p
}
