package parity

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"external-services/tools/values"
)

// invariants says what does not hold of the objects that a document without a fault
// renders, however it is written. Each object is what its entry says, and there is none
// beside them.
func invariants(d document, objects []object) []string {
	c := &check{document: d, left: map[string]object{}}
	for _, o := range objects {
		key := o.kind + " " + o.namespace + "/" + o.name
		if _, twice := c.left[key]; twice {
			c.failf("%s is rendered twice", key)
		}
		c.left[key] = o
	}
	mappings := 0
	expected := map[string]values.Entry{} // what the resolver has to follow
	for _, e := range d.plain.Services {
		if e.Enabled != nil && !*e.Enabled {
			continue
		}
		in := e.Namespaces
		if len(in) == 0 {
			in = []string{e.Namespace}
		}
		for _, namespace := range in {
			if namespace == "" {
				namespace = d.Release.Namespace
			}
			c.mapping(namespace, e)
			mappings++
			if list := followedOf(e); len(list) > 0 {
				expected[namespace+"/"+e.Name] = values.Entry{Name: e.Name, Patch: values.Patch{Namespace: namespace, Mapping: values.Mapping{Addresses: list}}}
			}
		}
	}
	if d.plain.Tests.Enabled && mappings > 0 {
		var pod corev1.Pod
		if c.take("Pod", d.Release.Namespace, d.Release.Name+"-external-services-test", &pod) {
			c.equal("labels of the Pod", pod.Labels, c.labels("", nil))
			delete(pod.Annotations, "helm.sh/hook")
			delete(pod.Annotations, "helm.sh/hook-delete-policy")
			if len(pod.Annotations) == 0 {
				pod.Annotations = nil
			}
			c.equal("annotations of the Pod", pod.Annotations, merged(d.plain.CommonAnnotations))
		}
	}
	if len(expected) > 0 {
		c.resolver(expected)
	}
	for key := range c.left {
		c.failf("%s is rendered for no entry", key)
	}
	slices.Sort(c.failures)
	return c.failures
}

// followedOf are the addresses of an entry that the resolver writes.
func followedOf(e values.Entry) (list []values.Address) {
	for _, a := range e.Addresses {
		if a.Host != "" || e.HealthCheck != nil {
			list = append(list, values.Address{IP: a.IP, Host: a.Host})
		}
	}
	return list
}

// resolver looks at the objects of the resolver: what it is told, and where it may do something.
func (c *check) resolver(expected map[string]values.Entry) {
	const name = "outside-external-services-resolver"
	release, settings := c.document.Release.Namespace, c.document.plain.Resolver
	var config corev1.ConfigMap
	if c.take("ConfigMap", release, name, &config) {
		parsed, err := values.ParseResolverConfig(config.Data[values.ResolverConfigKey])
		if err != nil {
			c.failf("the configuration of the resolver: %v", err)
			return
		}
		c.equal("settings of the resolver", parsed.Following, settings.Following)
		c.equal("entries of the resolver", len(parsed.Entries), len(expected))
		for _, e := range parsed.Entries {
			want := expected[e.Namespace+"/"+e.Name]
			for i, a := range e.Addresses {
				e.Addresses[i] = values.Address{IP: a.IP, Host: a.Host}
			}
			c.equal("addresses of "+e.Namespace+"/"+e.Name+" in the configuration", e.Addresses, want.Addresses)
		}
	}
	in := map[string]bool{release: true}
	for _, e := range expected {
		in[e.Namespace] = true
	}
	var object map[string]any
	for namespace := range in {
		c.take("Role", namespace, name+"."+release, &object)
		c.take("RoleBinding", namespace, name+"."+release, &object)
	}
	c.take("ServiceAccount", release, name, &object)
	c.take("Deployment", release, name, &object)
	if settings.Replicas > 1 {
		c.take("PodDisruptionBudget", release, name, &object)
	}
	if settings.AdmissionPolicy {
		c.take("ValidatingAdmissionPolicy", "", name+"."+release, &object)
		c.take("ValidatingAdmissionPolicyBinding", "", name+"."+release, &object)
	}
}

// check holds the objects that no entry has been found for, and what does not hold.
type check struct {
	document document
	left     map[string]object
	failures []string
}

func (c *check) failf(format string, args ...any) {
	c.failures = append(c.failures, fmt.Sprintf(format, args...))
}

func (c *check) equal(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		c.failf("%s: %s, want %s", what, text(got), text(want))
	}
}

