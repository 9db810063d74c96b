// Package dataplane configures what makes Services work in the node's network namespace: kube-proxy, CoreDNS and the
// objects in the Kubernetes API that they need.
package dataplane

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"external-services/tools/cluster/internal/controlplane"
	"external-services/tools/cluster/internal/kube"
	"external-services/tools/cluster/internal/network"
	"external-services/tools/cluster/internal/state"
)

// The names of the components.
const (
	KubeProxy = "kube-proxy"
	CoreDNS   = "coredns"
)

// NodeName is the name of the cluster's only Node.
const NodeName = "node"

// dnsUser is the Kubernetes user that CoreDNS is.
const dnsUser = "external-services:coredns"

// Users maps the components to the Kubernetes users that they are. Kubernetes gives rights to the first by itself.
var Users = map[string]string{
	KubeProxy: "system:kube-proxy",
	CoreDNS:   dnsUser,
}

// DNSService is the address of the cluster's DNS, as in clusters of kubeadm.
var DNSService = netip.MustParseAddr("10.96.0.10")

// ProxyHealth is where kube-proxy says, within the node's namespace, whether it is up to date.
var ProxyHealth = netip.MustParseAddrPort("127.0.0.1:10256")

// ProxyArgs are the arguments of kube-proxy.
func ProxyArgs(dir state.Dir) []string {
	var pods []string
	for _, cidr := range network.PodCIDRs {
		pods = append(pods, cidr.String())
	}
	return []string{
		"--kubeconfig=" + dir.ComponentKubeconfig(KubeProxy),
		"--hostname-override=" + NodeName,
		"--proxy-mode=nftables",
		"--cluster-cidr=" + strings.Join(pods, ","),
		"--healthz-bind-address=" + ProxyHealth.String(),
		// This limit belongs to the whole machine, not to the node's namespace.
		"--conntrack-max-per-core=0",
		"--oom-score-adj=0",
	}
}

// CreateNode creates the Node that kube-proxy runs on. No kubelet says so, so it says itself that it is ready.
func CreateNode(ctx context.Context, client *kube.Client, ips []netip.Addr) error {
	addresses := []kube.Object{{"type": "Hostname", "address": NodeName}}
	for _, ip := range ips {
		addresses = append(addresses, kube.Object{"type": "InternalIP", "address": ip.String()})
	}
	var cidrs []string
	for _, cidr := range network.PodCIDRs[:len(ips)] {
		cidrs = append(cidrs, cidr.String())
	}
	return client.Create(ctx, "/api/v1/nodes", kube.Object{
		"metadata": kube.Object{
			"name":   NodeName,
			"labels": kube.Object{"kubernetes.io/hostname": NodeName, "kubernetes.io/os": "linux"},
		},
		"spec": kube.Object{"podCIDR": cidrs[0], "podCIDRs": cidrs},
		"status": kube.Object{
			"addresses": addresses,
			"conditions": []kube.Object{{
				"type": "Ready", "status": "True", "reason": "NetworkReady",
				"message": "the node is a network namespace without a kubelet",
			}},
		},
	})
}

