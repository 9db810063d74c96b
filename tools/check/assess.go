package check

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"external-services/tools/helm"
	"external-services/tools/live"
	"external-services/tools/plan"
	"external-services/tools/values"
)

// assessAll compares the entries with what was found.
func assessAll(wanted []*wanted, f *found, release *plan.Release) (entries []*Entry, findings []Finding) {
	entries = []*Entry{}
	all := f.allMissing()
	for _, w := range wanted {
		a := &assessment{
			wanted: w, found: f, release: release, allMissing: all,
			live:  f.services[w.Key],
			entry: &Entry{Key: w.Key, Wanted: w.state, Endpoints: []Endpoint{}, Missing: []string{}, Probes: []*Probe{}},
		}
		a.run()
		entries = append(entries, a.entry)
		findings = append(findings, a.findings...)
	}
	return entries, findings
}

// allMissing says whether none of our EndpointSlices and Endpoints is in the cluster.
func (f *found) allMissing() bool {
	return len(f.named) == 0 && len(f.endpoints) == 0
}

// assessment is the comparison of an entry.
type assessment struct {
	*wanted
	found      *found
	release    *plan.Release
	allMissing bool
	live       *corev1.Service // nil where it is not there, or could not be read

	entry    *Entry
	findings []Finding
}

func (a *assessment) add(code Code, severity Severity, what, cause string, fix ...string) {
	a.findings = append(a.findings, Finding{a.Key, code, severity, what, cause, fix})
}

// restore is how to get back what the release says.
func (a *assessment) restore() string {
	if a.release == nil {
		return "Apply the values again."
	}
	return fmt.Sprintf("Undo the change, or run helm upgrade %s -n %s with the same values, with Helm 4 and --force-conflicts.", a.release.Name, a.release.Namespace)
}

func (a *assessment) run() {
	if a.found.missing[a.Namespace] {
		return // said for the namespace
	}
	if a.found.couldRead(services, a.Namespace) {
		if a.live == nil {
			a.add(ServiceMissing, Error,
				fmt.Sprintf("There is no Service %s, so that the name does not resolve.", a.Key),
				"It was deleted by hand, or what applies the release leaves it out.",
				a.apply())
			return
		}
		if !a.owned() {
			return
		}
		a.compareService()
	}
	a.externalName()
	if a.isAlias() && (a.live == nil || a.live.Spec.Type == corev1.ServiceTypeExternalName) {
		return // the cluster routes nothing: DNS answers another name
	}
	if a.found.couldRead(epSlices, a.Namespace) {
		a.ours()
		a.routes()
		a.ports()
		a.readiness()
	}
}

// apply is how to get a missing object.
func (a *assessment) apply() string {
	if a.release == nil {
		return "Apply the values again."
	}
	return fmt.Sprintf("Run helm upgrade %s -n %s with the same values, which makes what is missing.", a.release.Name, a.release.Namespace)
}

// owned says whether the Service is the release's, and else why not. For values, it is
// enough that it is of the chart.
func (a *assessment) owned() bool {
	owner := helm.OwnerOf(a.live)
	whose := owner.String()
	if a.release == nil {
		const name = "app.kubernetes.io/name"
		if a.live.Labels[name] == a.service.Labels[name] {
			return true
		}
		whose = "was not made by this chart"
	} else if owner == (helm.Owner{Release: a.release.Name, Namespace: a.release.Namespace}) {
		return true
	}
	a.add(NotOwned, Error,
		fmt.Sprintf("The Service %s exists and %s, so that it is not what the entry says.", a.Key, whose),
		"It was there before, or was made anew by hand or by another release.",
		"Write another name for the entry, or delete the Service when nobody needs it and upgrade.",
		"Or upgrade with --take-ownership (Helm 3.17 and later), which makes it what the values say.")
	return false
}

// compareService compares the Service.
func (a *assessment) compareService() {
	grave, slight := serviceDrift(a.service, a.live, a.release != nil)
	cause, fix := changed, []string{a.restore()}
	if code := plan.Unchangeable(a.live, a.state); code != "" {
		cause, fix = a.unchangeable(code)
	}
	a.drift("Service "+a.Name, grave, slight, cause, fix...)
}

