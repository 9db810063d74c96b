package service

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"external-services/tools/helm"
)

// Route is what is in front of a Service: an Ingress, a route of the Gateway API, or the BackendTLSPolicy by which
// Gateways speak TLS to it. It has the name of the Service.
type Route struct {
	Kind string `json:"kind"`

	// Hosts are the host names that clients call, or that a BackendTLSPolicy asks for.
	Hosts []string `json:"hosts,omitempty"`

	// Parents are the IngressClass or the Gateways, as NAMESPACE/NAME, empty for the default IngressClass.
	Parents []string `json:"parents,omitempty"`

	object helm.Object
}

// The resources of routes, by their kinds.
var routeResources = map[string]Resource{
	"Ingress":          {"ingresses", "networking.k8s.io", "Ingresses"},
	"HTTPRoute":        {"httproutes", helm.GatewayGroup, "HTTPRoutes"},
	"TLSRoute":         {"tlsroutes", helm.GatewayGroup, "TLSRoutes"},
	"TCPRoute":         {"tcproutes", helm.GatewayGroup, "TCPRoutes"},
	"BackendTLSPolicy": {"backendtlspolicies", helm.GatewayGroup, "BackendTLSPolicies"},
}

// ingressClasses are in no namespace.
var ingressClasses = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingressclasses"}

// newRoute reads a route from its object, which is kept.
func newRoute(object helm.Object) Route {
	spec := contentOf(object)["spec"]
	r := Route{Kind: object.GetObjectKind().GroupVersionKind().Kind, object: object}
	text := func(value any, path ...string) string {
		m, _ := value.(map[string]any)
		found, _, _ := unstructured.NestedString(m, path...) // empty if it is not set
		return found
	}
	list := func(path ...string) []any {
		m, _ := spec.(map[string]any)
		found, _, _ := unstructured.NestedSlice(m, path...)
		return found
	}
	for _, rule := range list("rules") {
		r.Hosts = append(r.Hosts, text(rule, "host"))
	}
	for _, host := range list("hostnames") {
		r.Hosts = append(r.Hosts, fmt.Sprint(host))
	}
	r.Hosts = append(r.Hosts, text(spec, "validation", "hostname"))
	r.Parents = []string{text(spec, "ingressClassName")}
	for _, parent := range list("parentRefs") {
		r.Parents = append(r.Parents, cmp.Or(text(parent, "namespace"), object.GetNamespace())+"/"+text(parent, "name"))
	}
	isEmpty := func(s string) bool { return s == "" }
	r.Hosts, r.Parents = slices.DeleteFunc(r.Hosts, isEmpty), slices.Compact(slices.DeleteFunc(r.Parents, isEmpty))
	return r
}

// contentOf is an object as maps and lists.
func contentOf(object runtime.Object) map[string]any {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		panic(err) // an object of the API
	}
	return content
}

// routeFields are the fields of the spec of a route, and its annotations, by their paths. A list also has its length.
func routeFields(content map[string]any) map[string]string {
	fields := map[string]string{}
	var add func(path string, value any)
	add = func(path string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for key, v := range value {
				add(strings.TrimPrefix(path+"."+key, "."), v)
			}
		case []any:
			fields[path] = fmt.Sprintf("%d items", len(value))
			if len(value) == 1 {
				fields[path] = "1 item"
			}
			for i, v := range value {
				add(fmt.Sprintf("%s[%d]", path, i), v)
			}
		default:
			fields[path] = fmt.Sprint(value)
		}
	}
	add("", content["spec"])
	annotations, _, _ := unstructured.NestedStringMap(content, "metadata", "annotations")
	for key, value := range annotations {
		fields["annotation "+key] = value
	}
	return fields
}

// routes compares what is in front of a mapping.
func (d *differences) routes(before, after []Route) {
	kind := func(r Route) string { return r.Kind }
	compareItems(d, "routes", before, after, kind, kind, func(d *differences, old, new Route) {
		d.routeFields(old.Kind, routeFields(contentOf(old.object)), routeFields(contentOf(new.object)))
	})
}

func (r Route) String() string { return r.Kind }

func (d *differences) routeFields(kind string, before, after map[string]string) {
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, field := range slices.Sorted(maps.Keys(all)) {
		d.text(kind+" "+field, before[field], after[field], !strings.HasPrefix(field, "annotation "))
	}
}

// routeKey is the place of a route in the cluster.
type routeKey struct {
	Key
	kind string
}

