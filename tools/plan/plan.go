// Package plan says what an upgrade from some values of the chart to others changes,
// what of it a live cluster does not take or not without failed connections, and the
// safe way. It changes nothing.
package plan

import (
	"maps"
	"slices"

	"external-services/tools/helm"
)

// Plan is what an upgrade does.
type Plan struct {
	// Release is the release that the upgrade is of, null where two sets of values are
	// compared.
	Release *Release `json:"release"`

	// Changes are the entries that change, by namespace and name.
	Changes []Change `json:"changes"`

	// Hazards are what does not go as the values say, or not without failed connections.
	// Those of the whole release come first, then by namespace and name.
	Hazards []Hazard `json:"hazards"`

	// NotChecked is what could not be looked at, and so is no reason to feel safe.
	NotChecked []NotChecked `json:"notChecked"`
}

// Release is a live release.
type Release struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`

	// Revision is the last one and Status its status, 0 and empty where the release is
	// not installed yet.
	Revision int    `json:"revision"`
	Status   string `json:"status"`
}

// NotChecked is something that could not be read.
type NotChecked struct {
	What string `json:"what"` // such as: the pods of shop
	Why  string `json:"why"`  // the error
}

// Exit codes of extsvc plan; 1 is an error.
const (
	ExitNoChange = 0
	ExitChanges  = 2
	ExitHazards  = 3
)

// ExitCode is the exit code that tells scripts what there is.
func (p *Plan) ExitCode() int {
	switch {
	case len(p.Hazards) > 0:
		return ExitHazards
	case len(p.Changes) > 0:
		return ExitChanges
	}
	return ExitNoChange
}

// Has says whether the plan has a hazard of a code for an entry. For those of the whole
// release the key is empty.
func (p *Plan) Has(code Code, key Key) bool {
	return slices.ContainsFunc(p.Hazards, func(h Hazard) bool { return h.Code == code && h.Key == key })
}

// Refused says whether the plan has a hazard that makes helm upgrade fail.
func (p *Plan) Refused() bool {
	return slices.ContainsFunc(p.Hazards, func(h Hazard) bool { return h.Effect == Refused })
}

// Compare plans an upgrade from the objects of one rendering to those of another,
// without a look at a cluster.
func Compare(now, then *helm.Result) *Plan {
	return compare(now, then).finish()
}

func compare(now, then *helm.Result) *Plan {
	p := &Plan{Changes: []Change{}, Hazards: []Hazard{}, NotChecked: []NotChecked{}}
	before, after := States(now), States(then)
	keys := map[Key]bool{}
	for _, states := range []map[Key]*State{before, after} {
		for key := range states {
			keys[key] = true
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(keys), compareKeys) {
		change := Change{Key: key, Now: before[key], Then: after[key], Changes: []string{}}
		switch {
		case change.Now == nil:
			change.Action = Add
		case change.Then == nil:
			change.Action = Remove
		default:
			change.Action = Modify
			if change.Changes = differences(change.Now, change.Then); len(change.Changes) == 0 {
				continue
			}
		}
		p.Changes = append(p.Changes, change)
	}
	for _, change := range p.Changes {
		p.Hazards = append(p.Hazards, change.hazards()...)
	}
	p.Hazards = append(p.Hazards, removals(p.Changes)...)
	return p
}

// finish puts the hazards in order.
func (p *Plan) finish() *Plan {
	slices.SortStableFunc(p.Hazards, func(a, b Hazard) int { return compareKeys(a.Key, b.Key) })
	return p
}
