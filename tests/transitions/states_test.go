package transitions

import (
	"fmt"
	"slices"
	"strings"
)

// The addresses of the endpoints, with their ports.
const (
	podIP    = "10.244.9.9"
	podPort  = podIP + ":9090"
	outside1 = "192.168.50.11"
	outside2 = "192.168.50.12"
)

var (
	pod     = []string{podPort}
	outside = []string{outside1 + ":8080", outside2 + ":8080"}
)

// state is a state of the entry orders.
type state struct {
	name string

	// entry has the fields of the entry but for its name; it is empty for no entry.
	entry string

	// service is the type of its Service, or None for a headless one.
	service string

	// selector says that the Service has a selector: those of the pods, or a parked one.
	selector bool

	// slices and endpoints are what its EndpointSlices and its Endpoints object hold.
	slices, endpoints []string
}

// names says that the resolver writes the EndpointSlices of the state.
func (s state) names() bool { return strings.HasPrefix(s.name, "names") }

// Both ports and pods differ in number, so that an endpoint shows where it is from. What has a name has a label too, so
// that Helm writes the Service on the way from and to the same entry with addresses.
var states = []state{
	{"externalName", `externalName: orders.corp.example, ports: [{name: http, port: 80}]`, "ExternalName", false, nil, nil},
	{"addresses", `addresses: [192.168.50.11, 192.168.50.12], ports: [{name: http, port: 80, targetPort: 8080}]`, "ClusterIP", false, outside, nil},
	{"parked", `addresses: [192.168.50.11, 192.168.50.12], ports: [{name: http, port: 80, targetPort: 8080, podPort: 9090}], selector: {app: orders}`, "ClusterIP", true, outside, nil},
	{"Endpoints", `endpointsKind: Endpoints, addresses: [192.168.50.11, 192.168.50.12], ports: [{name: http, port: 80, targetPort: 8080}]`, "ClusterIP", false, outside, outside},
	{"both", `backend: both, addresses: [192.168.50.11, 192.168.50.12], ports: [{name: http, port: 80, targetPort: 8080, podPort: 9090}], selector: {app: orders}`, "ClusterIP", true, slices.Concat(pod, outside), pod},
	{"cluster", `backend: cluster, ports: [{name: http, port: 80, podPort: 9090}], selector: {app: orders}`, "ClusterIP", true, pod, pod},
	{"names", `addresses: [orders.corp.example], ports: [{name: http, port: 80, targetPort: 8080, podPort: 9090}], selector: {app: orders}, labels: {of: names}`, "ClusterIP", true, outside, nil},
	{"names-both", `backend: both, addresses: [orders.corp.example], ports: [{name: http, port: 80, targetPort: 8080, podPort: 9090}], selector: {app: orders}, labels: {of: names}`, "ClusterIP", true, slices.Concat(pod, outside), pod},
	{"headless", `headless: true, addresses: [192.168.50.11, 192.168.50.12], ports: [{name: http, port: 80}]`, "None", false, []string{outside1 + ":80", outside2 + ":80"}, nil},
	{"absent", ``, "", false, nil, nil},
}

// situation is what the cluster has of the Service orders.
type situation struct {
	service           string
	slices, endpoints []string
}

func (s situation) String() string {
	if s.service == "" {
		s.service = "no Service"
	}
	return fmt.Sprintf("%s, EndpointSlices %q, Endpoints %q", s.service, s.slices, s.endpoints)
}

// What a change comes to.
const (
	fine    = "ok"      // the endpoints are those of the new state, and no others
	refused = "refused" // Helm or the API server refuses it
	kept    = "kept"    // accepted, and the Service stays headless
	stale   = "stale"   // accepted, and the endpoints of the pods stay beside those of the new state
	left    = "left"    // accepted, and the Service stays although it was to go
)

// outcome is what a change has to come to, with the situation afterwards or the message.
type outcome struct {
	result    string
	situation situation
	message   string
}

// transition is the outcome of an upgrade from one state to another.
func transition(from, to state) outcome {
	after := situation{to.service, to.slices, to.endpoints}
	clusterIP := func(s state) bool { return s.service == "ClusterIP" }
	switch {
	case from.service == "ClusterIP" && to.service == "None":
		return outcome{refused, situation{}, "may not change once set"}
	case from.selector && to.name == "Endpoints":
		return outcome{refused, situation{}, `Endpoints "orders" in namespace`}
	case from.service == "None" && clusterIP(to):
		after.service = "None"
		return outcome{kept, after, ""}
	case slices.Contains(from.slices, podPort) && !to.selector && to.name != "absent":
		// kubernetes/kubernetes#103804: nobody clears away the endpoints of a Service that
		// has lost its selector.
		after.slices, after.endpoints = union(pod, after.slices), union(pod, after.endpoints)
		return outcome{stale, after, ""}
	}
	return outcome{fine, after, ""}
}

// undone is the outcome of a rollback after that upgrade.
func undone(from, to state, program string) outcome {
	before := situation{from.service, from.slices, from.endpoints}
	upgrade, pods := transition(from, to), slices.Contains(to.slices, podPort)
	switch {
	case upgrade.result == refused:
		return outcome{fine, before, ""}
	case upgrade.result == kept && pods:
		before.slices, before.endpoints = union(pod, before.slices), union(pod, before.endpoints)
		return outcome{stale, before, ""}
	case upgrade.result == kept:
		// It is headless still, so that nothing is taken away from it.
		return outcome{fine, before, ""}
	case from.name == "Endpoints" && pods && program == "helm4":
		return outcome{refused, situation{}, `conflicts with "kube-controller-manager"`}
	case from.name == "Endpoints" && pods:
		// A rollback takes over what an upgrade refuses.
		before.slices = union(pod, before.slices)
		return outcome{stale, before, ""}
	case from.name == "Endpoints" && to.selector:
		return outcome{fine, before, ""}
	}
	return transition(to, from)
}

// retried is the outcome of the upgrade when it failed before, and is tried again.
func retried(from, to state, program string) outcome {
	if to.name == "absent" && program == "helm" {
		// Helm 3 says nothing of what it cannot delete, and forgets it.
		after := situation{service: from.service}
		switch {
		case slices.Contains(from.slices, podPort):
			after.slices, after.endpoints = pod, pod
		case from.names():
			after.slices = from.slices // a Service that has no other keeps the last addresses
		}
		return outcome{left, after, ""}
	}
	return transition(from, to)
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
