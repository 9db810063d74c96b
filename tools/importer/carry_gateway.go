package importer

import (
	"cmp"
	"slices"

	"external-services/tools/helm"
	"external-services/tools/values"
)

type routeSpec struct {
	ParentRefs []struct {
		Group string `json:"group"`
		Kind  string `json:"kind"`
		values.ParentRef
	} `json:"parentRefs"`
	Hostnames []string `json:"hostnames"`
	Rules     []struct {
		Matches []struct {
			Path struct {
				Type  string `json:"type"`
				Value string `json:"value"`
			} `json:"path"`
		} `json:"matches"`
		BackendRefs []struct {
			Group     string `json:"group"`
			Kind      string `json:"kind"`
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
			Port      int    `json:"port"`
			Weight    *int   `json:"weight"`
		} `json:"backendRefs"`
	} `json:"rules"`
}

type backendTLSSpec struct {
	TargetRefs []struct {
		Group       string `json:"group"`
		Kind        string `json:"kind"`
		Name        string `json:"name"`
		SectionName string `json:"sectionName"`
	} `json:"targetRefs"`
	Validation struct {
		Hostname          string `json:"hostname"`
		CACertificateRefs []struct {
			Group string `json:"group"`
			Kind  string `json:"kind"`
			values.LocalReference
		} `json:"caCertificateRefs"`
		WellKnownCACertificates values.WellKnown `json:"wellKnownCACertificates"`
	} `json:"validation"`
}

// carryRoute carries over a route of the Gateway API.
func (e *entry) carryRoute(r route) bool {
	object, ok := decodeFront[routeSpec](r)
	if !ok || len(object.Spec.Rules) == 0 || len(object.Spec.ParentRefs) == 0 {
		return false
	}
	kind := values.RouteKind(r.kind)
	out := &values.Route{Kind: kind, Hostnames: object.Spec.Hostnames, Annotations: pairsOf(object.Metadata.Annotations)}
	if kind == values.HTTPRoute {
		out.Kind = "" // the default
	}
	for _, parent := range object.Spec.ParentRefs {
		if cmp.Or(parent.Kind, "Gateway") != "Gateway" || cmp.Or(parent.Group, helm.GatewayGroup) != helm.GatewayGroup {
			return false
		}
		out.ParentRefs = append(out.ParentRefs, parent.ParentRef)
	}
	if slices.ContainsFunc(out.Hostnames, func(host string) bool { return !isFormat("routeHost", host) }) {
		return false
	}
	types := map[string]values.PathType{"": values.PathPrefix, "PathPrefix": values.PathPrefix, "Exact": values.PathExact}
	for _, rule := range object.Spec.Rules {
		if len(rule.BackendRefs) != 1 || rule.BackendRefs[0].Weight != nil && *rule.BackendRefs[0].Weight == 0 || len(rule.Matches) > 1 {
			return false
		}
		path, pathType := "/", values.PathPrefix
		for _, match := range rule.Matches {
			path, pathType = cmp.Or(match.Path.Value, "/"), types[match.Path.Type]
		}
		converted, ok := e.pathOf(path, pathType, rule.BackendRefs[0].Port)
		if !ok || kind != values.HTTPRoute && (len(rule.Matches) > 0 || len(object.Spec.Rules) > 1) {
			return false
		}
		out.Rules = append(out.Rules, converted)
	}
	out.Rules, out.AllowAlias = withoutDefault(out.Rules), e.allowAlias()
	e.Route = out
	e.noteFront(r, object.Metadata, "route")
	return true
}

// carryBackendTLS carries over a BackendTLSPolicy.
func (e *entry) carryBackendTLS(r route) bool {
	object, ok := decodeFront[backendTLSSpec](r)
	validation := object.Spec.Validation
	if !ok || len(object.Spec.TargetRefs) != 1 || !isFormat("tlsHost", validation.Hostname) || len(object.Metadata.Annotations) > 0 {
		return false
	}
	out := &values.BackendTLS{Hostname: validation.Hostname, WellKnown: validation.WellKnownCACertificates, Port: object.Spec.TargetRefs[0].SectionName}
	for _, ref := range validation.CACertificateRefs {
		if ref.Group != "" || ref.Kind != "ConfigMap" {
			return false
		}
		out.CACertificates = append(out.CACertificates, ref.LocalReference)
	}
	isPort := func(p values.Port) bool { return p.Name == out.Port }
	if out.Port != "" && !slices.ContainsFunc(e.Ports, isPort) || (len(out.CACertificates) > 0) == (out.WellKnown != "") {
		return false
	}
	if len(e.Ports) == 1 {
		out.Port = ""
	}
	e.BackendTLS = out
	e.noteFront(r, object.Metadata, "backendTLS")
	return true
}
