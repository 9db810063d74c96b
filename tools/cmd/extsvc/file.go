package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// file is where a command writes its result: the flags --write and --force.
type file struct {
	path  string
	force bool
}

func (f *file) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "write", "", "file to write to (default: standard output)")
	cmd.Flags().BoolVar(&f.force, "force", false, "overwrite the file of --write")
}

// validate refuses a file that exists, before the work begins.
func (f *file) validate() error {
	if _, err := os.Stat(f.path); f.path != "" && !f.force && !errors.Is(err, fs.ErrNotExist) {
		return cmp.Or(err, fmt.Errorf("%s exists: overwrite it with --force, or name another file", f.path))
	}
	return nil
}

// write writes to the file, completely or not at all, or to standard output if none is named.
func (f *file) write(stdout io.Writer, text []byte) (err error) {
	if f.path == "" {
		_, err := stdout.Write(text)
		return err
	}
	if !f.force {
		file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = file.Write(text)
		return errors.Join(err, file.Close())
	}
	file, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Chmod(0o644), file.Close()); err == nil {
		err = os.Rename(file.Name(), f.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
