package check

import (
	"context"
	"slices"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/client-go/kubernetes"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
	"external-services/tools/values"
)

// checkResolvers finds resolvers that are not at work, and what they say of the DNS names of the entries.
func (r *Report) checkResolvers(ctx context.Context, client kubernetes.Interface, live *service.Live, resolvers []helm.Resolver) {
	for _, resolver := range resolvers {
		if !live.IsRunning(ctx, client, resolver) {
			r.Findings = append(r.Findings, findings.New(findings.ResolverNotRunning, "", "", findings.Args{
				"lease": resolver.Namespace + "/" + resolver.Name, "leaseNamespace": resolver.Namespace,
			}))
		}
	}
	events := map[string][]*eventsv1.Event{}
	for _, e := range r.Entries {
		if len(e.Desired.Hosts()) == 0 || e.Desired.Backend == values.Cluster || live.IsMissing(e.Namespace) || live.Services[e.Key] == nil {
			continue
		}
		if _, ok := events[e.Namespace]; !ok {
			events[e.Namespace] = live.ReadEvents(ctx, client, e.Namespace)
		}
		r.checkNames(e, live, events[e.Namespace])
	}
}

// checkNames finds names without an address, names that no longer resolve, and answers that were refused.
func (r *Report) checkNames(e *Entry, live *service.Live, events []*eventsv1.Event) {
	var unresolved []string
	why := ""
	for _, host := range e.Desired.Hosts() {
		failed := service.NameEvent(events, e.Name, host, values.NameNotResolved, values.NameResolved)
		if failed != nil && failed.Reason == values.NameResolved {
			failed = nil
		}
		switch {
		case !hasAddress(live, e.Key, host):
			unresolved = append(unresolved, host)
			if failed != nil {
				why = ": " + failed.Note
			}
		case failed != nil:
			r.add(e, findings.NameStale, findings.Args{"why": failed.Note})
		}
		if refused := service.NameEvent(events, e.Name, host, values.AddressRefused); refused != nil {
			r.add(e, findings.AddressRefused, findings.Args{"why": refused.Note})
		}
	}
	if len(unresolved) == 0 || !live.CouldRead(service.EndpointSlices, e.Namespace) {
		return
	}
	code := findings.NameUnresolvedOthers
	if isReady := func(e Endpoint) bool { return e.Ready }; !slices.ContainsFunc(e.Endpoints, isReady) {
		code = findings.NameUnresolved
	}
	r.add(e, code, findings.Args{"names": findings.Some(unresolved, ", "), "why": why})
}

// hasAddress says whether the resolver has written an address of a name.
func hasAddress(live *service.Live, key service.Key, host string) bool {
	for _, slice := range live.Slices[key] {
		if service.OfResolver(slice) && service.HostOf(slice) == host && len(slice.Endpoints) > 0 {
			return true
		}
	}
	return false
}
