package parity

import (
	"cmp"
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	"pgregory.net/rapid"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"external-services/tools/values"
)

// What is in front of an entry.

// frontHosts are host names, and routeHosts those and wildcards.
var (
	frontHosts = rapid.OneOf(
		rapid.StringMatching(`([a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?[.]){0,3}[a-z]([-a-z0-9]{0,8}[a-z0-9])?`),
		rapid.StringMatching(`([a-z0-9][-a-z0-9]{61}[a-z0-9][.]){3}[a-z][-a-z0-9]{57}[a-z0-9]`),
		rapid.SampledFrom([]string{"nas", "null", "true", "e1", "xn--bcher-kva.example", "1password.example", "127.0.0.1.example"}),
	)
	routeHosts = rapid.OneOf(frontHosts, rapid.Map(frontHosts, func(s string) string { return "*." + s }).Filter(func(s string) bool { return len(s) <= 253 }))
	paths      = rapid.OneOf(
		rapid.StringMatching(`(/[-A-Za-z0-9_~!$&'()*+,;=:@]([-A-Za-z0-9._~!$&'()*+,;=:@]|%[013-9a-fA-F][0-9a-fA-F]){0,9}){0,3}/?`).Filter(func(s string) bool { return s != "" }),
		rapid.SampledFrom([]string{"/", "/...", "/.a", "/..a/", "/a%20b", "/null", "/~"}),
	)
	objectNames = rapid.OneOf(labels63, domains)
)

// front puts something in front of an entry that has a port of TCP.
func front(t *rapid.T, e *values.Entry) {
	var ports []values.Port
	for _, p := range e.Ports {
		if cmp.Or(p.Protocol, values.TCP) == values.TCP {
			ports = append(ports, p)
		}
	}
	if len(ports) == 0 {
		return
	}
	allow := func() *bool {
		if e.ExternalName != "" || oneIn(t, "allowAlias", 3) {
			return ptr(true)
		}
		return nil
	}
	path := func(types ...values.PathType) values.RoutePath {
		var p values.RoutePath
		if oneIn(t, "path", 1) {
			p.Path = paths.Draw(t, "path")
		}
		if oneIn(t, "pathType", 1) {
			p.PathType = pick(t, "pathType", types...)
		}
		if len(ports) > 1 || oneIn(t, "port of a path", 1) {
			p.Port = pick(t, "port of a path", ports...).Port
		}
		return p
	}
	annotations := func() values.Pairs {
		if oneIn(t, "annotations in front", 2) {
			return pairs(t, annotationKeys, annotationTexts)
		}
		return nil
	}
	several := func(what string, each func()) {
		for range rapid.IntRange(1, 3).Draw(t, what) {
			each()
		}
	}
	if oneIn(t, "ingress", 1) {
		in := &values.Ingress{AllowAlias: allow(), Annotations: annotations()}
		if oneIn(t, "className", 1) {
			in.ClassName = objectNames.Draw(t, "className")
		}
		several("hosts", func() {
			host := values.IngressHost{Host: routeHosts.Draw(t, "host")}
			if len(ports) > 1 || oneIn(t, "paths", 1) {
				several("paths", func() {
					host.Paths = append(host.Paths, path(values.PathPrefix, values.PathExact, values.PathImplementationSpecific))
				})
			}
			in.Hosts = append(in.Hosts, host)
		})
		if oneIn(t, "tls", 1) {
			several("certificates", func() {
				var c values.IngressCertificate
				if oneIn(t, "secretName", 1) {
					c.SecretName = objectNames.Draw(t, "secretName")
				}
				if oneIn(t, "hosts of a certificate", 1) {
					c.Hosts = rapid.SliceOfN(routeHosts, 1, 3).Draw(t, "hosts of a certificate")
				}
				in.TLS = append(in.TLS, c)
			})
		}
		e.Ingress = in
	}
	if oneIn(t, "route", 1) {
		r := &values.Route{AllowAlias: allow(), Annotations: annotations()}
		kind := pick(t, "route kind", values.HTTPRoute, values.TLSRoute, values.TCPRoute)
		if kind != values.HTTPRoute || oneIn(t, "kind", 1) {
			r.Kind = kind
		}
		for _, name := range rapid.SliceOfNDistinct(objectNames, 1, 3, rapid.ID).Draw(t, "parents") {
			parent := values.ParentRef{Name: name}
			if oneIn(t, "namespace of a parent", 1) {
				parent.Namespace = labels63.Draw(t, "namespace of a parent")
			}
			if oneIn(t, "section", 1) {
				parent.SectionName = objectNames.Draw(t, "section")
				if again := parent; oneIn(t, "another section", 1) {
					again.SectionName = "another-" + labels63.Draw(t, "another section")[:1]
					if again.SectionName != parent.SectionName {
						r.ParentRefs = append(r.ParentRefs, again)
					}
				}
			}
			r.ParentRefs = append(r.ParentRefs, parent)
		}
		if kind == values.TLSRoute || kind == values.HTTPRoute && oneIn(t, "hostnames", 1) {
			r.Hostnames = rapid.SliceOfN(routeHosts, 1, 4).Draw(t, "hostnames")
		}
		switch {
		case kind != values.HTTPRoute && (len(ports) > 1 || oneIn(t, "rules", 1)):
			r.Rules = []values.RoutePath{{Port: pick(t, "port of the rule", ports...).Port}}
		case kind == values.HTTPRoute && (len(ports) > 1 || oneIn(t, "rules", 1)):
			several("rules", func() { r.Rules = append(r.Rules, path(values.PathPrefix, values.PathExact)) })
		}
		e.Route = r
	}
	if oneIn(t, "backendTLS", 1) {
		b := &values.BackendTLS{Hostname: frontHosts.Draw(t, "hostname of the certificate")}
		if oneIn(t, "wellKnown", 1) {
			b.WellKnown = values.SystemAuthorities
		} else {
			several("authorities", func() {
				b.CACertificates = append(b.CACertificates, values.LocalReference{Name: objectNames.Draw(t, "authority")})
			})
		}
		if port := pick(t, "port of TLS", ports...); port.Name != "" && oneIn(t, "port of TLS", 1) {
			b.Port = port.Name
		}
		e.BackendTLS = b
	}
}

