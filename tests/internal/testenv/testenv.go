// Package testenv is the environment of the tests and the demo: the repository's files, the
// programs that make builds into its folder .bin (never those that the machine happens to
// have), and clusters with pods and hosts outside of them, in whose networks commands run.
//
// A Cluster is what tests of traffic use, whatever runs it. Embedded is the one that Start
// starts; the package kind has another.
package testenv

import (
	"os"
	"path/filepath"
)

// Root returns the root of the repository, the nearest folder above the working
// directory that holds the module external-services. It panics outside of it.
func Root() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "charts", "external-services", "Chart.yaml")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			panic("the tests run inside the repository only: no folder above holds charts/external-services")
		}
		dir = parent
	}
}

// Path returns the absolute path of a file of the repository.
func Path(elements ...string) string {
	return filepath.Join(append([]string{Root()}, elements...)...)
}

// Chart returns the path of the chart.
func Chart() string { return Path("charts", "external-services") }