// ReadRoutes reads what is in front of the mappings: the kinds that they have, and the IngressClasses if they name any
// and the user may list what is in no namespace. Whatever else the user may not read is in Unread.
func (l *Live) ReadRoutes(ctx context.Context, client dynamic.Interface, desired []*Mapping, progress func(string)) {
	l.routes = map[routeKey]*unstructured.Unstructured{}
	wanted, namespaces, hasClass := map[routeKey]bool{}, map[string]map[string]bool{}, false
	for _, m := range desired {
		for _, r := range m.Routes {
			wanted[routeKey{m.Key, r.Kind}] = true
			if namespaces[r.Kind] == nil {
				namespaces[r.Kind] = map[string]bool{}
			}
			namespaces[r.Kind][m.Namespace] = true
			hasClass = hasClass || r.Kind == "Ingress" && len(r.Parents) > 0
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(namespaces)) {
		resource := routeResources[kind]
		l.read(ctx, resource, namespaces[kind], progress, func(namespace string, count func()) error {
			return List(ctx, client.Resource(resource.v1()).Namespace(namespace).List, func(o *unstructured.Unstructured) {
				if count(); wanted[routeKey{KeyOf(o), kind}] {
					l.routes[routeKey{KeyOf(o), kind}] = o
				}
			})
		})
	}
	if hasClass {
		classes := map[string]bool{}
		if List(ctx, client.Resource(ingressClasses).List, func(o *unstructured.Unstructured) { classes[o.GetName()] = true }) == nil {
			l.classes = classes
		}
	}
}

// v1 is the version 1 of a resource.
func (r Resource) v1() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: r.Group, Version: "v1", Resource: r.Name}
}

// Route is a live route of a mapping, nil if it does not exist. Read says whether it could be read.
func (l *Live) Route(m *Mapping, r Route) (live *unstructured.Unstructured, read bool) {
	return l.routes[routeKey{m.Key, r.Kind}], l.CouldRead(routeResources[r.Kind], m.Namespace)
}

// RouteDrift compares a live route with the desired one in the fields that the desired one sets: the API server and
// controllers set others.
func RouteDrift(desired Route, live *unstructured.Unstructured) Drift {
	want, have := routeFields(contentOf(desired.object)), routeFields(live.Object)
	maps.DeleteFunc(have, func(field, _ string) bool {
		_, isSet := want[field]
		return !isSet
	})
	d := &differences{}
	d.routeFields(desired.Kind, want, have)
	return Drift{Object: desired.Kind + " " + live.GetName(), Differences: d.list}
}

// RouteState is what the controllers say of a live route: Refused are their reasons, and Unanswered the parents of
// which no controller says anything.
type RouteState struct{ Refused, Unanswered []string }

// StateOf reads the state of a live route. An Ingress has none: for it, it is enough that its IngressClass exists.
func (l *Live) StateOf(r Route, live *unstructured.Unstructured) (state RouteState) {
	if r.Kind == "Ingress" {
		for _, class := range r.Parents {
			if l.classes != nil && !l.classes[class] {
				state.Refused = append(state.Refused, fmt.Sprintf("the IngressClass %s does not exist", class))
			}
		}
		return state
	}
	answered := map[string]bool{}
	for _, field := range []struct{ list, ref string }{{"parents", "parentRef"}, {"ancestors", "ancestorRef"}} {
		parents, _, _ := unstructured.NestedSlice(live.Object, "status", field.list) // none before a controller has looked
		for _, parent := range parents {
			status, _ := parent.(map[string]any)
			name, _, _ := unstructured.NestedString(status, field.ref, "name")
			namespace, _, _ := unstructured.NestedString(status, field.ref, "namespace")
			name = cmp.Or(namespace, live.GetNamespace()) + "/" + name
			answered[name] = true
			conditions, _, _ := unstructured.NestedSlice(status, "conditions")
			for _, c := range conditions {
				condition, _ := c.(map[string]any)
				if (condition["type"] == "Accepted" || condition["type"] == "ResolvedRefs") && condition["status"] == "False" {
					state.Refused = append(state.Refused, fmt.Sprintf("%s: %v: %v", name, condition["reason"], condition["message"]))
				}
			}
		}
	}
	for _, parent := range r.Parents {
		if !answered[parent] {
			state.Unanswered = append(state.Unanswered, parent)
		}
	}
	slices.Sort(state.Refused)
	state.Refused = slices.Compact(state.Refused)
	return state
}
