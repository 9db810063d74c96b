package importer

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"external-services/tools/service"
)

// route is an object that sends connections from outside the cluster to Services, such as an Ingress.
type route struct {
	kind     string
	key      service.Key
	backends []service.Key
}

// backendsOf are the places of the backends in the kinds of routes: keys, and * for each item of a list. A backend
// has a name, or a serviceName in an Ingress of extensions/v1beta1.
var backendsOf = map[string][]string{
	"Ingress":      {"spec.defaultBackend.service", "spec.backend", "spec.rules.*.http.paths.*.backend.service", "spec.rules.*.http.paths.*.backend"},
	"HTTPRoute":    {"spec.rules.*.backendRefs.*"},
	"TLSRoute":     {"spec.rules.*.backendRefs.*"},
	"IngressRoute": {"spec.routes.*.services.*"},
}

// addRoute adds an object if it is a route with backends. It takes whatever else the object holds.
func (o *Objects) addRoute(m service.Manifest) bool {
	var object any
	if m.IsEncrypted || json.Unmarshal(m.JSON, &object) != nil {
		return false
	}
	r := route{kind: m.Kind, key: service.KeyOf(m.Object)}
	for _, place := range backendsOf[m.Kind] {
		for _, backend := range at(object, strings.Split(place, ".")) {
			if key, isService := backendKey(backend, r.key.Namespace); isService {
				r.backends = append(r.backends, key)
			}
		}
	}
	if len(r.backends) > 0 {
		o.routes = append(o.routes, r)
	}
	return len(r.backends) > 0
}

// at is what an object has at a place.
func at(object any, place []string) []any {
	if len(place) == 0 {
		return []any{object}
	}
	if place[0] != "*" {
		fields, _ := object.(map[string]any)
		return at(fields[place[0]], place[1:])
	}
	items, _ := object.([]any)
	var found []any
	for _, item := range items {
		found = append(found, at(item, place[1:])...)
	}
	return found
}

// backendKey is the backend of a route. One that is not a Service, such as a bucket, has no name in a cluster.
func backendKey(backend any, namespace string) (service.Key, bool) {
	fields, _ := backend.(map[string]any)
	text := func(key string) string { text, _ := fields[key].(string); return text }
	name := text("name")
	if name == "" {
		name = text("serviceName")
	}
	if own := text("namespace"); own != "" {
		namespace = own
	}
	kind := text("kind")
	return service.Key{Namespace: namespace, Name: name}, name != "" && (kind == "" || kind == kindService)
}

// nameRoutes notes at each entry the routes whose only backends are entries. The others are left out, like
// all other kinds.
func (o *Objects) nameRoutes(byService map[service.Key]*entry) []LeftOut {
	counts := maps.Clone(o.otherKinds)
	slices.SortFunc(o.routes, func(a, b route) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), a.key.Compare(b.key))
	})
	for _, r := range o.routes {
		var entries []*entry
		for _, backend := range r.backends {
			if e := byService[backend]; e != nil {
				entries = append(entries, e)
			}
		}
		if len(entries) < len(r.backends) {
			counts[r.kind]++
			continue
		}
		for _, e := range entries {
			name := r.key.Name
			if r.key.Namespace != e.service.Namespace {
				name = r.key.String()
			}
			e.note(r.kind+" "+name, "it routes to the Service, and stays as it is")
		}
	}
	var leftOut []LeftOut
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		leftOut = append(leftOut, LeftOut{Kind: kind, Count: counts[kind], Reason: "import is for Services, Endpoints and EndpointSlices"})
	}
	return leftOut
}
