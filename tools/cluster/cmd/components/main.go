// Command components is every program of the embedded Kubernetes cluster in one binary: the first argument says
// which one to be, the rest are that program's own arguments. Started under the name of a program, as by a link in a
// container image, it is that program.
//
// One binary is linked once, where five of them would link the same Kubernetes libraries five times. It is heavy to
// build, so nothing imports it and it has no tests of its own; cmd/cluster builds and runs it.
//
// With the build tag kubernetes_only it has the programs of Kubernetes alone. That is how it is built for another
// version of Kubernetes than the default one, whose binary has the rest.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
)

// components maps the name of each program in this binary to what runs it. That never comes back with a failure: each
// program reports its own and exits with its own code. The files beside this one add the programs of other projects.
var components = map[string]func(){
	"kube-apiserver":          func() { os.Exit(cli.Run(apiserver.NewAPIServerCommand())) },
	"kube-controller-manager": func() { os.Exit(cli.Run(newControllers())) },
	"kube-proxy":              func() { os.Exit(cli.Run(proxy.NewProxyCommand())) },
}

func main() {
	if _, named := components[filepath.Base(os.Args[0])]; !named {
		// Each program believes that it was started under its own name, so that its usage text and its logs say so. The
		// kernel keeps the original command line, which `ps` shows: the path of this binary, then the component's name.
		os.Args = os.Args[1:]
	}
	if len(os.Args) == 0 {
		usage("no component named")
	}
	name := filepath.Base(os.Args[0])
	run, ok := components[name]
	if !ok {
		usage(fmt.Sprintf("unknown component %q", name))
	}
	if name != "coredns" {
		// CoreDNS registers its flags with the standard library's global set when it is linked, and kube-proxy takes
		// that set over as its own: its --version would be CoreDNS's.
		flag.CommandLine = flag.NewFlagSet(name, flag.ExitOnError)
	}
	run()
}

// usage says what was wrong with the command line and ends the program with the conventional exit code for it.
func usage(problem string) {
	names := slices.Sorted(maps.Keys(components))
	fmt.Fprintf(os.Stderr, "components: %s\nusage: components %s [ARG...]\n", problem, strings.Join(names, "|"))
	os.Exit(2)
}
