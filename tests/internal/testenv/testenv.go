// Package testenv finds what the tests stand on: the repository's files and the
// programs that Make builds into its folder .bin. Programs are never taken from
// the machine by accident.
package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// Version returns a version that ci/versions.env names.
func Version(name string) (string, error) {
	text, err := os.ReadFile(Path("ci", "versions.env"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if version, found := strings.CutPrefix(line, name+"="); found {
			return strings.TrimSpace(version), nil
		}
	}
	return "", fmt.Errorf("ci/versions.env has no %s", name)
}

// Binary returns the path of a program in .bin.
func Binary(name string) (string, error) {
	path := Path(".bin", name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is not built: run make tools", path)
	}
	return path, nil
}

// UsePath makes .bin the first folder of PATH and checks that the named programs
// are there, for libraries that start them by name.
func UsePath(names ...string) error {
	for _, name := range names {
		if _, err := Binary(name); err != nil {
			return err
		}
	}
	return os.Setenv("PATH", Path(".bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// Versions returns the versions of ci/versions.env by their names.
func Versions() (map[string]string, error) {
	text, err := os.ReadFile(Path("ci", "versions.env"))
	if err != nil {
		return nil, err
	}
	versions := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, version, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(name, "#") {
			versions[name] = version
		}
	}
	return versions, nil
}