// unchangeable is why a live Service is not as it should be in what does not change while
// it lives, and the way out. No upgrade mends it, whatever its flags:
// https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/ says
// of clusterIP that it may not be changed.
func (a *assessment) unchangeable(code plan.Code) (cause string, fix []string) {
	switch code {
	case plan.HeadlessToClusterIP:
		cause = "It was headless before: the clusterIP of a Service cannot be changed while it lives, and the API server keeps a headless one so without a word."
		fix = []string{fmt.Sprintf("Or leave it as it is, and write headless: true for %s.", a.Name)}
	case plan.ClusterIPToHeadless:
		cause = "It had a ClusterIP before, or was made anew with one: the clusterIP of a Service cannot be changed while it lives."
		fix = []string{fmt.Sprintf("Or leave it as it is, and leave headless: true out for %s.", a.Name)}
	case plan.FamilyChange:
		cause = "It had a ClusterIP of the other family before, or was made anew with one: the first clusterIP of a Service cannot be changed while it lives."
	}
	return cause, append([]string{
		fmt.Sprintf("Delete the Service, and make it anew: kubectl delete service %s -n %s. %s In between, the name does not resolve for any client.", a.Name, a.Namespace, a.apply()),
		"Or add an entry of another name, and point the clients to it: then none loses its Service.",
	}, fix...)
}

// changed is the likely cause of most differences.
const changed = "It was changed by hand or by another program."

// drift reports the differences of an object: those that change where connections go, and
// the others.
func (a *assessment) drift(object string, grave, slight []string, cause string, fix ...string) {
	if len(grave)+len(slight) == 0 {
		return
	}
	severity := Error
	if len(grave) == 0 {
		severity = Warning
	}
	said := "the release says"
	if a.release == nil {
		said = "the values say"
	}
	a.add(Drift, severity,
		fmt.Sprintf("The %s is not what %s: %s.", object, said, strings.Join(append(grave, slight...), "; ")),
		cause, fix...)
}

// externalName looks at the name that the live Service is an alias of.
func (a *assessment) externalName() {
	name := a.target()
	if name == "" || !looksLikeIP(name) {
		return
	}
	a.add(ExternalNameIP, Error,
		fmt.Sprintf("The ExternalName of %s is %s: DNS answers it as a name, which does not resolve, and every connection fails.", a.Key, name),
		"",
		fmt.Sprintf("Write it as addresses: [%s] in the values, with the ports.", strings.Trim(name, "[]")))
}

// target is the name that the Service is an alias of, as it is in the cluster or, where
// that is unknown, as it should be.
func (a *assessment) target() string {
	service := cmp.Or(a.live, a.service)
	if service.Spec.Type != corev1.ServiceTypeExternalName {
		return ""
	}
	return service.Spec.ExternalName
}

// looksLikeIP says whether a name is an IP address or would be read as one.
func looksLikeIP(name string) bool {
	name = strings.TrimSuffix(name, ".")
	return net.ParseIP(name) != nil || strings.Trim(name, "0123456789.") == ""
}

