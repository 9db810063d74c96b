package service

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// Drift is how a live object differs from the desired one.
type Drift struct {
	Object      string // such as "Service orders"
	Differences []Difference

	// Patch is set for a Service and what no upgrade corrects in it: the JSON merge patch that does.
	Patch string
}

// Drift compares the live objects of a mapping with the desired ones, each by itself, without its routes. Objects that
// do not exist are left out, and so are labels and annotations that others add to a Service, and the labels to ignore.
// What an upgrade does not correct in a Service is a drift of its own.
func (l *Live) Drift(desired *Mapping, ignoreLabels ...string) []Drift {
	var drifts []Drift
	add := func(object string, differences []Difference) {
		if len(differences) > 0 {
			drifts = append(drifts, Drift{object, differences, ""})
		}
	}
	of := func(slices []*discoveryv1.EndpointSlice, endpoints *Endpoints) *Mapping {
		return NewMapping(desired.Service, slices, endpoints)
	}
	if live := l.Services[desired.Key]; live != nil {
		corrected, left := splitByUpgrade(diffServices(desired.Service, live, ignoreLabels), desired.Service, live)
		add("Service "+desired.Name, corrected)
		if len(left) > 0 {
			drifts = append(drifts, Drift{"Service " + desired.Name, left, removal(left, desired.Service, live)})
		}
	}
	for _, slice := range desired.Slices {
		live := l.Named[KeyOf(slice)]
		if live == nil {
			continue
		}
		// Names of ports are not compared: those of the live Service and of the slice must match, whatever they are.
		d := &differences{Diff(of([]*discoveryv1.EndpointSlice{slice}, nil), of([]*discoveryv1.EndpointSlice{live}, nil))}
		const managedBy = discoveryv1.LabelManagedBy
		d.text("label "+managedBy, slice.Labels[managedBy], live.Labels[managedBy], false)
		add("EndpointSlice "+slice.Name, d.list)
	}
	if live := l.Legacy[desired.Key]; live != nil {
		add("Endpoints "+desired.Name, Diff(of(nil, desired.Endpoints), of(nil, live)))
	}
	return drifts
}

func diffServices(desired, live *corev1.Service, ignoreLabels []string) []Difference {
	from, to := NewMapping(desired, nil, nil), NewMapping(live, nil, nil)
	for _, key := range ignoreLabels {
		delete(from.Labels, key)
	}
	deleteOthers(to.Labels, from.Labels)
	deleteOthers(to.Annotations, from.Annotations)
	return Diff(from, to)
}

// deleteOthers deletes the pairs whose keys are not in another map.
func deleteOthers(pairs, other map[string]string) {
	maps.DeleteFunc(pairs, func(key, _ string) bool {
		_, ok := other[key]
		return !ok
	})
}