func text(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// take decodes an object of the name, which has to be there.
func (c *check) take(kind, namespace, name string, into any) bool {
	key := kind + " " + namespace + "/" + name
	o, ok := c.left[key]
	if !ok {
		c.failf("%s is missing", key)
		return false
	}
	delete(c.left, key)
	if err := json.Unmarshal(o.body, into); err != nil {
		c.failf("%s: %v", key, err)
		return false
	}
	return true
}

// merged is the last of each pair that is not null, or nil where there is none.
func merged(of ...values.Pairs) map[string]string {
	all := values.Pairs{}
	for _, pairs := range of {
		maps.Copy(all, pairs)
	}
	var result map[string]string
	for key, value := range all {
		if value != nil {
			if result == nil {
				result = map[string]string{}
			}
			result[key] = *value
		}
	}
	return result
}

func (c *check) labels(backend values.Backend, own values.Pairs) map[string]string {
	labels := merged(c.document.plain.CommonLabels, own)
	if labels == nil {
		labels = map[string]string{}
	}
	labels["helm.sh/chart"] = "external-services-" + version
	labels["app.kubernetes.io/name"] = "external-services"
	labels["app.kubernetes.io/instance"] = c.document.Release.Name
	labels["app.kubernetes.io/managed-by"] = "Helm"
	if backend != "" {
		labels["external-services/backend"] = string(backend)
	}
	return labels
}

// mapping looks at the objects of an entry in a namespace.
func (c *check) mapping(namespace string, e values.Entry) {
	var service corev1.Service
	if !c.take("Service", namespace, e.Name, &service) {
		return
	}
	of := func(what string) string { return fmt.Sprintf("%s/%s: %s", namespace, e.Name, what) }
	backend := cmpOr(e.Backend, values.External)
	selector := merged(e.Selector)
	headless := e.Headless != nil && *e.Headless
	alias := e.ExternalName != "" && backend == values.External
	annotations := merged(c.document.plain.CommonAnnotations, e.Annotations)
	c.equal(of("labels"), service.Labels, c.labels(backend, e.Labels))
	c.equal(of("annotations"), service.Annotations, annotations)

	var ports []corev1.ServicePort
	for _, p := range e.Ports {
		port := corev1.ServicePort{Name: p.Name, Protocol: corev1.Protocol(p.Protocol), Port: int32(p.Port)}
		if p.AppProtocol != "" {
			port.AppProtocol = &p.AppProtocol
		}
		if p.TargetPort != 0 {
			port.TargetPort = intstr.FromInt32(int32(p.TargetPort))
		}
		if p.PodPort != nil && backend != values.External {
			port.TargetPort = *p.PodPort
		}
		ports = append(ports, port)
	}
	want := corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Ports: ports}
	if alias {
		want.Type, want.ExternalName = corev1.ServiceTypeExternalName, e.ExternalName
	} else {
		if headless {
			want.ClusterIP = corev1.ClusterIPNone
		}
		if len(selector) > 0 {
			want.Selector = selector
			if backend == values.External {
				want.Selector = map[string]string{"external-services/parked": "true"}
			}
		}
		want.SessionAffinity = corev1.ServiceAffinity(e.SessionAffinity)
		if seconds := int32(e.SessionAffinityTimeoutSeconds); seconds != 0 {
			want.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: &seconds}}
		}
		if e.TrafficDistribution != "" {
			want.TrafficDistribution = ptr(string(e.TrafficDistribution))
		}
		want.PublishNotReadyAddresses = e.PublishNotReadyAddresses != nil && *e.PublishNotReadyAddresses
		families(&want, e.Addresses)
	}
	c.equal(of("spec"), service.Spec, want)
	c.front(namespace, e)

	if len(e.Addresses) == 0 || backend == values.Cluster || e.HealthCheck != nil {
		return
	}
	if cmpOr(e.EndpointsKind, c.document.plain.Endpoints.Kind) == values.EndpointsLegacy {
		c.endpoints(namespace, e, annotations)
	} else {
		c.slices(namespace, e, annotations)
	}
}

func families(spec *corev1.ServiceSpec, addresses []values.Address) {
	found := map[corev1.IPFamily]bool{}
	for _, a := range addresses {
		if a.Host != "" { // of a family that is not known
			found[corev1.IPv4Protocol], found[corev1.IPv6Protocol] = true, true
		} else {
			found[family(a)] = true
		}
	}
	switch len(found) {
	case 1:
		spec.IPFamilyPolicy = ptr(corev1.IPFamilyPolicySingleStack)
		spec.IPFamilies = slices.Collect(maps.Keys(found))
	case 2:
		spec.IPFamilyPolicy = ptr(corev1.IPFamilyPolicyPreferDualStack)
	}
}

