package discover

import (
	"strings"

	"golang.org/x/net/publicsuffix"
	"k8s.io/apimachinery/pkg/util/sets"

	"external-services/tools/discover/hosts"
	"external-services/tools/service"
)

// class says where the host of a reference is.
type class int

const (
	outside class = iota
	inside        // in the cluster, or in the same Compose file
	unknown       // perhaps in the cluster: a name without a dot, or in a namespace that was read
)

// classify says where the host of a reference is, by the Services that were read.
func (s *Scan) classify(r Reference) class {
	if hosts.IsIP(r.Host) {
		for _, clusterIP := range s.services {
			if clusterIP == r.Host {
				return inside
			}
		}
		return outside
	}
	if strings.HasSuffix(r.Host, ".cluster.local") || strings.HasSuffix(r.Host, ".svc") || r.Host == "kubernetes.default" {
		return inside
	}
	if r.scope[r.Host] {
		return inside
	}
	for _, key := range keysOfHost(r.Host, r.Namespace) {
		if s.hasService(key) {
			return inside
		}
	}
	labels := strings.Split(r.Host, ".")
	last := labels[len(labels)-1]
	if len(labels) == 1 || len(labels) <= 3 && (s.namespaces[last] || !isTopLevel(last)) {
		return unknown
	}
	return outside
}

// privateDomains are top-level domains that are not in the Internet: those of RFC 6761, 6762 and 8375, and those that
// people use inside of companies and homes.
var privateDomains = sets.New(strings.Fields(`example test local internal lan corp home intranet private arpa localnet office company domain`)...)

// isTopLevel says whether a label is a top-level domain, and not the name of a namespace.
func isTopLevel(label string) bool {
	_, isManaged := publicsuffix.PublicSuffix("a." + label)
	return isManaged || privateDomains.Has(label)
}

// hasService says whether a Service was read. One in a file without a namespace may be in any.
func (s *Scan) hasService(key service.Key) bool {
	if key.Namespace != "" {
		_, exact := s.services[key]
		_, anywhere := s.services[service.Key{Name: key.Name}]
		return exact || anywhere
	}
	for other := range s.services {
		if other.Name == key.Name {
			return true
		}
	}
	return false
}

// keysOfHost are the Services that a host may name, from a namespace, which may be empty if it is not known: NAME,
// NAME.NAMESPACE and POD.NAME.NAMESPACE, also with the domain of the cluster.
func keysOfHost(host, namespace string) []service.Key {
	if name, _, found := strings.Cut(host+".", ".svc."); found {
		host = name
	}
	labels := strings.Split(host, ".")
	switch count := len(labels); count {
	case 1:
		return []service.Key{{Namespace: namespace, Name: labels[0]}}
	case 2, 3:
		return []service.Key{{Namespace: labels[count-1], Name: labels[count-2]}}
	}
	return nil
}
