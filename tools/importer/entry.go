package importer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"

	"external-services/tools/findings"
	"external-services/tools/service"
	"external-services/tools/values"
)

// entry is a Service with its endpoints, and the entry that they become.
type entry struct {
	values.Entry

	service       *corev1.Service
	endpoints     *service.Endpoints
	slices        []*discoveryv1.EndpointSlice // in the order of their names
	unknownFields []string
	manifests     []service.Manifest // of the objects, with their places
	commented     []comment          // of the files that were read
	routes        []route            // in front of the Service

	// list are the addresses of the endpoints, and byText the same by IP address or DNS name. servicePorts are the
	// ports of the Service; a headless one without any gets those of its addresses.
	list         []*endpoint
	byText       map[string]*endpoint
	servicePorts []corev1.ServicePort

	// findings have no namespace, as entries that differ in nothing else become one.
	findings []findings.Finding

	// refused is an entry that is only written as a comment: the chart refuses it, or it would behave
	// differently than the objects.
	refused bool

	// strict mends nothing.
	strict bool
}

func newEntry(svc *corev1.Service) *entry {
	e := &entry{service: svc, servicePorts: svc.Spec.Ports, byText: map[string]*endpoint{}}
	e.Name, e.Namespace = svc.Name, svc.Namespace
	e.Labels, e.Annotations, e.Selector = values.Pairs{}, values.Pairs{}, values.Pairs{}
	return e
}

func (e *entry) add(code findings.Code, args findings.Args) {
	f := findings.New(code, "", e.Name, args)
	isSame := func(other findings.Finding) bool { return other.Code == f.Code && other.Message == f.Message }
	if !slices.ContainsFunc(e.findings, isSame) {
		e.findings = append(e.findings, f)
	}
}

// notCarriedOver says that the entry does not have something that the objects have.
func (e *entry) notCarriedOver(what, why string, args ...any) {
	e.add(findings.NotCarriedOver, findings.Args{"what": what, "why": fmt.Sprintf(why, args...)})
}

// note says what may surprise although nothing is lost.
func (e *entry) note(what, why string, args ...any) {
	e.add(findings.ImportNote, findings.Args{"what": what, "why": fmt.Sprintf(why, args...)})
}

// mended says what the entry has as it is plainly meant, and not as the objects do it.
func (e *entry) mended(what, why string, args ...any) {
	e.add(findings.Mended, findings.Args{"what": what, "why": fmt.Sprintf(why, args...)})
}

// refuse makes the entry a comment. The message has the line of the Service.
func (e *entry) refuse(fix, why string, args ...any) {
	e.refuseAt("", fix, why, args...)
}

// refuseAt is refuse with the first line of the objects that has a text.
func (e *entry) refuseAt(text, fix, why string, args ...any) {
	e.refuseAs(e.placeOf(text)+fmt.Sprintf(why, args...), fix)
}

// refuseAs is refuse with a whole message.
func (e *entry) refuseAs(message, fix string) {
	e.refused = true
	e.add(findings.NotImported, findings.Args{"why": message, "fix": fix})
}

// fill carries over what the objects have.
func (e *entry) fill() {
	for _, field := range e.unknownFields {
		e.notCarriedOver(field, "this version of extsvc does not know the field")
	}
	e.addMetadata(e.service)
	if e.service.Spec.Type == corev1.ServiceTypeExternalName {
		if e.strict || !e.mendAlias() {
			e.addAlias()
		}
		e.noteVariables()
		e.refuseIncomplete()
		return
	}
	e.addSelector()
	e.addSettings()
	e.addAddresses()
	if len(e.Addresses) == 0 && len(e.Selector) == 0 && !e.refused {
		e.refuseWithoutAddresses()
	}
	e.reportService()
	e.noteVariables()
	e.refuseIncomplete()
}

// The labels that the chart sets itself, and those that only say what created an object.
var (
	chartLabels   = map[string]bool{"app.kubernetes.io/name": true, "app.kubernetes.io/instance": true}
	ignoredLabels = map[string]bool{
		"helm.sh/chart": true, "app.kubernetes.io/managed-by": true, "external-services/backend": true,
		discoveryv1.LabelServiceName: true, discoveryv1.LabelManagedBy: true,
	}
)

const helmAnnotations = "meta.helm.sh/"

// addMetadata carries over the labels and annotations of the Service.
func (e *entry) addMetadata(svc *corev1.Service) {
	for _, key := range slices.Sorted(maps.Keys(svc.Labels)) {
		switch {
		case chartLabels[key]:
			e.note("label "+key+"="+svc.Labels[key], "the chart sets this label itself")
		case !ignoredLabels[key]:
			e.Labels[key] = ptr.To(svc.Labels[key])
		}
	}
	for key, value := range svc.Annotations {
		if !strings.HasPrefix(key, helmAnnotations) {
			// The chart expands annotations as templates: this one becomes a template that prints it.
			e.Annotations[key] = ptr.To(strings.ReplaceAll(value, "{{", `{{"{{"}}`))
		}
	}
	if owners := svc.OwnerReferences; len(owners) > 0 {
		e.notCarriedOver("ownerReferences", "%s %s created the Service and may revert what the chart changes: stop it first",
			owners[0].Kind, owners[0].Name)
	}
	if len(svc.Finalizers) > 0 {
		e.notCarriedOver("finalizers", "the chart does not set any: %s", strings.Join(svc.Finalizers, ", "))
	}
}

// addSelector carries over the selector. Such a Service has addresses too if somebody wrote EndpointSlices for it.
func (e *entry) addSelector() {
	for key, value := range e.service.Spec.Selector {
		e.Selector[key] = &value
	}
	if len(e.Selector) == 0 || e.endpoints == nil {
		return
	}
	if len(e.endpoints.Subsets) > 0 {
		e.notCarriedOver("Endpoints "+e.endpoints.Name, "Kubernetes overwrites the Endpoints of a Service with a selector")
	}
	e.endpoints = nil
}

// addSettings carries over the settings that the model has.
func (e *entry) addSettings() {
	if e.service.Spec.ClusterIP == corev1.ClusterIPNone {
		e.Headless = ptr.To(true)
	}
	set := service.NewMapping(e.service, nil, nil).Settings
	for _, s := range service.Settings {
		if !s.FromValues {
			delete(set, s.Name)
		}
	}
	try(json.Unmarshal(marshal(set), &e.Mapping)) // a setting has the name of a field of entries
}