// ours looks for the EndpointSlices and Endpoints of the entry.
func (a *assessment) ours() {
	var missing []string
	for _, slice := range a.slices {
		there := a.found.named[Key{Namespace: slice.Namespace, Name: slice.Name}]
		if there == nil {
			missing = append(missing, "EndpointSlice "+slice.Name)
			continue
		}
		if serviceOf(there) != a.Key {
			a.add(ServiceLabelMissing, Error,
				fmt.Sprintf("The EndpointSlice %s/%s %s, so that its addresses serve nothing.", slice.Namespace, slice.Name, labelText(there)),
				"Somebody changed or removed the label, or a tool that rewrites labels did.",
				fmt.Sprintf("Run kubectl label endpointslice %s -n %s --overwrite %s=%s.", slice.Name, slice.Namespace, discoveryv1.LabelServiceName, a.Name))
		}
		grave, slight := sliceDrift(slice, there)
		a.drift("EndpointSlice "+slice.Name, grave, slight, changed, a.restore())
	}
	if a.wanted.endpoints != nil && a.found.couldRead(endpoints, a.Namespace) {
		switch there := a.found.endpoints[a.Key]; {
		case there == nil:
			missing = append(missing, "Endpoints "+a.Name)
		default:
			a.drift("Endpoints "+a.Name, endpointsDrift(a.wanted.endpoints, there), nil, changed, a.restore())
			if len(there.Subsets) > 0 && !slices.ContainsFunc(a.found.slices[a.Key], isMirrored) {
				a.add(EndpointsMissing, Error,
					fmt.Sprintf("The Endpoints %s are there, and no EndpointSlice mirrors them: the cluster routes by EndpointSlices only, and every connection fails.", a.Key),
					"The Endpoints have the label endpointslice.kubernetes.io/skip-mirror, or the mirroring controller does not run.",
					fmt.Sprintf("Write endpointsKind: EndpointSlice for %s.", a.Name))
			}
		}
	}
	if len(missing) == 0 {
		return
	}
	verb := "are"
	if len(missing) == 1 {
		verb = "is"
	}
	what := fmt.Sprintf("The %s of %s %s missing, so that the cluster does not route to the addresses.", some(missing), a.Key, verb)
	if !a.allMissing {
		a.add(EndpointsMissing, Error, what, "It was deleted by hand, or an upgrade ended half done.", a.apply())
		return
	}
	a.add(EndpointsMissing, Error, what,
		"No EndpointSlice and no Endpoints of the release are there, and the release itself is fine. Argo CD does so where resource.exclusions has Endpoints and EndpointSlice, as it has them by default since version 3. Or the role that installs may not write them, as Kubernetes' own edit role because of CVE-2021-25740.",
		"With Argo CD: take Endpoints and EndpointSlice out of resource.exclusions in the ConfigMap argocd-cm, and sync.",
		"With a role: give who installs the Roles entries.yaml and endpoints.yaml of the chart's docs/rbac; kubectl auth can-i create endpointslices.discovery.k8s.io says whether it is so.",
		a.apply())
}

// labelText says what is wrong with the label by which an EndpointSlice names its Service.
func labelText(slice *discoveryv1.EndpointSlice) string {
	name, ok := slice.Labels[discoveryv1.LabelServiceName]
	if !ok {
		return "has no label " + discoveryv1.LabelServiceName
	}
	return fmt.Sprintf("has the label %s=%s", discoveryv1.LabelServiceName, name)
}

func isMirrored(slice *discoveryv1.EndpointSlice) bool {
	return slice.Labels[discoveryv1.LabelManagedBy] == live.MirroredEndpoints
}

// parkedLabel is what the selector of an entry has that is to reach no pod.
const parkedLabel = "external-services/parked"

// selects says whether the Service reaches pods by a selector, as it is in the cluster.
func (a *assessment) selects() bool {
	service := cmp.Or(a.live, a.service)
	_, parked := service.Spec.Selector[parkedLabel]
	return service.Spec.Type != corev1.ServiceTypeExternalName && len(service.Spec.Selector) > 0 && !parked
}

// ofEndpointController is the label of an Endpoints object that Kubernetes made for a
// selector, and of the EndpointSlices that mirror it, since 1.33.
const ofEndpointController = "endpoints.kubernetes.io/managed-by"

// class says whose the addresses of an EndpointSlice are, where it is none of ours.
func (a *assessment) class(slice *discoveryv1.EndpointSlice) Class {
	switch slice.Labels[discoveryv1.LabelManagedBy] {
	case live.PodEndpoints:
		if a.selects() {
			return Pods
		}
		return Stale
	case live.MirroredEndpoints:
		// Left from a selector, the controllers' Endpoints object is mirrored as soon as the
		// selector is gone: https://github.com/kubernetes/kubernetes/issues/103804
		if slice.Labels[ofEndpointController] != "" || slices.ContainsFunc(a.found.slices[a.Key], func(other *discoveryv1.EndpointSlice) bool {
			return other.Labels[discoveryv1.LabelManagedBy] == live.PodEndpoints && len(other.Endpoints) > 0
		}) {
			return Stale
		}
	}
	return Foreign
}

