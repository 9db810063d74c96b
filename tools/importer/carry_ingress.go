package importer

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"external-services/tools/values"
)

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
		host.Paths = withoutDefault(host.Paths)
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
	in.AllowAlias = e.allowAlias()
	e.Ingress = in
	e.noteFront(r, object.Metadata, "ingress")
	return true
}

// portNamed is the number of a port of the Service, 0 if no port has the name.
func (e *entry) portNamed(name string) int {
	i := slices.IndexFunc(e.service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == name })
	if i < 0 {
		return 0
	}
	return int(e.service.Spec.Ports[i].Port)
}
