// Command cluster runs Kubernetes clusters on this machine without containers and without a download: their programs
// are built from Go modules, and their network is made of network namespaces.
package main

import (
	"os"

	"external-services/tools/cluster/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
