package main

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/distribution/reference"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// imageNameKey is the annotation by which containerd names the image of an archive:
// https://github.com/containerd/containerd/blob/v2.1.0/core/images/annotations.go
const imageNameKey = "io.containerd.image.name"

// write writes an index as a layout, as an archive and its digest to a folder.
func write(folder, name, version string, index v1.ImageIndex) (digest string, err error) {
	hash, err := index.Digest()
	if err != nil {
		return "", err
	}
	base := filepath.Join(folder, name+"-image")
	if err := writeLayout(base, name, version, index); err != nil {
		return "", err
	}
	if err := writeArchive(base, base+".tar"); err != nil {
		return "", err
	}
	return hash.String(), os.WriteFile(base+".digest", []byte(hash.String()+"\n"), 0o644)
}

// writeLayout writes an OCI image layout in place of what the folder holds.
func writeLayout(folder, name, version string, index v1.ImageIndex) error {
	// The full name, with the registry that a name without one means, is what a Pod's image becomes.
	image, err := reference.ParseDockerRef("external-services-" + name + ":" + tag(version))
	if err != nil {
		return fmt.Errorf("version %q: %w", version, err)
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	return path.AppendIndex(index, layout.WithAnnotations(map[string]string{
		imageNameKey: image.String(), refNameKey: tag(version),
	}))
}

// writeArchive writes the files of a folder to a tar archive, in the order of their names.
func writeArchive(folder, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close() // what matters is the error of the Close below
	w := tar.NewWriter(file)
	err = filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(folder, name)
		if err != nil {
			return err
		}
		return addFile(w, filepath.ToSlash(relative), content, 0o644)
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return file.Close()
}
