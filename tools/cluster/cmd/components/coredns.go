//go:build !kubernetes_only

package main

import (
	"slices"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	// Only the plugins that the cluster's Corefile uses are linked: the full list pulls in the SDKs of three clouds.
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

// linkedPlugins names the plugins imported above.
var linkedPlugins = []string{"cache", "errors", "file", "hosts", "kubernetes", "ready"}

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
