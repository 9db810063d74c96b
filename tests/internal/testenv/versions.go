package testenv

import (
	"fmt"
	"os"
	"strings"
)

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

// Version returns one of them.
func Version(name string) (string, error) {
	versions, err := Versions()
	if err != nil {
		return "", err
	}
	version, ok := versions[name]
	if !ok {
		return "", fmt.Errorf("ci/versions.env has no %s", name)
	}
	return version, nil
}
