package check

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
)

// assess compares mappings with what the cluster has.
func assess(desired []*service.Mapping, live *service.Live, release *helm.Deployed) *Report {
	report := &Report{Release: release, Entries: []*Entry{}, Findings: []findings.Finding{}}
	if release != nil {
		for _, f := range service.ReleaseFindings(release) {
			f.Severity = findings.Warning // the next upgrade may fail, connections do not
			report.Findings = append(report.Findings, f)
		}
	}
	for _, m := range desired {
		entry := &Entry{Key: m.Key, Desired: m, Endpoints: []Endpoint{}, Missing: []string{}, Probes: []*Probe{}}
		report.Entries = append(report.Entries, entry)
		a := &assessment{Mapping: m, live: live, existing: live.Services[m.Key], report: report, entry: entry}
		a.run()
	}
	return report
}

// assessment is the comparison of a mapping, the desired one.
type assessment struct {
	*service.Mapping
	live     *service.Live
	existing *corev1.Service // nil if it does not exist, or could not be read
	report   *Report
	entry    *Entry
}

func (a *assessment) add(code findings.Code, args findings.Args) { a.report.add(a.entry, code, args) }

func (r *Report) add(e *Entry, code findings.Code, args findings.Args) {
	r.Findings = append(r.Findings, findings.New(code, e.Namespace, e.Name, args))
}

func (a *assessment) run() {
	if a.live.IsMissing(a.Namespace) {
		return // a finding about the namespace says so
	}
	if a.live.CouldRead(service.Services, a.Namespace) {
		if a.existing == nil {
			a.add(findings.ServiceMissing, findings.Args{"apply": a.report.apply()})
			return
		}
		if owner := a.otherOwner(); owner != "" {
			a.add(findings.NotOwned, findings.Args{"kind": "Service", "object": a.Key.String(), "owner": owner})
			return
		}
	}
	a.drift()
	a.front()
	observed := cmp.Or(a.existing, a.Service)
	if observed.Spec.Type == corev1.ServiceTypeExternalName {
		if name := observed.Spec.ExternalName; looksLikeIP(name) {
			a.add(findings.ExternalNameIP, findings.Args{"target": name, "ip": strings.Trim(name, "[]")})
		}
		if a.IsAlias() {
			return // DNS answers another name, and the cluster routes nothing
		}
	}
	if a.live.CouldRead(service.EndpointSlices, a.Namespace) {
		a.ownObjects()
		a.routes(observed)
		a.ports()
		a.names()
		a.readiness(observed)
	}
}

// looksLikeIP says whether a name is an IP address, or would be read as one.
func looksLikeIP(name string) bool {
	name = strings.TrimSuffix(name, ".")
	return net.ParseIP(name) != nil || strings.Trim(name, "0123456789.") == ""
}

// apply says how to create a missing object.
func (r *Report) apply() string {
	if r.Release == nil {
		return "Apply the values again."
	}
	return fmt.Sprintf("Run helm upgrade %s -n %s with the same values, which creates what is missing.", r.Release.Name, r.Release.Namespace)
}

// restore says how to undo a change.
func (r *Report) restore() string {
	if r.Release == nil {
		return r.apply()
	}
	return fmt.Sprintf("Undo the change, or run helm upgrade %s -n %s with the same values, with Helm 4 and --force-conflicts.",
		r.Release.Name, r.Release.Namespace)
}

// source says what the objects should be like.
func (r *Report) source() string {
	if r.Release == nil {
		return "the values"
	}
	return "the release"
}

// otherOwner says who owns the Service, if it is not the release. For values, it is enough that the Service is of
// this chart.
func (a *assessment) otherOwner() string {
	const chart = "app.kubernetes.io/name"
	switch {
	case a.report.Release != nil && !a.report.Release.Owns(a.existing):
		return helm.OwnerOf(a.existing).String()
	case a.report.Release == nil && a.existing.Labels[chart] != a.Service.Labels[chart]:
		return "was not created by this chart"
	}
	return ""
}

// ownLabels name the release and the version of the chart, which values do not.
var ownLabels = []string{"helm.sh/chart", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by"}

// drift finds objects that differ from the desired ones.
func (a *assessment) drift() {
	var ignored []string
	if a.report.Release == nil {
		ignored = ownLabels
	}
	for _, drift := range a.live.Drift(a.Mapping, ignored...) {
		a.addDrift(drift)
	}
}

// addDrift finds what differs of an object.
func (a *assessment) addDrift(drift service.Drift) {
	code := findings.DriftMinor
	if slices.ContainsFunc(drift.Differences, func(d service.Difference) bool { return d.Routes }) {
		code = findings.Drift
	}
	if drift.Object == "Service "+a.Name {
		code = cmp.Or(lasting[service.Conflict(a.existing, a.Mapping)], code)
	}
	var texts []string
	for _, d := range drift.Differences {
		texts = append(texts, d.Drift())
	}
	a.add(code, findings.Args{
		"object": drift.Object, "source": a.report.source(), "differences": strings.Join(texts, "; "),
		"restore": a.report.restore(), "apply": a.report.apply(),
	})
}

// lasting are the drifts of a Service that no upgrade removes, by what plan finds.
var lasting = map[findings.Code]findings.Code{
	findings.HeadlessToClusterIP: findings.DriftHeadless,
	findings.ClusterIPToHeadless: findings.DriftClusterIP,
	findings.FamilyChange:        findings.DriftFamily,
}
