package importer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"external-services/tools/service"
	"external-services/tools/values"
)

// What is in front of a Service as an entry can have it: a field that these types do not have stays where it is, and
// so does the object.

type frontObject[S any] struct {
	metav1.TypeMeta
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     S                 `json:"spec"`
	Status   any               `json:"status"`
}

type ingressSpec struct {
	IngressClassName string                      `json:"ingressClassName"`
	TLS              []values.IngressCertificate `json:"tls"`
	Rules            []struct {
		Host string `json:"host"`
		HTTP struct {
			Paths []struct {
				Path     string          `json:"path"`
				PathType values.PathType `json:"pathType"`
				Backend  struct {
					Service struct {
						Name string `json:"name"`
						Port struct {
							Number int    `json:"number"`
							Name   string `json:"name"`
						} `json:"port"`
					} `json:"service"`
				} `json:"backend"`
			} `json:"paths"`
		} `json:"http"`
	} `json:"rules"`
}

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

// carry makes a route a part of the entry, if the entry can have all of it. It says whether it did.
func (e *entry) carry(r route) bool {
	if r.key.Namespace != e.service.Namespace {
		return false
	}
	switch r.kind {
	case "Ingress":
		return e.Ingress == nil && e.carryIngress(r)
	case "HTTPRoute", "TLSRoute", "TCPRoute":
		return e.Route == nil && e.carryRoute(r)
	case "BackendTLSPolicy":
		return e.BackendTLS == nil && e.carryBackendTLS(r)
	}
	return false
}

// carryIngress carries over an Ingress of networking.k8s.io/v1.
func (e *entry) carryIngress(r route) bool {
	object, ok := decodeFront[ingressSpec](r)
	if !ok || object.APIVersion != "networking.k8s.io/v1" || len(object.Spec.Rules) == 0 {
		return false
	}
	in := &values.Ingress{ClassName: object.Spec.IngressClassName, TLS: object.Spec.TLS, Annotations: pairsOf(object.Metadata.Annotations)}
	var names []string
	for _, rule := range object.Spec.Rules {
		host := values.IngressHost{Host: rule.Host}
		for _, p := range rule.HTTP.Paths {
			number := p.Backend.Service.Port.Number
			if name := p.Backend.Service.Port.Name; name != "" {
				number = e.portNamed(name)
			}
			path, ok := e.pathOf(p.Path, p.PathType, number)
			if !ok {
				return false
			}
			host.Paths = append(host.Paths, path)
		}
		if !isFormat("routeHost", host.Host) || len(host.Paths) == 0 {
			return false
		}
		if len(host.Paths) == 1 && host.Paths[0] == (values.RoutePath{}) {
			host.Paths = nil
		}
		in.Hosts, names = append(in.Hosts, host), append(names, host.Host)
	}
	for i, c := range in.TLS {
		if slices.ContainsFunc(c.Hosts, func(host string) bool { return !isFormat("routeHost", host) }) {
			return false
		}
		if len(c.Hosts) == 0 || slices.Equal(c.Hosts, names) {
			in.TLS[i].Hosts = nil
		}
	}
	if e.ExternalName != "" {
		in.AllowAlias = ptr.To(true)
	}
	e.Ingress = in
	e.noteFront(r, object.Metadata, "ingress")
	return true
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
		if cmp.Or(parent.Kind, "Gateway") != "Gateway" || cmp.Or(parent.Group, "gateway.networking.k8s.io") != "gateway.networking.k8s.io" {
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
	if len(out.Rules) == 1 && out.Rules[0] == (values.RoutePath{}) {
		out.Rules = nil
	}
	if e.ExternalName != "" {
		out.AllowAlias = ptr.To(true)
	}
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

// decodeFront decodes an object, unless it has a field that an entry does not have.
func decodeFront[S any](r route) (object frontObject[S], ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(r.json))
	decoder.DisallowUnknownFields()
	return object, decoder.Decode(&object) == nil
}

// pathOf is a path for a port of the entry. It is empty if all of it is the default.
func (e *entry) pathOf(path string, pathType values.PathType, port int) (p values.RoutePath, ok bool) {
	var ports []int
	for _, p := range e.Ports {
		if cmp.Or(p.Protocol, values.TCP) == values.TCP {
			ports = append(ports, p.Port)
		}
	}
	path = cmp.Or(path, "/")
	if !isFormat("path", path) || pathType == "" || !slices.Contains(ports, port) {
		return p, false
	}
	if path != "/" {
		p.Path = path
	}
	if pathType != values.PathPrefix {
		p.PathType = pathType
	}
	if len(ports) > 1 {
		p.Port = port
	}
	return p, true
}

// portNamed is the number of a port of the Service, 0 if no port has the name.
func (e *entry) portNamed(name string) int {
	i := slices.IndexFunc(e.service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == name })
	if i < 0 {
		return 0
	}
	return int(e.service.Spec.Ports[i].Port)
}

// isFormat says whether a text, with its variables replaced, is of a format of the values.
func isFormat(name, text string) bool {
	return regexp.MustCompile(values.Formats[name].Pattern).MatchString(withDefault(text)) && len(text) <= values.Formats[name].MaxLength
}

func pairsOf(annotations map[string]string) values.Pairs {
	pairs := values.Pairs{}
	for key, value := range annotations {
		if !internalAnnotations[key] {
			pairs[key] = ptr.To(value)
		}
	}
	return pairs
}

// noteFront says what to do with the object that the entry has now, and which labels it does not have.
func (e *entry) noteFront(r route, metadata metav1.ObjectMeta, field string) {
	what := r.kind + " " + r.key.Name
	for key, value := range metadata.Labels {
		if e.service.Labels[key] != value && !ignoredLabels[key] && !chartLabels[key] {
			e.notCarriedOver("label "+key+"="+value+" of the "+what, "the labels of an entry are those of the Service")
		}
	}
	if r.key.Name == e.service.Name {
		e.note(what, "the entry has it as %s; Helm takes it over as it does the Service", field)
		return
	}
	e.note(what, "the entry has it as %s, under the name %s: delete this one when the new one is there", field, e.service.Name)
}

// noteRoute names a route that stays as it is.
func (e *entry) noteRoute(r route) {
	name := r.key.Name
	if r.key.Namespace != e.service.Namespace {
		name = r.key.String()
	}
	e.note(r.kind+" "+name, "it routes to the Service, and stays as it is")
}

// addRoutes carries over what is in front of the Service, or names it.
func (e *entry) addRoutes() {
	for _, r := range e.routes {
		if len(r.services()) > 1 || !e.carry(r) {
			e.noteRoute(r)
		}
	}
}

// services are the Services that a route has as its backends, each once.
func (r route) services() []service.Key {
	list := slices.SortedFunc(slices.Values(r.backends), service.Key.Compare)
	return slices.Compact(list)
}
