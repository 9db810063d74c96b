package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// krewArchive is an archive in the manifest for krew.
type krewArchive struct {
	platform
	sum
}

// writeManifest writes the manifest by which krew installs the archives in a folder.
func writeManifest(folder, version, repository string) error {
	if u, err := url.Parse(repository); err != nil || u.Scheme != "https" || u.Host == "" || strings.HasSuffix(repository, "/") {
		return fmt.Errorf("repository %q: write the URL of the repository, such as https://git.example/group/external-services", repository)
	}
	sums, err := readChecksums(folder, version)
	if err != nil {
		return err
	}
	data := struct {
		Version, Repository string
		Archives            []krewArchive
	}{Version: version, Repository: repository}
	for _, s := range sums {
		if p, ok := platformOf(s.Name, version); ok {
			data.Archives = append(data.Archives, krewArchive{p, s})
		}
	}
	if len(data.Archives) == 0 {
		return fmt.Errorf("%s names no archive: run make dist", checksumsName(version))
	}
	manifest, err := expand("krew.yaml", data)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "extsvc.yaml"), manifest, 0o644)
}

// platformOf returns the platform of an archive, by its name.
func platformOf(name, version string) (p platform, ok bool) {
	text, ok := strings.CutPrefix(name, fmt.Sprintf("extsvc-%s-", version))
	if !ok {
		return p, false
	}
	text, _, _ = strings.Cut(text, ".")
	p.OS, p.Architecture, _ = strings.Cut(text, "-")
	return p, p.archiveName(version) == name
}