// routes says where the cluster routes connections, and what should not be there.
func (a *assessment) routes() {
	wanted := map[string]bool{}
	for _, address := range a.state.Addresses {
		wanted[address.IP] = true
	}
	routed := map[Endpoint]int{} // the place, by address and class
	others := map[Class][]string{}
	for _, slice := range a.found.slices[a.Key] {
		own := slices.ContainsFunc(a.slices, func(s *discoveryv1.EndpointSlice) bool { return s.Name == slice.Name }) ||
			a.wanted.endpoints != nil && isMirrored(slice) && !a.selects()
		class := Ours
		if !own {
			class = a.class(slice)
			if (class == Stale || class == Foreign) && len(slice.Endpoints) > 0 {
				others[class] = append(others[class], slice.Name)
			}
		}
		for _, endpoint := range slice.Endpoints {
			e := Endpoint{Address: endpoint.Addresses[0], Class: class}
			if own && !wanted[e.Address] {
				e.Class = Foreign // which is a drift of the slice
			}
			i, ok := routed[e]
			if !ok {
				i = len(a.entry.Endpoints)
				routed[e] = i
				a.entry.Endpoints = append(a.entry.Endpoints, e)
				a.entry.Endpoints[i].Slice = slice.Name
			}
			a.entry.Endpoints[i].Ready = a.entry.Endpoints[i].Ready || isReady(endpoint)
		}
	}
	for _, address := range a.state.Addresses {
		if _, ok := routed[Endpoint{Address: address.IP, Class: Ours}]; !ok {
			a.entry.Missing = append(a.entry.Missing, address.IP)
		}
	}
	for _, names := range others {
		slices.Sort(names)
	}
	if names := others[Stale]; len(names) > 0 {
		a.add(StaleEndpoints, Error,
			fmt.Sprintf("Endpoints of pods are left at %s (EndpointSlice %s), which no selector asks for: connections also go there, also when the pods are gone.", a.Key, some(names)),
			"The Service once had a selector, and Kubernetes leaves the endpoints behind when it goes (kubernetes/kubernetes#103804).",
			fmt.Sprintf("Write the selector of the pods for %s again: with backend: external it is parked, matches no pod, and Kubernetes clears their endpoints away.", a.Name),
			fmt.Sprintf("Or delete what is left: kubectl delete endpoints %s -n %s --ignore-not-found, and kubectl delete endpointslice %s -n %s --ignore-not-found.", a.Name, a.Namespace, strings.Join(names, " "), a.Namespace))
	}
	if names := others[Foreign]; len(names) > 0 {
		a.add(ForeignEndpoints, Warning,
			fmt.Sprintf("Endpoints that are not of the entry are at %s (EndpointSlice %s): connections also go there.", a.Key, some(names)),
			"Somebody made them by hand, or a release that had the name before left them.",
			fmt.Sprintf("Add their addresses to %s in the values if they are wanted, and else delete them: kubectl delete endpointslice %s -n %s.", a.Name, strings.Join(names, " "), a.Namespace))
	}
}

func isReady(endpoint discoveryv1.Endpoint) bool {
	return endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
}

