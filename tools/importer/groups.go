package importer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"external-services/charts"
	"external-services/tools/findings"
	"external-services/tools/service"
)

// withoutService says why an object that belongs to no imported Service is not imported.
func withoutService(m service.Manifest, svc service.Key, reason string) findings.Finding {
	why := fmt.Sprintf("%s %s: %s", m.Kind, service.KeyOf(m.Object), reason)
	if m.From != "" {
		why = m.From + ": " + why
	}
	return findings.New(findings.NotImported, svc.Namespace, svc.Name, findings.Args{"why": why, "fix": ""})
}

// group puts the objects of each Service together. What is not for import is left out, and what belongs to no
// Service is unmatched.
func (o *Objects) group() (entries []*entry, leftOut []LeftOut, unmatched []findings.Finding) {
	leftOut, unmatched = []LeftOut{}, slices.Concat([]findings.Finding{}, o.outdated)
	for _, err := range o.broken {
		unmatched = append(unmatched, notRead(err.Error()))
	}
	for key, broken := range o.brokenOf {
		if svc := o.service(key); svc != nil && o.whyLeftOut(svc) == "" {
			continue // the entry has it
		}
		for _, why := range broken {
			unmatched = append(unmatched, notRead(why))
		}
	}
	slices.SortFunc(unmatched, func(a, b findings.Finding) int { return cmp.Compare(a.Message, b.Message) })
	skip := func(kind string, key service.Key, reason string) {
		leftOut = append(leftOut, LeftOut{Kind: kind, Namespace: key.Namespace, Name: key.Name, Reason: reason})
	}
	byService := map[service.Key]*entry{} // nil if the Service is left out
	for _, key := range o.sorted(kindService) {
		svc := o.service(key)
		byService[key] = nil
		if reason := o.whyLeftOut(svc); reason != "" {
			skip(kindService, key, reason)
			continue
		}
		e := newEntry(svc)
		e.unknownFields, e.commented, e.strict = o.unknownFields[key], o.commented, o.Strict
		if o.isMeantWithoutSelector(svc) {
			e.dropSelector()
		}
		e.readFrom(o.byKind[kindService][key])
		for _, why := range o.brokenOf[key] {
			e.refuseAs(why, "")
		}
		byService[key] = e
		entries = append(entries, e)
	}
	add := func(kind string, key, svc service.Key, isCreated, isEmpty bool, addTo func(*entry)) {
		e, isKnown := byService[svc]
		switch {
		case isCreated:
			o.created[kind][key] = true
		case e != nil:
			addTo(e)
		case isKnown:
		case isEmpty:
			skip(kind, key, "it is empty")
		default:
			reason := fmt.Sprintf("its Service %s was not read", svc)
			other := service.Key{Name: svc.Name} // without a namespace
			switch {
			case byService[other] != nil:
				reason += ", only one without a namespace: write the same namespace in both"
			case svc.Name == "":
				reason = "it belongs to no Service, since it has no label " + discoveryv1.LabelServiceName
			}
			unmatched = append(unmatched, withoutService(o.byKind[kind][key], svc, reason))
		}
	}
	for _, key := range o.sorted(kindEndpoints) {
		endpoints := o.byKind[kindEndpoints][key].Object.(*service.Endpoints)
		add(kindEndpoints, key, key, o.isCreatedEndpoints(endpoints), len(endpoints.Subsets) == 0,
			func(e *entry) { e.endpoints = endpoints; e.readFrom(o.byKind[kindEndpoints][key]) })
	}
	for _, key := range o.sorted(kindSlice) {
		slice := o.byKind[kindSlice][key].Object.(*discoveryv1.EndpointSlice)
		add(kindSlice, key, service.ServiceOf(slice), o.isCreatedSlice(slice), false,
			func(e *entry) { e.slices = append(e.slices, slice); e.readFrom(o.byKind[kindSlice][key]) })
	}
	for _, kind := range slices.Sorted(maps.Keys(o.created)) {
		if count := len(o.created[kind]); count > 0 {
			leftOut = append(leftOut, LeftOut{Kind: kind, Count: count, Reason: "Kubernetes creates them from other objects"})
		}
	}
	leftOut = append(leftOut, o.giveRoutes(byService)...)
	for _, kind := range slices.Sorted(maps.Keys(o.encrypted)) {
		leftOut = append(leftOut, LeftOut{Kind: kind, Count: o.encrypted[kind], Reason: "SOPS encrypted them"})
	}
	return entries, leftOut, unmatched
}

// whyLeftOut is why a Service is not for import, or empty.
func (o *Objects) whyLeftOut(svc *corev1.Service) string {
	switch {
	case isAPIServer(service.KeyOf(svc)):
		return "it is the API server's own"
	case svc.DeletionTimestamp != nil:
		return "it is being deleted"
	case svc.Labels["app.kubernetes.io/name"] == charts.Dir && svc.Annotations["meta.helm.sh/release-name"] != "":
		return "it belongs to a release of this chart"
	case service.HasSelector(svc) && !o.Selectors && !o.isMeantWithoutSelector(svc):
		return "it selects pods; with --selectors it becomes an entry with the backend cluster"
	}
	return ""
}

func (o *Objects) sorted(kind string) []service.Key {
	return slices.SortedFunc(maps.Keys(o.byKind[kind]), service.Key.Compare)
}
