package service

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"external-services/tools/findings"
	"external-services/tools/helm"
)

// The findings that plan and check share.

// ReleaseFindings says what the last operation of a release means for the next one. The applier is Flux, if that
// installs the release.
func ReleaseFindings(r *helm.Deployed, applier helm.Applier) []findings.Finding {
	var code findings.Code
	isFlux := applier.Program == helm.Flux
	switch {
	case r.Blocked && isFlux:
		code = findings.ReleasePendingFlux
	case r.Status == "failed" && isFlux:
		code = findings.ReleaseFailedFlux
	case r.Status == "pending-install", r.Status == "uninstalling":
		code = findings.ReleasePendingUninstall
	case r.Blocked:
		code = findings.ReleasePending
	case r.Status == "failed":
		code = findings.ReleaseFailed
	default:
		return nil
	}
	return []findings.Finding{findings.New(code, "", "", findings.Args{
		"release": r.Name, "releaseNamespace": r.Namespace, "status": r.Status, "revision": strconv.Itoa(r.Revision),
		"helmRelease": applier.Name, "helmReleaseNamespace": applier.Namespace,
	})}
}

// Findings are the namespaces that do not exist, and what could not be read.
func (l *Live) Findings() []findings.Finding {
	var list []findings.Finding
	for _, u := range l.Unread {
		code, about := findings.NotChecked, ""
		if apierrors.IsForbidden(u.Err) {
			code = findings.NotCheckedForbidden
		}
		if len(u.Namespaces) == 1 {
			about = u.Namespaces[0]
		}
		where := findings.Some(u.Namespaces, ", ")
		what := u.Kind + " of " + where
		if u.Resource == Namespaces {
			what = "namespace " + where
		}
		view := " The role view of Kubernetes does."
		if u.Resource == Leases || u.Resource == Secrets {
			view = ""
		}
		list = append(list, findings.New(code, about, "", findings.Args{
			"what": what, "where": where, "why": u.Err.Error(), "verb": u.Verb, "resource": u.Name, "group": cmp.Or(u.Group, `""`),
			"view": view,
		}))
	}
	for _, namespace := range l.Missing {
		list = append(list, findings.New(findings.NamespaceMissing, namespace, "", nil))
	}
	return list
}

// PodPorts prints the ports of a Service and of its pods, for the findings about them.
func PodPorts(ports []Port) string {
	var texts []string
	for _, p := range ports {
		texts = append(texts, fmt.Sprintf("%s -> %s", p, p.PodPort))
	}
	return findings.Some(texts, ", ")
}

// SliceArgs name EndpointSlices of a Service, for the findings about them.
func SliceArgs(names []string) findings.Args {
	return findings.Args{"slices": findings.Some(names, ", "), "sliceNames": strings.Join(names, " ")}
}
