package check

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
	"external-services/tools/values"
)

// resolvers are those that follow one of the entries to check. Those of values have a name only if the release has
// one.
func (o Options) resolvers(all []helm.Resolver, desired []*service.Mapping) []helm.Resolver {
	if o.FromValues && o.Release == "" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(all), func(r helm.Resolver) bool {
		return !slices.ContainsFunc(desired, func(m *service.Mapping) bool {
			return m.IsFollowed() && m.Resolver.Namespace == r.Namespace && m.Resolver.Name == r.Name
		})
	})
}

// checkResolvers finds resolvers that are not running, or have another configuration.
func (r *Report) checkResolvers(live *service.Live, resolvers []helm.Resolver) {
	for _, resolver := range resolvers {
		config := live.Resolvers[service.Key{Namespace: resolver.Namespace, Name: resolver.Name}].Config
		args := findings.Args{"resolver": resolver.Name, "resolverNamespace": resolver.Namespace, "restore": r.restore(), "source": r.source()}
		add := func(code findings.Code) { r.Findings = append(r.Findings, findings.New(code, "", "", args)) }
		if live.IsStopped(&resolver) {
			add(findings.ResolverNotRunning)
		}
		switch {
		case !live.CouldRead(service.ConfigMaps, resolver.Namespace):
		case config == nil:
			add(findings.ResolverConfigMissing)
		case !isConfig(*config, resolver.Config):
			add(findings.ResolverConfig)
		}
	}
}

// isConfig says whether a text is a configuration.
func isConfig(text string, desired *values.ResolverConfig) bool {
	config, err := values.ParseResolverConfig(text)
	return err == nil && equality.Semantic.DeepEqual(config, desired)
}

// names finds DNS names without an address, names that no longer resolve, answers that were refused, and IP addresses
// that the resolver is to write and has not.
func (a *assessment) names() {
	if !a.IsFollowed() {
		return
	}
	for _, host := range a.Hosts() {
		a.name(host)
	}
	if a.HealthCheck != nil && len(a.entry.Missing) > 0 {
		a.add(findings.EndpointsNotWritten, findings.Args{"addresses": findings.Some(a.entry.Missing, ", ")})
	}
}

func (a *assessment) name(host string) {
	isResolved, why := false, ""
	for _, family := range []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol} {
		newest := a.live.NameEvent(a.Mapping, host, family, values.NameNotResolved, values.NameResolved)
		isFailing, isInUse := newest != nil && newest.Reason == values.NameNotResolved, a.hasAddress(host, family)
		isResolved = isResolved || isInUse
		switch {
		case isFailing && isInUse:
			a.add(findings.NameStale, findings.Args{"why": newest.Message})
		case isFailing && why == "":
			why = newest.Message
		}
		if refused := a.live.NameEvent(a.Mapping, host, family, values.AddressRefused); refused != nil {
			a.add(findings.AddressRefused, findings.Args{"why": refused.Message})
		}
	}
	// Two names of an entry may have one address, which is then in the slice of the first.
	others, _ := a.entry.count(service.Followed)
	isShared := why == "" && others > 0 && !a.live.IsStopped(a.Resolver)
	if isResolved || isShared {
		return
	}
	code := findings.NameUnresolvedOthers
	if !a.entry.hasReady() {
		code = findings.NameUnresolved
	}
	if why == "" {
		why = "The resolver has not asked for it yet, may not write EndpointSlices, or is not running."
	}
	a.add(code, findings.Args{"host": host, "why": why})
}

// hasAddress says whether the resolver has written an address of a name in a family.
func (a *assessment) hasAddress(host string, family corev1.IPFamily) bool {
	return slices.ContainsFunc(a.live.Slices[a.Key], func(slice *discoveryv1.EndpointSlice) bool {
		return service.OfResolver(slice) && service.HostOf(slice) == host && string(slice.AddressType) == string(family) && len(slice.Endpoints) > 0
	})
}
