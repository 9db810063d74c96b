package discover

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"external-services/tools/discover/syntax"

	"k8s.io/apimachinery/pkg/util/sets"
)

// MaxFileSize is the size in bytes up to which a file is read: configuration is smaller, and data is not read.
const MaxFileSize = 2 << 20

// skippedFolders hold what people did not write as configuration of an application.
var skippedFolders = sets.New(strings.Fields(`.git .hg .svn .github .gitlab .circleci node_modules bower_components vendor .terraform .venv venv
	__pycache__ .idea .vscode .gradle .mvn .tox .cache site-packages`)...)

// ReadPaths reads files and folders, with the folders in them. The error is that of a path that does not exist.
func (s *Scan) ReadPaths(paths []string) error {
	s.sources = append(s.sources, paths...)
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return err
		}
		err := filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				s.notRead(file, 0, "it cannot be opened", "Allow reading it, and run the command again.")
			case entry.IsDir() && file != path && skippedFolders.Has(entry.Name()):
				return fs.SkipDir
			case entry.Type().IsRegular():
				s.readPath(file)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readPath reads a file if its name is that of configuration.
func (s *Scan) readPath(file string) {
	if !syntax.MayBeSettings(filepath.ToSlash(file)) {
		return
	}
	info, err := os.Stat(file)
	if err == nil && info.Size() > MaxFileSize {
		s.notRead(file, 0, fmt.Sprintf("it has %d MiB, and files over %d MiB are not read", info.Size()>>20, MaxFileSize>>20),
			"If it is configuration, split it.")
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		s.notRead(file, 0, "it cannot be opened", "Allow reading it, and run the command again.")
		return
	}
	if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
		return // binary
	}
	if s.read.Files%100 == 0 {
		s.Progress(fmt.Sprintf("read %d files", s.read.Files))
	}
	s.ReadFile(filepath.ToSlash(file), text)
}
