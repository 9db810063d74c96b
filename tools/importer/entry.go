package importer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"external-services/tools/findings"
	"external-services/tools/service"
	"external-services/tools/values"
)

// entry is an entry and what there is to say about it.
type entry struct {
	values.Entry

	// findings have no namespace, as entries that differ in nothing else become one.
	findings []findings.Finding

	// refused is an entry that is only written as a comment: the chart refuses it, or it would behave
	// differently than the objects.
	refused bool
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

// refuse makes the entry a comment.
func (e *entry) refuse(fix, why string, args ...any) {
	e.refused = true
	e.add(findings.NotImported, findings.Args{"why": fmt.Sprintf(why, args...), "fix": fix})
}

// newEntry makes the entry of a Service.
func newEntry(g *group) *entry {
	e := &entry{}
	e.Name, e.Namespace = g.service.Name, g.service.Namespace
	for _, field := range g.unknownFields {
		e.notCarriedOver(field, "this version of extsvc does not know the field")
	}
	e.addMetadata(g.service)
	switch {
	case g.service.Spec.Type == corev1.ServiceTypeExternalName:
		e.addAlias(g)
	case service.HasSelector(g.service):
		e.addPods(g)
		e.reportService(g.service)
	default:
		e.addSettings(g.service)
		e.addAddresses(g)
		if len(e.Addresses) == 0 && !e.refused {
			e.refuse("", "the Service has no selector, and no Endpoints or EndpointSlice with an address for it was read")
		}
		e.reportService(g.service)
	}
	return e
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
			setPair(&e.Labels, key, svc.Labels[key])
		}
	}
	for key, value := range svc.Annotations {
		if !strings.HasPrefix(key, helmAnnotations) {
			// The chart expands annotations as templates: this one becomes a template that prints it.
			setPair(&e.Annotations, key, strings.ReplaceAll(value, "{{", `{{"{{"}}`))
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

func setPair(pairs *values.Pairs, key, value string) {
	if *pairs == nil {
		*pairs = values.Pairs{}
	}
	(*pairs)[key] = &value
}

// addAlias carries over a Service of the type ExternalName.
func (e *entry) addAlias(g *group) {
	e.ExternalName = g.service.Spec.ExternalName
	for _, port := range g.service.Spec.Ports {
		if target := port.TargetPort; target.Type == intstr.String || target.IntVal != 0 && target.IntVal != port.Port {
			e.notCarriedOver(targetPort(port), noEffect)
		}
		e.Ports = append(e.Ports, newPort(port))
	}
	e.reportFields(g.service.Spec, "", noEffect, "type", "externalName", "ports")
	if g.endpoints != nil && len(g.endpoints.Subsets) > 0 {
		e.notCarriedOver("Endpoints "+g.endpoints.Name, noEffect)
	}
	for _, slice := range g.slices {
		if len(slice.Endpoints) > 0 {
			e.notCarriedOver("EndpointSlice "+slice.Name, noEffect)
		}
	}
}

// addPods carries over a Service with a selector, and with addresses too if somebody wrote EndpointSlices for it.
func (e *entry) addPods(g *group) {
	spec := g.service.Spec
	e.Backend = values.Cluster
	for key, value := range spec.Selector {
		setPair(&e.Selector, key, value)
	}
	e.addSettings(g.service)
	if g.endpoints != nil && len(g.endpoints.Subsets) > 0 {
		e.notCarriedOver("Endpoints "+g.endpoints.Name, "Kubernetes overwrites the Endpoints of a Service with a selector")
	}
	e.addAddresses(&group{service: g.service, slices: g.slices})
	if len(e.Addresses) > 0 {
		e.Backend = values.Both
	} else {
		e.Ports = nil
		for _, port := range spec.Ports {
			e.Ports = append(e.Ports, newPort(port))
		}
	}
	for i := range e.Ports {
		for _, port := range spec.Ports {
			if keyOf(port) == (portKey{e.Ports[i].Name, service.Protocol(corev1.Protocol(e.Ports[i].Protocol))}) {
				e.setPodPort(&e.Ports[i], port)
			}
		}
	}
}

// addSettings carries over the settings that the model has.
func (e *entry) addSettings(svc *corev1.Service) {
	if svc.Spec.ClusterIP == corev1.ClusterIPNone {
		e.Headless = ptr.To(true)
	}
	set := service.NewMapping(svc, nil, nil).Settings
	for _, s := range service.Settings {
		if !s.FromValues {
			delete(set, s.Name)
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(marshal(set)))
	decoder.DisallowUnknownFields()
	try(decoder.Decode(&e.Mapping)) // every setting is a field of entries
}

// setPodPort sets the port of the pods, unless it is that of the addresses.
func (e *entry) setPodPort(p *values.Port, port corev1.ServicePort) {
	target := port.TargetPort
	if target.Type == intstr.Int && target.IntVal == 0 {
		target = intstr.FromInt32(port.Port)
	}
	switch {
	case target == intstr.FromInt(cmp.Or(p.TargetPort, p.Port)):
	case e.Headless != nil && target.Type == intstr.Int && e.Backend == values.Cluster:
		e.changePort(p, target.IntVal, "pods")
	default:
		p.PodPort = &target
	}
}

// changePort changes the port of a headless Service, where clients connect to the port of the addresses or pods.
func (e *entry) changePort(p *values.Port, number int32, of string) {
	e.notCarriedOver(fmt.Sprintf("port %d", p.Port),
		"a headless Service cannot change the port: clients call %d, that of the %s, and so the entry has that", number, of)
	p.Port = int(number)
}
