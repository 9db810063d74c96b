// Command components is every program of the embedded Kubernetes cluster in one binary: the first argument says
// which one to be, the rest are that program's own arguments.
//
// One binary is linked once, where five of them would link the same Kubernetes libraries five times. It is heavy to
// build, so nothing imports it and it has no tests of its own; cmd/cluster builds and runs it.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/coredns/coredns/coremain"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
)

// component is one of the programs in this binary.
type component struct {
	name string
	// run never comes back with a failure: each program reports its own and exits with its own code.
	run func()
}

// components is sorted by name, which is the order of the usage message.
var components = []component{
	{"coredns", runCoreDNS},
	{"etcd", func() { etcdmain.Main(os.Args) }},
	{"kube-apiserver", func() { os.Exit(cli.Run(apiserver.NewAPIServerCommand())) }},
	{"kube-controller-manager", func() { os.Exit(cli.Run(controllermanager.NewControllerManagerCommand())) }},
	{"kube-proxy", func() { os.Exit(cli.Run(proxy.NewProxyCommand())) }},
}

func main() {
	if len(os.Args) < 2 {
		usage("no component named")
	}
	name := os.Args[1]
	i := slices.IndexFunc(components, func(c component) bool { return c.name == name })
	if i < 0 {
		usage(fmt.Sprintf("unknown component %q", name))
	}

	// Each program believes that it was started under its own name, so that its usage text and its logs say so. The
	// kernel keeps the original command line, which `ps` shows: the path of this binary, then the component's name.
	os.Args = os.Args[1:]
	if name != "coredns" {
		// CoreDNS registers its flags with the standard library's global set when it is linked, and kube-proxy takes
		// that set over as its own: its --version would be CoreDNS's.
		flag.CommandLine = flag.NewFlagSet(name, flag.ExitOnError)
	}
	components[i].run()
}

// usage says what was wrong with the command line and ends the program with the conventional exit code for it.
func usage(problem string) {
	names := make([]string, len(components))
	for i, c := range components {
		names[i] = c.name
	}
	fmt.Fprintf(os.Stderr, "components: %s\nusage: components %s [ARG...]\n", problem, strings.Join(names, "|"))
	os.Exit(2)
}

func runCoreDNS() {
	limitPlugins()
	coremain.Run()
}
