package importer_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"external-services/tools/importer"
)

// requests are what an Ingress or a route does, in lines: which requests it sends to which port of which Service, and
// the rest of what a controller reads.
func requests(t *testing.T, document string) (kind string, lines []string) {
	t.Helper()
	var head struct{ Kind string }
	if err := yaml.Unmarshal([]byte(document), &head); err != nil {
		t.Fatal(err)
	}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	switch head.Kind {
	case "Ingress":
		var in networkingv1.Ingress
		if yaml.Unmarshal([]byte(document), &in) != nil {
			return "", nil // such as a number in quotes, which the API server refuses
		}
		add("class %s annotations %v", ptr.Deref(in.Spec.IngressClassName, ""), in.Annotations)
		for _, rule := range in.Spec.Rules {
			for _, p := range rule.HTTP.Paths {
				port := p.Backend.Service.Port.Name
				if number := p.Backend.Service.Port.Number; number != 0 {
					port = fmt.Sprint(number)
				}
				add("%s %s %s -> %s:%s", rule.Host, cmp.Or(p.Path, "/"), *p.PathType, p.Backend.Service.Name, port)
			}
		}
		for _, tls := range in.Spec.TLS {
			for _, host := range tls.Hosts {
				add("tls %s %s", host, tls.SecretName)
			}
		}
	case "HTTPRoute", "TLSRoute", "TCPRoute":
		var route gatewayv1.HTTPRoute // the others have a part of its fields
		if err := yaml.Unmarshal([]byte(document), &route); err != nil {
			t.Fatal(err)
		}
		add("annotations %v hostnames %v", route.Annotations, route.Spec.Hostnames)
		for _, p := range route.Spec.ParentRefs {
			add("parent %s/%s %s", ptr.Deref(p.Namespace, ""), p.Name, ptr.Deref(p.SectionName, ""))
		}
		for _, rule := range route.Spec.Rules {
			path := "PathPrefix /"
			for _, match := range rule.Matches {
				path = string(ptr.Deref(match.Path.Type, gatewayv1.PathMatchPathPrefix)) + " " + ptr.Deref(match.Path.Value, "/")
			}
			for _, b := range rule.BackendRefs {
				add("%s -> %s:%d", path, b.Name, *b.Port)
			}
		}
	case "BackendTLSPolicy":
		var policy gatewayv1.BackendTLSPolicy
		if err := yaml.Unmarshal([]byte(document), &policy); err != nil {
			t.Fatal(err)
		}
		v := policy.Spec.Validation
		add("%s %s %v", v.Hostname, ptr.Deref(v.WellKnownCACertificates, ""), v.CACertificateRefs)
		for _, target := range policy.Spec.TargetRefs {
			add("target %s", target.Name)
		}
	}
	return head.Kind, lines
}

// named replaces the names of ports by their numbers.
func named(lines []string, text string) []string {
	var replaced []string
	for _, line := range lines {
		service, port, found := strings.Cut(line[strings.LastIndex(line, " ")+1:], ":")
		if found && strings.Contains(line, "->") && strings.Trim(port, "0123456789") != "" {
			for _, document := range strings.Split(text, "\n---") {
				var svc struct {
					Kind     string
					Metadata struct{ Name string }
					Spec     struct {
						Ports []struct {
							Name string
							Port int
						}
					}
				}
				if yaml.Unmarshal([]byte(document), &svc) != nil || svc.Kind != "Service" || svc.Metadata.Name != service {
					continue
				}
				for _, p := range svc.Spec.Ports {
					if p.Name == port {
						line = strings.TrimSuffix(line, port) + fmt.Sprint(p.Port)
					}
				}
			}
		}
		replaced = append(replaced, line)
	}
	slices.Sort(replaced)
	return replaced
}

// An Ingress or a route that an entry has is rendered as it was: the same requests go to the same ports.
func TestCarriedRoutes(t *testing.T) {
	paths, err := filepath.Glob("testdata/wild/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	carried, routes := map[string]int{}, 0
	for _, path := range paths {
		if strings.Contains(path, "/broken/") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		written := substitute(string(text))
		o := importer.NewObjects()
		if err := o.ReadManifests(path, []byte(written)); err != nil {
			t.Fatal(err)
		}
		result, err := importer.Import(o, importer.Options{})
		if err != nil {
			continue // nothing to import
		}
		rendered := renderedFrom(t, result.Values)
		var before [][]string
		for _, document := range documents(t, written) {
			if kind, lines := requests(t, document); len(lines) > 0 {
				routes++
				before = append(before, append([]string{kind}, named(lines, written)...))
			}
		}
		for _, manifest := range rendered.Manifests {
			kind, lines := requests(t, manifest)
			if len(lines) == 0 {
				continue
			}
			carried[kind]++
			after := append([]string{kind}, named(lines, "")...)
			if !slices.ContainsFunc(before, func(lines []string) bool { return slices.Equal(lines, after) }) {
				t.Errorf("%s: rendered\n%s\nand the file has %q", path, strings.Join(after, "\n"), before)
			}
		}
	}
	t.Logf("%d routes in the files, carried over: %v", routes, carried)
	for kind, want := range map[string]int{"Ingress": 10, "HTTPRoute": 4, "TLSRoute": 3, "BackendTLSPolicy": 1} {
		if carried[kind] < want {
			t.Errorf("%d of the kind %s, want at least %d", carried[kind], kind, want)
		}
	}
}
