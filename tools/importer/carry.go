package importer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"regexp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"external-services/tools/service"
	"external-services/tools/values"
)

// frontObject is what is in front of a Service as an entry can have it: an object with a field that its type does not
// have stays where it is.
type frontObject[S any] struct {
	metav1.TypeMeta
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     S                 `json:"spec"`
	Status   any               `json:"status"`
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

// withoutDefault are the paths, none if the only one is the default.
func withoutDefault(paths []values.RoutePath) []values.RoutePath {
	if len(paths) == 1 && paths[0] == (values.RoutePath{}) {
		return nil
	}
	return paths
}

// allowAlias is set for an alias: what is in front of it works today.
func (e *entry) allowAlias() *bool {
	if e.ExternalName == "" {
		return nil
	}
	return ptr.To(true)
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
