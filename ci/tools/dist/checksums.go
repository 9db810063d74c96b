package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sum is a line of the checksums, as sha256sum writes it.
type sum struct{ SHA256, Name string }

func checksumsName(version string) string { return fmt.Sprintf("extsvc-%s-checksums.txt", version) }

// readChecksums reads the checksums in a folder, and compares them with the files.
func readChecksums(folder, version string) ([]sum, error) {
	path := filepath.Join(folder, checksumsName(version))
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var sums []sum
	for line := range strings.Lines(string(text)) {
		hash, name, found := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !found {
			return nil, fmt.Errorf("%s: unexpected line %q: write it with sha256sum", path, line)
		}
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(content)); got != hash {
			return nil, fmt.Errorf("%s has the checksum %s, and %s says %s: run make dist again", name, got, path, hash)
		}
		sums = append(sums, sum{hash, name})
	}
	return sums, nil
}