// front looks at what is in front of an entry in a namespace.
func (c *check) front(namespace string, e values.Entry) {
	of := func(what string) string { return fmt.Sprintf("%s/%s: %s", namespace, e.Name, what) }
	tcp := slices.IndexFunc(e.Ports, func(p values.Port) bool { return cmp.Or(p.Protocol, values.TCP) == values.TCP })
	portOf := func(p values.RoutePath) int32 { return int32(cmp.Or(p.Port, e.Ports[max(0, tcp)].Port)) }
	labels := c.labels(cmp.Or(e.Backend, values.External), e.Labels)
	if in := e.Ingress; in != nil {
		var got networkingv1.Ingress
		c.take("Ingress", namespace, e.Name, &got)
		c.equal(of("labels of the Ingress"), got.Labels, labels)
		c.equal(of("annotations of the Ingress"), got.Annotations, merged(c.document.plain.CommonAnnotations, in.Annotations))
		var want networkingv1.IngressSpec
		if in.ClassName != "" {
			want.IngressClassName = &in.ClassName
		}
		var names []string
		for _, host := range in.Hosts {
			names = append(names, host.Host)
			rule := networkingv1.IngressRule{Host: host.Host}
			rule.HTTP = &networkingv1.HTTPIngressRuleValue{}
			list := host.Paths
			if len(list) == 0 {
				list = []values.RoutePath{{}}
			}
			for _, p := range list {
				rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{
					Path: cmp.Or(p.Path, "/"), PathType: ptr(networkingv1.PathType(cmp.Or(p.PathType, values.PathPrefix))),
					Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: e.Name, Port: networkingv1.ServiceBackendPort{Number: portOf(p)}}},
				})
			}
			want.Rules = append(want.Rules, rule)
		}
		for _, tls := range in.TLS {
			hosts := tls.Hosts
			if len(hosts) == 0 {
				hosts = names
			}
			want.TLS = append(want.TLS, networkingv1.IngressTLS{Hosts: hosts, SecretName: tls.SecretName})
		}
		c.equal(of("spec of the Ingress"), got.Spec, want)
	}
	if r := e.Route; r != nil {
		c.route(namespace, e, portOf, labels)
	}
	if b := e.BackendTLS; b != nil {
		var got gatewayv1.BackendTLSPolicy
		c.take("BackendTLSPolicy", namespace, e.Name, &got)
		want := gatewayv1.BackendTLSPolicySpec{Validation: gatewayv1.BackendTLSPolicyValidation{Hostname: gatewayv1.PreciseHostname(b.Hostname)}}
		target := gatewayv1.LocalPolicyTargetReferenceWithSectionName{LocalPolicyTargetReference: gatewayv1.LocalPolicyTargetReference{Kind: "Service", Name: gatewayv1.ObjectName(e.Name)}}
		if b.Port != "" {
			target.SectionName = ptr(gatewayv1.SectionName(b.Port))
		}
		want.TargetRefs = append(want.TargetRefs, target)
		for _, ca := range b.CACertificates {
			want.Validation.CACertificateRefs = append(want.Validation.CACertificateRefs, gatewayv1.LocalObjectReference{Kind: "ConfigMap", Name: gatewayv1.ObjectName(ca.Name)})
		}
		if b.WellKnown != "" {
			want.Validation.WellKnownCACertificates = ptr(gatewayv1.WellKnownCACertificatesType(b.WellKnown))
		}
		c.equal(of("spec of the BackendTLSPolicy"), got.Spec, want)
	}
}