func family(a values.Address) corev1.IPFamily {
	if strings.Contains(a.IP, ":") {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}

// slices looks at the EndpointSlices of an entry: one family each, at most as many
// addresses as chosen, each address once and in the user's order, and the ports of the
// Service.
func (c *check) slices(namespace string, e values.Entry, annotations map[string]string) {
	of := func(what string) string { return fmt.Sprintf("slices of %s/%s: %s", namespace, e.Name, what) }
	labels := c.labels(cmpOr(e.Backend, values.External), e.Labels)
	labels["kubernetes.io/service-name"] = e.Name
	labels["endpointslice.kubernetes.io/managed-by"] = "external-services"
	publish := e.PublishNotReadyAddresses != nil && *e.PublishNotReadyAddresses
	hints := e.TrafficDistribution == values.PreferClose || e.TrafficDistribution == values.PreferSameZone

	var ports []discoveryv1.EndpointPort
	for _, p := range e.Ports {
		port := discoveryv1.EndpointPort{Port: ptr(int32(p.Port))}
		if p.TargetPort != 0 {
			port.Port = ptr(int32(p.TargetPort))
		}
		if p.Name != "" {
			port.Name = &p.Name
		}
		if p.Protocol != "" {
			port.Protocol = ptr(corev1.Protocol(p.Protocol))
		}
		if p.AppProtocol != "" {
			port.AppProtocol = &p.AppProtocol
		}
		ports = append(ports, port)
	}
	for _, of6 := range []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol} {
		var want, got []discoveryv1.Endpoint
		for _, a := range e.Addresses {
			if a.Host != "" || family(a) != of6 {
				continue
			}
			endpoint := discoveryv1.Endpoint{Addresses: []string{a.IP}}
			draining := a.Draining != nil && *a.Draining
			ready := (a.Ready == nil || *a.Ready) && !draining
			endpoint.Conditions.Ready = ptr(ready || publish)
			if draining {
				endpoint.Conditions.Serving, endpoint.Conditions.Terminating = ptr(true), ptr(true)
			} else if !ready && publish {
				endpoint.Conditions.Serving = ptr(false)
			}
			if a.Hostname != "" {
				endpoint.Hostname = &a.Hostname
			}
			if a.Zone != "" {
				endpoint.Zone = &a.Zone
				if hints {
					endpoint.Hints = &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: a.Zone}}}
				}
			}
			want = append(want, endpoint)
		}
		most := c.document.plain.Endpoints.MaxPerSlice
		for i := range (len(want) + most - 1) / most {
			var slice discoveryv1.EndpointSlice
			if !c.take("EndpointSlice", namespace, fmt.Sprintf("%s-%s-%d", e.Name, strings.ToLower(string(of6)), i), &slice) {
				return
			}
			c.equal(of("addressType"), string(slice.AddressType), string(of6))
			c.equal(of("labels"), slice.Labels, labels)
			c.equal(of("annotations"), slice.Annotations, annotations)
			c.equal(of("ports"), slice.Ports, ports)
			if len(slice.Endpoints) > most {
				c.failf("%s: %d endpoints, want at most %d", of("size"), len(slice.Endpoints), most)
			}
			got = append(got, slice.Endpoints...)
		}
		c.equal(of("endpoints"), got, want)
	}
}

// endpoints looks at the Endpoints object of an entry.
func (c *check) endpoints(namespace string, e values.Entry, annotations map[string]string) {
	of := func(what string) string { return fmt.Sprintf("Endpoints of %s/%s: %s", namespace, e.Name, what) }
	var endpoints corev1.Endpoints //lint:ignore SA1019 deprecated since Kubernetes 1.33 and rendered on request
	if !c.take("Endpoints", namespace, e.Name, &endpoints) {
		return
	}
	c.equal(of("labels"), endpoints.Labels, c.labels(cmpOr(e.Backend, values.External), e.Labels))
	c.equal(of("annotations"), endpoints.Annotations, annotations)
	var want corev1.EndpointSubset //lint:ignore SA1019 see above
	for _, a := range e.Addresses {
		address := corev1.EndpointAddress{IP: a.IP, Hostname: a.Hostname}
		if a.Ready == nil || *a.Ready || (e.PublishNotReadyAddresses != nil && *e.PublishNotReadyAddresses) {
			want.Addresses = append(want.Addresses, address)
		} else {
			want.NotReadyAddresses = append(want.NotReadyAddresses, address)
		}
	}
	for _, p := range e.Ports {
		port := corev1.EndpointPort{Name: p.Name, Port: int32(p.Port), Protocol: corev1.Protocol(p.Protocol)}
		if p.TargetPort != 0 {
			port.Port = int32(p.TargetPort)
		}
		if p.AppProtocol != "" {
			port.AppProtocol = &p.AppProtocol
		}
		want.Ports = append(want.Ports, port)
	}
	c.equal(of("subsets"), endpoints.Subsets, []corev1.EndpointSubset{want}) //lint:ignore SA1019 see above
}
