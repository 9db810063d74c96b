package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// keyLen is the length of a key in hexadecimal digits: enough to tell apart the builds of one folder.
const keyLen = 12

// key is a hash over everything that decides what a build makes, computed without running the go command. The version
// of Go is the one that this program was built with, which is the one that people have installed.
func (t *target) key() (string, error) {
	hash := sha256.New()
	add := func(name string, content []byte) {
		// The lengths keep one input from running into the next.
		fmt.Fprintf(hash, "%s %d\n", name, len(content))
		hash.Write(content)
	}
	add("go", []byte(runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH))
	add("ldflags", []byte(linkerFlags(t.version)))
	add("gcflags", []byte(strings.Join(compilerFlags(t.tags), " ")))
	add("tags", []byte(t.tags))
	add("go.mod", t.modfileContent)

	sources, err := filepath.Glob(filepath.Join(t.module, componentsPackage, "*.go"))
	if err != nil {
		return "", fmt.Errorf("list the sources of the components: %w", err)
	}
	sources = slices.DeleteFunc(sources, func(path string) bool { return strings.HasSuffix(path, "_test.go") })
	if len(sources) == 0 {
		return "", fmt.Errorf("%s has no Go sources", filepath.Join(t.module, componentsPackage))
	}
	for _, path := range append(sources, strings.TrimSuffix(t.modfile, ".mod")+".sum") {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read what the components are built from: %w", err)
		}
		add(filepath.Base(path), content)
	}
	return hex.EncodeToString(hash.Sum(nil))[:keyLen], nil
}