// ports looks for ports of the Service that its endpoints do not have. kube-proxy brings
// the two together by name and protocol.
func (a *assessment) ports() {
	if a.live == nil {
		return
	}
	type port struct{ name, protocol string }
	var mismatched, ofPods []string
	podSlices, podPorts := 0, map[port]bool{}
	for _, slice := range a.found.slices[a.Key] {
		if len(slice.Endpoints) == 0 {
			continue
		}
		has := map[port]bool{}
		for _, p := range slice.Ports {
			has[port{deref(p.Name), string(protocol(deref(p.Protocol)))}] = true
		}
		switch slice.Labels[discoveryv1.LabelManagedBy] {
		case live.PodEndpoints: // has a slice for each set of ports that pods have
			podSlices++
			for p := range has {
				podPorts[p] = true
			}
			continue
		case live.MirroredEndpoints:
			if a.wanted.endpoints == nil {
				continue
			}
		}
		for _, p := range a.live.Spec.Ports {
			if !has[port{p.Name, string(protocol(p.Protocol))}] {
				mismatched = append(mismatched, fmt.Sprintf("port %q (%d/%s) of the Service is not in the EndpointSlice %s, which has %s", p.Name, p.Port, protocol(p.Protocol), slice.Name, slicePorts(slice)))
			}
		}
	}
	if podSlices > 0 && a.selects() {
		for _, p := range a.live.Spec.Ports {
			if !podPorts[port{p.Name, string(protocol(p.Protocol))}] {
				ofPods = append(ofPods, fmt.Sprintf("%d/%s -> %s", p.Port, protocol(p.Protocol), p.TargetPort.String()))
			}
		}
	}
	if len(mismatched) > 0 {
		severity, effect := Error, "the cluster routes nothing to it"
		if a.live.Spec.ClusterIP == corev1.ClusterIPNone {
			severity, effect = Warning, "DNS has no SRV record for it"
		}
		a.add(PortNameMismatch, severity,
			fmt.Sprintf("The ports of %s and of its endpoints do not fit, and %s: %s.", a.Key, effect, some(mismatched)),
			"The name or protocol of a port was changed in one of the two objects only.",
			"Give both the same names and protocols. "+a.restore())
	}
	if len(ofPods) > 0 {
		a.add(PodPortMissing, Error,
			fmt.Sprintf("No pod of the selector has the container port of %s (%s), and no connection to it reaches a pod.", a.Key, some(ofPods)),
			"The containers do not name the port, or name it otherwise.",
			fmt.Sprintf("Write the name of a port of the pods' containers, or its number, as podPort of %s.", a.Name))
	}
}

func slicePorts(slice *discoveryv1.EndpointSlice) string {
	var list []string
	for _, p := range slice.Ports {
		list = append(list, fmt.Sprintf("%q (%d/%s)", deref(p.Name), deref(p.Port), protocol(deref(p.Protocol))))
	}
	return cmp.Or(some(list), "none")
}

// readiness looks for an endpoint that connections can go to.
func (a *assessment) readiness() {
	ready := map[Class]int{}
	there := map[Class]int{}
	total := 0
	for _, e := range a.entry.Endpoints {
		there[e.Class]++
		if e.Ready {
			ready[e.Class]++
			total++
		}
	}
	if a.state.Backend != values.External && a.selects() && ready[Pods] == 0 {
		severity, effect := Error, "every connection fails until one is"
		if a.state.Backend == values.Both {
			severity, effect = Warning, "every connection goes outside until one is"
		}
		a.add(NoPods, severity,
			fmt.Sprintf("No pod of %s is ready (of %d there), and %s.", a.Key, there[Pods], effect),
			"",
			fmt.Sprintf("Look at the pods: kubectl get pods -n %s -l %s", a.Namespace, selectorText(cmp.Or(a.live, a.service))))
		return
	}
	explained := slices.ContainsFunc(a.findings, func(f Finding) bool {
		return slices.Contains([]Code{EndpointsMissing, ServiceLabelMissing}, f.Code)
	})
	if total > 0 || explained || a.isAlias() || !a.found.couldRead(endpoints, a.Namespace) && a.wanted.endpoints != nil {
		return
	}
	a.add(NoReadyEndpoint, Error,
		fmt.Sprintf("None of the %d endpoints of %s is ready, and every connection fails.", len(a.entry.Endpoints), a.Key),
		"The values say ready: false for every address, or somebody changed the endpoints.",
		fmt.Sprintf("Leave ready: false out for at least one address of %s.", a.Name))
}

func deref[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// protocol is that of a port, which is TCP where none is written.
func protocol(p corev1.Protocol) corev1.Protocol { return cmp.Or(p, corev1.ProtocolTCP) }
