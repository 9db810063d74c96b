package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// noticeFile is what section 4 (d) of the Apache License has whoever distributes a program pass on.
var noticeFile = regexp.MustCompile(`(?i)^notice(\.(md|txt|rst))?$`)

// writeTexts writes the licences and notices of the modules that programs are built from, and of Go's own
// library, each text once below the modules that it is of.
func writeTexts(file string, programs []string) error {
	modules := map[string][]string{} // by text
	for _, program := range programs {
		directory, patterns, _ := strings.Cut(program, ":")
		packages, err := dependencies(directory, strings.Split(patterns, ","))
		if err != nil {
			return err
		}
		library, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			return fmt.Errorf("go env GOROOT: %w", err)
		}
		root := strings.TrimSpace(string(library))
		packages = append(packages, pkg{"std", root, "the Go standard library", root})
		for _, p := range packages {
			texts, err := p.texts()
			if err != nil {
				return err
			}
			for _, text := range texts {
				if !slices.Contains(modules[text], p.module) {
					modules[text] = append(modules[text], p.module)
				}
			}
		}
	}
	byModules := map[string]string{}
	for _, text := range slices.Sorted(maps.Keys(modules)) {
		list := slices.Sorted(slices.Values(modules[text]))
		byModules[strings.Join(list, "\n")] += text
	}
	var out bytes.Buffer
	out.WriteString("The licences and notices of what this program is built from.\n")
	for _, list := range slices.Sorted(maps.Keys(byModules)) {
		fmt.Fprintf(&out, "\n%s\n%s\n\n%s", strings.Repeat("=", 80), list, byModules[list])
	}
	return os.WriteFile(file, out.Bytes(), 0o644)
}

func isNotice(entry os.DirEntry) bool { return !entry.IsDir() && noticeFile.MatchString(entry.Name()) }

// texts are the licences of a package, and the notices in the same folder.
func (p pkg) texts() ([]string, error) {
	files, err := p.files(func(entry os.DirEntry) bool { return isLicence(entry) || isNotice(entry) })
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, path := range slices.Sorted(maps.Keys(files)) {
		texts = append(texts, strings.TrimRight(string(files[path]), "\n")+"\n")
	}
	return texts, nil
}