// route looks at a route of the Gateway API.
func (c *check) route(namespace string, e values.Entry, portOf func(values.RoutePath) int32, labels map[string]string) {
	of := func(what string) string { return fmt.Sprintf("%s/%s: %s", namespace, e.Name, what) }
	kind := cmp.Or(e.Route.Kind, values.HTTPRoute)
	var got gatewayv1.HTTPRoute // the others have a part of its fields
	c.take(string(kind), namespace, e.Name, &got)
	c.equal(of("labels of the route"), got.Labels, labels)
	c.equal(of("annotations of the route"), got.Annotations, merged(c.document.plain.CommonAnnotations, e.Route.Annotations))
	var want gatewayv1.HTTPRouteSpec
	for _, p := range e.Route.ParentRefs {
		parent := gatewayv1.ParentReference{Name: gatewayv1.ObjectName(p.Name)}
		if p.Namespace != "" {
			parent.Namespace = ptr(gatewayv1.Namespace(p.Namespace))
		}
		if p.SectionName != "" {
			parent.SectionName = ptr(gatewayv1.SectionName(p.SectionName))
		}
		want.ParentRefs = append(want.ParentRefs, parent)
	}
	for _, host := range e.Route.Hostnames {
		want.Hostnames = append(want.Hostnames, gatewayv1.Hostname(host))
	}
	list := e.Route.Rules
	if len(list) == 0 {
		list = []values.RoutePath{{}}
	}
	types := map[values.PathType]gatewayv1.PathMatchType{values.PathExact: gatewayv1.PathMatchExact}
	for _, p := range list {
		var backend gatewayv1.HTTPBackendRef
		backend.Name, backend.Port = gatewayv1.ObjectName(e.Name), ptr(gatewayv1.PortNumber(portOf(p)))
		rule := gatewayv1.HTTPRouteRule{BackendRefs: []gatewayv1.HTTPBackendRef{backend}}
		if kind == values.HTTPRoute {
			rule.Matches = []gatewayv1.HTTPRouteMatch{{Path: &gatewayv1.HTTPPathMatch{
				Type: ptr(cmp.Or(types[p.PathType], gatewayv1.PathMatchPathPrefix)), Value: ptr(cmp.Or(p.Path, "/")),
			}}}
		}
		want.Rules = append(want.Rules, rule)
	}
	c.equal(of("spec of the route"), got.Spec, want)
}

