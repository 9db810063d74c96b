//go:build !kubernetes_only

package main

import (
	"slices"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	// Only the plugins that the cluster's Corefile and that of kubeadm use are linked: the full list pulls in the SDKs
	// of three clouds.
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
)

// linkedPlugins names the plugins imported above, as a Corefile does.
var linkedPlugins = []string{
	"cache", "errors", "file", "forward", "health", "hosts", "kubernetes", "loadbalance", "loop", "prometheus", "ready", "reload",
}

func init() {
	components["coredns"] = func() {
		limitPlugins()
		coremain.Run()
	}
}

// limitPlugins takes the plugins that are not linked out of CoreDNS's list of directives. Its order stays, which is
// the order that plugins see a query in. A Corefile that names another plugin is then refused as an unknown directive
// instead of being half understood.
func limitPlugins() {
	dnsserver.Directives = slices.DeleteFunc(dnsserver.Directives, func(name string) bool {
		return !slices.Contains(linkedPlugins, name)
	})
}
