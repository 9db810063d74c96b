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

// addWriteFlags adds the flags that name a file to write to.
func addWriteFlags(cmd *cobra.Command, path *string, force *bool) {
	cmd.Flags().StringVar(path, "write", "", "file to write to (default: standard output)")
	cmd.Flags().BoolVar(force, "force", false, "overwrite the file of --write")
}

// mayWrite refuses a file that exists, unless it may be overwritten.
func mayWrite(path string, force bool) error {
	if _, err := os.Stat(path); path != "" && !force && !errors.Is(err, fs.ErrNotExist) {
		return cmp.Or(err, fmt.Errorf("%s exists: overwrite it with --force, or name another file", path))
	}
	return nil
}

// writeOutput writes to a file, completely or not at all, or to standard output if no file is named.
func writeOutput(stdout io.Writer, path string, text []byte, force bool) (err error) {
	if path == "" {
		_, err := stdout.Write(text)
		return err
	}
	if !force {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = file.Write(text)
		return errors.Join(err, file.Close())
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Chmod(0o644), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