// inFront gives an entry with one port, http, one of these parts, and lets a fault change it.
func inFront(part string, change func(t *rapid.T, part map[string]any)) func(*rapid.T, *document, entry) {
	return every(enabled, func(t *rapid.T, d *document, e entry) {
		e["ports"] = []any{map[string]any{"name": "http", "port": 80.0}}
		content := map[string]map[string]any{
			"ingress":    {"hosts": []any{"a.example"}},
			"route":      {"parentRefs": []any{map[string]any{"name": "g"}}},
			"backendTLS": {"hostname": "a.example", "wellKnown": "System"},
		}[part]
		change(t, content)
		e[part] = content
	})
}

func unchanged(*rapid.T, map[string]any) {}

// routeClasses are the faults of what is in front.
var routeClasses = []class{
	{"any host of an Ingress", outward, inFront("ingress", func(t *rapid.T, in map[string]any) { in["hosts"] = []any{strange.Draw(t, "host")} }), ""},
	{"any path of an Ingress", outward, inFront("ingress", func(t *rapid.T, in map[string]any) {
		path := rapid.OneOf(strange, rapid.Map(strange, func(s string) string { return "/" + s }), just("/a/../b", "/a/.", "/..", "//", "/a%2Fb", "/a%2fb", "/a#b", "/%zz")).Draw(t, "path")
		in["hosts"] = []any{map[string]any{"host": "a.example", "paths": []any{map[string]any{"path": path, "pathType": pick(t, "type", "Exact", "Prefix", "ImplementationSpecific")}}}}
	}), ""},
	{"any class of an Ingress", outward, inFront("ingress", func(t *rapid.T, in map[string]any) { in["className"] = strange.Draw(t, "class") }), ""},
	{"any certificate of an Ingress", outward, inFront("ingress", func(t *rapid.T, in map[string]any) {
		in["tls"] = map[string]any{"secretName": strange.Draw(t, "secret"), "hosts": []any{rapid.OneOf(strange, routeHosts).Draw(t, "host")}}
	}), ""},
	{"any annotation of an Ingress", outward, inFront("ingress", func(t *rapid.T, in map[string]any) {
		in["annotations"] = map[string]any{rapid.OneOf(strange, annotationKeys).Draw(t, "key"): strange.Draw(t, "text")}
	}), ""},
	{"two classes of an Ingress", outward, inFront("ingress", func(t *rapid.T, in map[string]any) {
		in["className"], in["annotations"] = "a", map[string]any{"kubernetes.io/ingress.class": "b"}
	}), "and the annotation kubernetes.io/ingress.class is"},
	{"empty list of a route", outward, inFront("route", func(t *rapid.T, r map[string]any) {
		r[rapid.SampledFrom([]string{"hostnames", "rules"}).Draw(t, "list")] = []any{}
	}), "minItems: got 0, want 1"},
	{"Ingress without hosts", outward, inFront("ingress", func(t *rapid.T, in map[string]any) { delete(in, "hosts") }), "ingress.hosts is missing"},
	{"port of an Ingress that is missing", outward, inFront("ingress", func(t *rapid.T, in map[string]any) {
		in["hosts"] = []any{map[string]any{"host": "a.example", "paths": []any{map[string]any{"port": float64(number(t, "port", 81, 65535))}}}}
	}), "is not a TCP port of the entry"},
	{"Ingress in front of an alias", []shape{alias}, inFront("ingress", unchanged), "is in front of an alias"},
	{"route in front of an alias", []shape{alias}, inFront("route", unchanged), "is in front of an alias"},
	{"any host of a route", outward, inFront("route", func(t *rapid.T, r map[string]any) {
		r["hostnames"], r["kind"] = []any{strange.Draw(t, "host")}, pick(t, "kind", "HTTPRoute", "TLSRoute")
	}), ""},
	{"any path of a route", outward, inFront("route", func(t *rapid.T, r map[string]any) {
		path := rapid.OneOf(strange, rapid.Map(strange, func(s string) string { return "/" + s }), just("/a/../b", "/a/.", "/..", "//", "/a%2Fb", "/a#b", "/%zz")).Draw(t, "path")
		r["rules"] = []any{map[string]any{"path": path, "pathType": pick(t, "type", "Exact", "Prefix")}}
	}), ""},
	{"any parent of a route", outward, inFront("route", func(t *rapid.T, r map[string]any) {
		r["parentRefs"] = []any{map[string]any{"name": strange.Draw(t, "name"), "namespace": strange.Draw(t, "namespace"), "sectionName": strange.Draw(t, "section")}}
	}), ""},
	{"one parent twice", outward, inFront("route", func(t *rapid.T, r map[string]any) {
		section := pick(t, "section", map[string]any{"name": "g"}, map[string]any{"name": "g", "sectionName": "a"})
		r["parentRefs"] = []any{section, map[string]any{"name": "h"}, map[string]any{"name": "g", "sectionName": "a"}}
	}), "repeats the Gateway"},
	{"route without parents", outward, inFront("route", func(t *rapid.T, r map[string]any) { delete(r, "parentRefs") }), "route.parentRefs is missing"},
	{"route of TLS without hosts", outward, inFront("route", func(t *rapid.T, r map[string]any) { r["kind"] = "TLSRoute" }), "route.hostnames is missing"},
	{"route of TCP with hosts", outward, inFront("route", func(t *rapid.T, r map[string]any) { r["kind"], r["hostnames"] = "TCPRoute", []any{"a.example"} }), "TCP has no host names"},
	{"route of TLS or TCP with paths or two rules", outward, inFront("route", func(t *rapid.T, r map[string]any) {
		if r["kind"] = pick(t, "kind", "TLSRoute", "TCPRoute"); r["kind"] == "TLSRoute" {
			r["hostnames"] = []any{"a.example"}
		}
		r["rules"] = pick(t, "rules", []any{map[string]any{"path": "/"}}, []any{map[string]any{"port": 80.0}, map[string]any{"port": 80.0}})
	}), "route.rules"},
	{"path type of an Ingress in a route", outward, inFront("route", func(t *rapid.T, r map[string]any) {
		r["rules"] = []any{map[string]any{"pathType": "ImplementationSpecific"}}
	}), "which is for an Ingress"},
	{"any host of backendTLS", outward, inFront("backendTLS", func(t *rapid.T, b map[string]any) { b["hostname"] = strange.Draw(t, "host") }), ""},
	{"any authority of backendTLS", outward, inFront("backendTLS", func(t *rapid.T, b map[string]any) {
		delete(b, "wellKnown")
		b["caCertificates"] = []any{map[string]any{"name": strange.Draw(t, "name")}}
	}), ""},
	{"authorities of both kinds", outward, inFront("backendTLS", func(t *rapid.T, b map[string]any) { b["caCertificates"] = []any{map[string]any{"name": "ca"}} }), "is set, but so is caCertificates"},
	{"no authority", outward, inFront("backendTLS", func(t *rapid.T, b map[string]any) { delete(b, "wellKnown") }), "backendTLS.caCertificates is missing"},
	{"port of backendTLS that is missing", outward, inFront("backendTLS", func(t *rapid.T, b map[string]any) { b["port"] = "no-port-of-it" }), "is not the name of a port"},
	{"anything in front", outward, func(t *rapid.T, d *document, e entry) {
		part := pick(t, "part", "ingress", "route", "backendTLS")
		inFront(part, unchanged)(t, d, e)
		if replace, remove := somewhere(t, e[part]); oneIn(t, "removed", 3) {
			remove()
		} else {
			replace(anything.Draw(t, "value"))
		}
	}, ""},
}
