package check

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/service"
)

// assess compares mappings with what the cluster has.
func assess(desired []*service.Mapping, live *service.Live, release *helm.Deployed) *Report {
	report := &Report{Release: release, Entries: []*Entry{}, Findings: []findings.Finding{}, applier: applierOf(desired, live, release)}
	if release != nil {
		for _, f := range service.ReleaseFindings(release, report.applier) {
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

	// patch removes what no upgrade corrects in the Service, empty if there is nothing.
	patch string
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
			a.missing()
			return
		}
		if a.isForeign() {
			a.foreign("Service", a.existing)
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

// source says what the objects should be like.
func (r *Report) source() string {
	if r.Release == nil {
		return "the values"
	}
	return "the release"
}

// isForeign says whether the Service is not the release's. For values, it is enough that it is of this chart.
func (a *assessment) isForeign() bool {
	if a.report.Release != nil {
		return !a.report.Release.Owns(a.existing)
	}
	return !helm.IsOfChart(a.existing)
}

// foreign adds the finding about an object that belongs to somebody else. A release that has made it lost it to
// another one.
func (a *assessment) foreign(kind string, live metav1.Object) {
	owner := helm.Whose(live)
	code := findings.NotOwned
	switch {
	case a.report.Release == nil:
		owner = "was not created by this chart"
	case helm.OwnerOf(live).Release != "":
		code = findings.NotOwnedTaken
	}
	a.add(code, findings.Args{"kind": kind, "object": a.Key.String(), "owner": owner, "objects": a.objects()})
}

// objects are the objects of the entry, as kubectl names them.
func (a *assessment) objects() string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(a.Mapping.Objects())) {
		names = append(names, strings.ToLower(strings.Replace(name, " ", "/", 1)))
	}
	return strings.Join(names, " ")
}

// missing adds the finding about a Service that does not exist, perhaps because kustomize gave it another name.
func (a *assessment) missing() {
	for _, slice := range a.live.Slices[a.Key] {
		for _, own := range a.Slices {
			if slice.Name != own.Name && strings.Contains(slice.Name, own.Name) && service.OfChart(slice) {
				renamed := strings.Replace(slice.Name, own.Name, a.Name, 1)
				a.add(findings.ServiceRenamed, findings.Args{"slice": slice.Name, "renamed": renamed})
				return
			}
		}
	}
	a.add(findings.ServiceMissing, findings.Args{"apply": a.report.apply()})
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
	a.add(a.driftCode(drift), findings.Args{
		"object": drift.Object, "source": a.report.source(), "differences": driftText(drift.Differences),
		"restore": a.report.restore(), "apply": a.report.apply(), "patch": drift.Patch, "removePods": a.removePods(),
	})
	a.patch = cmp.Or(a.patch, drift.Patch)
}

func driftText(differences []service.Difference) string {
	var texts []string
	for _, d := range differences {
		texts = append(texts, d.Drift())
	}
	return strings.Join(texts, "; ")
}

func (a *assessment) driftCode(drift service.Drift) findings.Code {
	routes := slices.ContainsFunc(drift.Differences, func(d service.Difference) bool { return d.Routes })
	switch {
	case drift.Patch != "" && a.isKustomized():
		return findings.DriftKustomize
	case drift.Patch != "" && routes:
		return findings.DriftLeft
	case drift.Patch != "":
		return findings.DriftLeftMinor
	case drift.Object == "Service "+a.Name:
		if code := lasting[service.Conflict(a.existing, a.Mapping)]; code != "" {
			return code
		}
	}
	if routes {
		return findings.Drift
	}
	return findings.DriftMinor
}

// isKustomized says whether kustomize has written labels of its own into the selector: only the live object has them,
// in both places.
func (a *assessment) isKustomized() bool {
	live, desired := a.existing, a.Service
	if a.report.Release != nil {
		return false // Helm applies what it renders
	}
	added := maps.Clone(live.Spec.Selector)
	maps.DeleteFunc(added, func(key, value string) bool { return desired.Spec.Selector[key] == value })
	for key, value := range added {
		if live.Labels[key] != value || desired.Labels[key] == value {
			return false
		}
	}
	return len(added) > 0
}

// removePods says how to remove the endpoints of pods that stay when a Service loses a selector which it should not
// have.
func (a *assessment) removePods() string {
	if a.existing == nil || !service.SelectsPods(a.existing) || service.HasSelector(a.Service) {
		return ""
	}
	return fmt.Sprintf("Then remove the endpoints of the pods, which Kubernetes leaves behind: kubectl delete endpoints %[1]s -n %[2]s --ignore-not-found, "+
		"and kubectl delete endpointslice -n %[2]s -l %[3]s=%[1]s,%[4]s=%[5]s.",
		a.Name, a.Namespace, discoveryv1.LabelServiceName, discoveryv1.LabelManagedBy, service.PodEndpoints)
}

// lasting are the drifts of a Service that no upgrade removes, by what plan finds.
var lasting = map[findings.Code]findings.Code{
	findings.HeadlessToClusterIP: findings.DriftHeadless,
	findings.ClusterIPToHeadless: findings.DriftClusterIP,
	findings.FamilyChange:        findings.DriftFamily,
}