// CreateDNS creates the Service of the cluster's DNS, which leads to CoreDNS on the node, and gives CoreDNS the rights
// that it needs.
func CreateDNS(ctx context.Context, client *kube.Client, nodeIP netip.Addr) error {
	const port = 53
	labels := kube.Object{"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}
	var servicePorts, endpointPorts []kube.Object
	for name, protocol := range map[string]string{"dns": "UDP", "dns-tcp": "TCP"} {
		servicePorts = append(servicePorts, kube.Object{"name": name, "protocol": protocol, "port": port})
		endpointPorts = append(endpointPorts, kube.Object{"name": name, "protocol": protocol, "port": port})
	}
	const rbac = "rbac.authorization.k8s.io"
	role := kube.Object{"name": dnsUser}
	for _, o := range []struct {
		path   string
		object kube.Object
	}{
		{"/apis/" + rbac + "/v1/clusterroles", kube.Object{
			"metadata": role,
			"rules": []kube.Object{
				{"apiGroups": []string{""}, "resources": []string{"namespaces", "pods", "services"}, "verbs": []string{"list", "watch"}},
				{"apiGroups": []string{"discovery.k8s.io"}, "resources": []string{"endpointslices"}, "verbs": []string{"list", "watch"}},
			},
		}},
		{"/apis/" + rbac + "/v1/clusterrolebindings", kube.Object{
			"metadata": role,
			"roleRef":  kube.Object{"apiGroup": rbac, "kind": "ClusterRole", "name": dnsUser},
			"subjects": []kube.Object{{"apiGroup": rbac, "kind": "User", "name": dnsUser}},
		}},
		{"/api/v1/namespaces/kube-system/services", kube.Object{
			"metadata": kube.Object{"name": "kube-dns", "labels": labels},
			"spec":     kube.Object{"clusterIP": DNSService.String(), "ports": servicePorts},
		}},
		{"/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices", kube.Object{
			"metadata":    kube.Object{"name": "kube-dns-ipv4", "labels": kube.Object{"kubernetes.io/service-name": "kube-dns"}},
			"addressType": "IPv4",
			"endpoints": []kube.Object{{
				"addresses": []string{nodeIP.String()}, "conditions": kube.Object{"ready": true}, "nodeName": NodeName,
			}},
			"ports": endpointPorts,
		}},
	} {
		if err := client.Create(ctx, o.path, o.object); err != nil {
			return err
		}
	}
	return nil
}

// DNSArgs are the arguments of CoreDNS.
func DNSArgs(dir state.Dir) []string {
	return []string{"-conf", filepath.Join(dir.DNS(), "Corefile")}
}

// WriteDNS writes the configuration of CoreDNS. Zones have the address of a server outside that CoreDNS asks for them,
// with the cache that kubeadm gives it.
func WriteDNS(dir state.Dir, cluster string, zones map[string]string) error {
	// That a name does not exist is not remembered: it may be about to.
	//
	// The hosts plugin cannot say that a name does not exist, it can only hand the question on. The zone of the file
	// plugin, which has no names, says so.
	zone := filepath.Join(dir.DNS(), "no-names.zone")
	if err := state.WriteFile(zone, []byte("@ 5 IN SOA node.cluster.local. hostmaster.cluster.local. 1 3600 600 86400 1\n")); err != nil {
		return err
	}
	if err := WriteHosts(dir, nil); err != nil {
		return err
	}
	corefile := fmt.Appendf(nil, `cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {
    errors
    cache 5 {
        disable denial
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        kubeconfig %[1]s %[2]s
        fallthrough in-addr.arpa ip6.arpa
    }
    file %[3]s in-addr.arpa ip6.arpa
}

.:53 {
    errors
    ready
    cache 5 {
        disable denial
    }
    hosts %[4]s . {
        ttl 5
        reload 200ms
        fallthrough
    }
    file %[3]s .
}
`, dir.ComponentKubeconfig(CoreDNS), controlplane.Context(cluster), zone, hostsFile(dir))
	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		corefile = fmt.Appendf(corefile, `
%s:53 {
    errors
    cache 30
    forward . %s
}
`, zone, zones[zone])
	}
	return state.WriteFile(filepath.Join(dir.DNS(), "Corefile"), corefile)
}

func hostsFile(dir state.Dir) string { return filepath.Join(dir.DNS(), "hosts") }

// WriteHosts writes the names of outside hosts for CoreDNS, which reads the file again when it changes.
func WriteHosts(dir state.Dir, hosts []state.Host) error {
	return state.WriteFile(hostsFile(dir), formatHosts(hosts))
}

// formatHosts writes one line per address, as in /etc/hosts.
func formatHosts(hosts []state.Host) []byte {
	text := []byte("# The outside hosts of the cluster. Written again whenever one is added.\n")
	for _, h := range hosts {
		if len(h.DNS) == 0 {
			continue
		}
		for _, ip := range h.IPs {
			text = fmt.Appendf(text, "%s %s\n", ip, strings.Join(h.DNS, " "))
		}
	}
	return text
}

// PodResolvConf is the /etc/resolv.conf that a kubelet gives to a pod of that Kubernetes namespace.
func PodResolvConf(namespace string) string {
	return fmt.Sprintf("search %s.svc.cluster.local svc.cluster.local cluster.local\nnameserver %s\noptions ndots:5\n",
		namespace, DNSService)
}

// NodeResolvConf is the /etc/resolv.conf of commands that run on the node.
func NodeResolvConf() string { return fmt.Sprintf("nameserver %s\n", DNSService) }

// OutsideResolvConf is the /etc/resolv.conf of an outside host, which does not know the cluster's DNS.
func OutsideResolvConf() string { return "# An outside host does not use the DNS of the cluster.\n" }
