// Command argocd is the application-controller and the repo-server of Argo CD, for make test-gitops. Argo CD's own main
// has all its programs in one, which are three times as much to compile.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{Use: filepath.Base(os.Args[0])}
	root.AddCommand(controller.NewCommand(), reposerver.NewCommand())
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
