package importer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"external-services/tools/service"
)

const (
	noEffect          = "it has no effect on an alias"
	forClientsOutside = "it is for clients outside the cluster, and the Services of the chart are for clients inside"
	byAddresses       = "the chart sets the families of the addresses, or leaves them to the cluster if an entry has no addresses"
	byCluster         = "the chart leaves it to the cluster; a Service that exists keeps its own"
	notInCluster      = "addresses outside are not objects of the cluster, and not on any node"
)

// fields are those of Services and endpoints of which there is more to say than that the chart has none: what the
// API server fills in, and why they are not carried over.
var fields = map[string]struct{ byDefault, why string }{
	"allocateLoadBalancerNodePorts": {`true`, forClientsOutside},
	"clusterIP":                     {"", byCluster},
	"clusterIPs":                    {"", byCluster},
	"externalIPs":                   {"", forClientsOutside},
	"externalName":                  {"", "it has no effect without type: ExternalName"},
	"externalTrafficPolicy":         {`"Cluster"`, forClientsOutside},
	"healthCheckNodePort":           {"", forClientsOutside},
	"internalTrafficPolicy":         {`"Cluster"`, "addresses outside are not on any node, so Local does not reach them"},
	"ipFamilies":                    {`["IPv4"]`, byAddresses},
	"ipFamilyPolicy":                {`"SingleStack"`, byAddresses},
	"loadBalancerClass":             {"", forClientsOutside},
	"loadBalancerIP":                {"", forClientsOutside},
	"loadBalancerSourceRanges":      {"", forClientsOutside},
	"nodeName":                      {"", notInCluster},
	"nodePort":                      {"", forClientsOutside},
	"sessionAffinity":               {`"None"`, ""},
	"targetRef":                     {"", notInCluster},
	"type":                          {`"ClusterIP"`, forClientsOutside},
}

// serviceTypes are the types that Kubernetes knows, and no type, which is ClusterIP.
var serviceTypes = []corev1.ServiceType{"", corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeExternalName}

// reportFields reports the fields of an object that are neither the default nor carried over. It looks at all of
// them, so that one that is new to Kubernetes is not lost silently. A reason replaces those of the fields.
func (e *entry) reportFields(object any, of, reason string, carried ...string) {
	var set map[string]json.RawMessage
	try(json.Unmarshal(marshal(object), &set))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if value := string(set[name]); value != fields[name].byDefault && !slices.Contains(carried, name) {
			e.notCarriedOver(name+": "+value+of, "%s", cmp.Or(reason, fields[name].why, "the chart has no field for it"))
		}
	}
}

// reportService reports what the Service has beyond the entry.
func (e *entry) reportService() {
	spec := e.service.Spec
	carried := []string{"ports", "selector"}
	for _, s := range service.Settings {
		if s.FromValues {
			carried = append(carried, s.SpecField())
		}
	}
	if isStored(e.service) || e.Headless != nil {
		carried = append(carried, "clusterIP", "clusterIPs")
	}
	if len(e.Addresses) > 0 { // with these, the families were compared
		carried = append(carried, "ipFamilies", "ipFamilyPolicy")
	}
	if !slices.Contains(serviceTypes, spec.Type) {
		carried = append(carried, "type")
		e.notCarriedOver(fmt.Sprintf("type: %q", spec.Type), "Kubernetes has no such type, and refuses the Service")
	}
	e.reportFields(spec, "", "", carried...)
	for _, port := range spec.Ports {
		of := fmt.Sprintf(" of port %d", port.Port)
		e.reportFields(port, of, "", "name", "protocol", "appProtocol", "port", "targetPort")
	}
}

// marshal writes a type of the Kubernetes API, or of the values, as JSON.
func marshal(v any) []byte {
	text, err := json.Marshal(v)
	try(err)
	return text
}

// try panics on an error that cannot happen.
func try(err error) {
	if err != nil {
		panic(err)
	}
}
