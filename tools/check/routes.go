package check

import (
	"strings"

	"external-services/tools/findings"
	"external-services/tools/service"
)

// front finds what is wrong with what is in front of the Service: Ingress, route and BackendTLSPolicy.
func (a *assessment) front() {
	for _, route := range a.Routes {
		live, read := a.live.Route(a.Mapping, route)
		switch {
		case !read: // a finding says so
		case live == nil:
			a.add(findings.RouteMissing, findings.Args{"kind": route.Kind, "apply": a.report.apply()})
		case a.report.Release != nil && !a.report.Release.Owns(live):
			a.foreign(route.Kind, live)
		default:
			if drift := service.RouteDrift(route, live); len(drift.Differences) > 0 {
				a.addDrift(drift)
			}
			a.routeState(route, a.live.StateOf(route, live))
		}
	}
}

// routeState finds parents that refuse a route, or that do not answer.
func (a *assessment) routeState(route service.Route, state service.RouteState) {
	if len(state.Refused) > 0 {
		a.add(findings.RouteRefused, findings.Args{
			"kind": route.Kind, "resource": strings.ToLower(route.Kind), "reasons": findings.Some(state.Refused, "; "),
		})
		return
	}
	if len(state.Unanswered) > 0 {
		a.add(findings.RouteUnanswered, findings.Args{"kind": route.Kind, "parents": findings.Some(state.Unanswered, ", ")})
	}
}
