package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

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

// Run runs a program of .bin and returns all that it prints.
func Run(t testing.TB, program string, args ...string) (string, error) {
	t.Helper()
	path, err := Binary(program)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	return string(out), err
}
