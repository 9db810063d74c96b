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
	json     []byte
}

// backendsOf are the places of the backends in the kinds of routes: keys, and * for each item of a list. A backend
// has a name, or a serviceName in an Ingress of extensions/v1beta1.
var backendsOf = map[string][]string{
	"Ingress":      {"spec.defaultBackend.service", "spec.backend", "spec.rules.*.http.paths.*.backend.service", "spec.rules.*.http.paths.*.backend"},
	"HTTPRoute":    {"spec.rules.*.backendRefs.*"},
	"TLSRoute":     {"spec.rules.*.backendRefs.*"},
	"TCPRoute":     {"spec.rules.*.backendRefs.*"},
	"IngressRoute": {"spec.routes.*.services.*"},

	"BackendTLSPolicy": {"spec.targetRefs.*"},
}

// addRoute adds an object if it is a route with backends. It takes whatever else the object holds.
func (o *Objects) addRoute(m service.Manifest) bool {
	var object any
	if m.IsEncrypted || json.Unmarshal(m.JSON, &object) != nil {
		return false
	}
	r := route{kind: m.Kind, key: service.KeyOf(m.Object), json: m.JSON}
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

// giveRoutes gives each entry the routes to it, if all of their backends are entries. The others are left out, like all
// other kinds.
func (o *Objects) giveRoutes(byService map[service.Key]*entry) []LeftOut {
	counts := maps.Clone(o.otherKinds)
	slices.SortFunc(o.routes, func(a, b route) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), a.key.Compare(b.key))
	})
	for _, r := range o.routes {
		services := r.services()
		if slices.ContainsFunc(services, func(key service.Key) bool { return byService[key] == nil }) {
			counts[r.kind]++
			continue
		}
		for _, key := range services {
			byService[key].routes = append(byService[key].routes, r)
		}
	}
	var leftOut []LeftOut
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		leftOut = append(leftOut, LeftOut{Kind: kind, Count: counts[kind], Reason: "import is for Services, Endpoints and EndpointSlices"})
	}
	return leftOut
}
