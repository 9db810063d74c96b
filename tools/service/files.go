package service

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// ReadFiles calls a function with each file of some paths: files, folders, and - for standard input. In a
// folder it reads what kubectl reads, the files *.yaml, *.yml and *.json, and with recursive also the folders.
func ReadFiles(paths []string, recursive bool, stdin io.Reader, each func(name string, text []byte) error) error {
	for _, path := range paths {
		if path == "-" {
			text, err := io.ReadAll(stdin)
			if err != nil {
				return fmt.Errorf("read standard input: %w", err)
			}
			if err := each("<stdin>", text); err != nil {
				return err
			}
			continue
		}
		files, err := filesOf(path, recursive)
		if err != nil {
			return err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if err := each(file, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// filesOf lists the files at a path in the order of their names.
func filesOf(path string, recursive bool) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	var files []string
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != path && !recursive:
			return fs.SkipDir
		case !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(file)):
			files = append(files, file)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		hint := "; -R also reads the folders in it"
		if recursive {
			hint = ""
		}
		err = fmt.Errorf("%s has no files *.yaml, *.yml or *.json%s", path, hint)
	}
	return files, err
}
