package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// differences collects what differs between an object as it should be and as it is.
type differences []string

func (d *differences) scalar(what, want, got string) {
	if want != got {
		*d = append(*d, fmt.Sprintf("%s is %s instead of %s", what, cmp.Or(got, "none"), cmp.Or(want, "none")))
	}
}

// lists compares sets of items, each printed.
func (d *differences) lists(what string, want, got []string) {
	var changed []string
	for _, item := range want {
		if !slices.Contains(got, item) {
			changed = append(changed, item+" is missing")
		}
	}
	for _, item := range got {
		if !slices.Contains(want, item) {
			changed = append(changed, item+" is too much")
		}
	}
	if len(changed) > 0 {
		*d = append(*d, what+": "+some(changed))
	}
}

// ownLabels say which release and version of the chart an object is of: what values
// alone do not tell.
var ownLabels = []string{"helm.sh/chart", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by"}

// serviceDrift says in words what differs in a Service: what connections go by, and the
// rest. What the API server fills in by itself is no difference.
func serviceDrift(want, got *corev1.Service, ofRelease bool) (grave, slight []string) {
	var g, s differences
	w, l := want.Spec, got.Spec
	alias := w.Type == corev1.ServiceTypeExternalName
	g.scalar("type", string(cmp.Or(w.Type, corev1.ServiceTypeClusterIP)), string(l.Type))
	g.scalar("externalName", w.ExternalName, l.ExternalName)
	g.scalar("selector", selectorText(want), selectorText(got))
	g.lists("ports", ports(w.Ports), ports(l.Ports))
	if !alias && l.Type != corev1.ServiceTypeExternalName {
		g.scalar("headless", strconv.FormatBool(w.ClusterIP == corev1.ClusterIPNone), strconv.FormatBool(l.ClusterIP == corev1.ClusterIPNone))
		if len(w.IPFamilies) > 0 {
			g.scalar("ipFamilies", families(w.IPFamilies), families(l.IPFamilies))
		}
		if w.IPFamilyPolicy != nil {
			s.scalar("ipFamilyPolicy", string(*w.IPFamilyPolicy), string(deref(l.IPFamilyPolicy)))
		}
		s.scalar("sessionAffinity", string(cmp.Or(w.SessionAffinity, corev1.ServiceAffinityNone)), string(l.SessionAffinity))
		if timeout := affinityTimeout(w); timeout != 0 {
			s.scalar("sessionAffinityTimeoutSeconds", strconv.Itoa(int(timeout)), strconv.Itoa(int(affinityTimeout(l))))
		}
		s.scalar("trafficDistribution", deref(w.TrafficDistribution), deref(l.TrafficDistribution))
		g.scalar("publishNotReadyAddresses", strconv.FormatBool(w.PublishNotReadyAddresses), strconv.FormatBool(l.PublishNotReadyAddresses))
		g.lists("externalIPs", w.ExternalIPs, l.ExternalIPs)
	}
	s.pairs("label", want.Labels, got.Labels, ofRelease)
	s.pairs("annotation", want.Annotations, got.Annotations, ofRelease)
	return g, s
}

// pairs compares those labels or annotations that are wanted; others may add theirs.
func (d *differences) pairs(what string, want, got map[string]string, ofRelease bool) {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !ofRelease && slices.Contains(ownLabels, key) {
			continue
		}
		d.scalar(what+" "+key, want[key], got[key])
	}
}

func selectorText(service *corev1.Service) string {
	return labels.Set(service.Spec.Selector).String()
}

func families(list []corev1.IPFamily) string {
	var names []string
	for _, family := range list {
		names = append(names, string(family))
	}
	return strings.Join(names, ",")
}

func affinityTimeout(spec corev1.ServiceSpec) int32 {
	if spec.SessionAffinityConfig == nil || spec.SessionAffinityConfig.ClientIP == nil {
		return 0
	}
	return deref(spec.SessionAffinityConfig.ClientIP.TimeoutSeconds)
}

// ports prints the ports of a Service, one each.
func ports(list []corev1.ServicePort) []string {
	var texts []string
	for _, p := range list {
		target := p.TargetPort.String()
		if target == "0" {
			target = strconv.Itoa(int(p.Port))
		}
		text := fmt.Sprintf("%d/%s -> %s", p.Port, protocol(p.Protocol), target)
		if p.Name != "" {
			text = p.Name + " " + text
		}
		if p.AppProtocol != nil {
			text += " (" + *p.AppProtocol + ")"
		}
		texts = append(texts, text)
	}
	return texts
}

// sliceDrift says in words what differs in an EndpointSlice. The names and protocols of
// its ports are not compared: that they fit those of the Service counts.
func sliceDrift(want, got *discoveryv1.EndpointSlice) (grave, slight []string) {
	var g, s differences
	g.lists("addresses", sliceAddresses(want), sliceAddresses(got))
	g.lists("port numbers", portNumbers(want), portNumbers(got))
	s.scalar("label "+discoveryv1.LabelManagedBy, want.Labels[discoveryv1.LabelManagedBy], got.Labels[discoveryv1.LabelManagedBy])
	return g, s
}

func sliceAddresses(slice *discoveryv1.EndpointSlice) []string {
	var texts []string
	for _, endpoint := range slice.Endpoints {
		text := endpoint.Addresses[0]
		for _, part := range []struct{ name, value string }{{"hostname", deref(endpoint.Hostname)}, {"zone", deref(endpoint.Zone)}} {
			if part.value != "" {
				text += " " + part.name + " " + part.value
			}
		}
		if deref(endpoint.Conditions.Terminating) {
			text += " (draining)"
		} else if !isReady(endpoint) {
			text += " (not ready)"
		}
		texts = append(texts, text)
	}
	return texts
}

func portNumbers(slice *discoveryv1.EndpointSlice) []string {
	var texts []string
	for _, p := range slice.Ports {
		texts = append(texts, strconv.Itoa(int(deref(p.Port))))
	}
	return texts
}

// endpointsDrift says in words what differs in an Endpoints object.
//
//nolint:staticcheck // deprecated since Kubernetes 1.33 and rendered on request
func endpointsDrift(want, got *corev1.Endpoints) []string {
	var d differences
	d.lists("addresses", endpointsAddresses(want), endpointsAddresses(got))
	d.lists("port numbers", endpointsPorts(want), endpointsPorts(got))
	return d
}

//nolint:staticcheck // as above
func endpointsAddresses(o *corev1.Endpoints) []string {
	var texts []string
	for _, subset := range o.Subsets {
		for i, address := range append(slices.Clone(subset.Addresses), subset.NotReadyAddresses...) {
			text := address.IP
			if address.Hostname != "" {
				text += " hostname " + address.Hostname
			}
			if i >= len(subset.Addresses) {
				text += " (not ready)"
			}
			texts = append(texts, text)
		}
	}
	return texts
}

//nolint:staticcheck // as above
func endpointsPorts(o *corev1.Endpoints) []string {
	var texts []string
	for _, subset := range o.Subsets {
		for _, p := range subset.Ports {
			texts = append(texts, strconv.Itoa(int(p.Port)))
		}
	}
	return texts
}
