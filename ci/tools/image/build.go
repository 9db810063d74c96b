package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user runs the program: no user of a node has this number.
const user = "65532:65532"

// made is the time of all that is in an image.
var made = time.Unix(0, 0).UTC()

// The annotations that an image has: https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md
const (
	titleKey    = "org.opencontainers.image.title"
	versionKey  = "org.opencontainers.image.version"
	licensesKey = "org.opencontainers.image.licenses"
	refNameKey  = "org.opencontainers.image.ref.name"
)

func annotations(name, version string) map[string]string {
	return map[string]string{titleKey: "external-services-" + name, versionKey: version, licensesKey: "Apache-2.0"}
}

// binary is a static program for a platform.
type binary struct {
	platform v1.Platform
	path     string
}

// parseBinaries reads arguments PLATFORM=BINARY.
func parseBinaries(args []string) ([]binary, error) {
	var binaries []binary
	for _, arg := range args {
		text, path, _ := strings.Cut(arg, "=")
		platform, err := v1.ParsePlatform(text)
		if err != nil || path == "" || platform.OS == "" || platform.Architecture == "" {
			return nil, fmt.Errorf("unexpected argument %q: write PLATFORM=BINARY, such as linux/arm64=bin/program", arg)
		}
		binaries = append(binaries, binary{*platform, path})
	}
	return binaries, nil
}

// buildIndex makes an image index with an image for each binary.
func buildIndex(name, version string, licenses []byte, binaries []binary) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, b := range binaries {
		image, err := buildImage(name, version, licenses, b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.path, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &b.platform},
		})
	}
	return mutate.Annotations(index, annotations(name, version)).(v1.ImageIndex), nil
}

// buildImage makes an image from nothing but a binary and its licences.
func buildImage(name, version string, licenses []byte, b binary) (v1.Image, error) {
	layer, err := buildLayer(name, b.path, licenses)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		Created:      v1.Time{Time: made},
		OS:           b.platform.OS,
		Architecture: b.platform.Architecture,
		Variant:      b.platform.Variant,
		RootFS:       v1.RootFS{Type: "layers"},
		Config: v1.Config{
			User: user, Entrypoint: []string{"/" + name}, WorkingDir: "/", Labels: annotations(name, version),
		},
	})
	if err != nil {
		return nil, err
	}
	image, err = mutate.Append(image, mutate.Addendum{
		Layer: layer, History: v1.History{Created: v1.Time{Time: made}, CreatedBy: "/" + name},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Annotations(image, annotations(name, version)).(v1.Image), nil
}

// buildLayer makes a layer that holds a program, which everybody may run and nobody may change, and its licences.
func buildLayer(name, path string, licenses []byte) (v1.Layer, error) {
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := errors.Join(addFile(w, name, program, 0o755), addFile(w, "LICENSES", licenses, 0o644), w.Close()); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer),
		tarball.WithCompressionLevel(gzip.BestCompression), tarball.WithCompressedCaching)
}

// addFile adds a file of root to an archive, without a time of its own.
func addFile(w *tar.Writer, name string, content []byte, mode int64) error {
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: mode, ModTime: made, Format: tar.FormatUSTAR,
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}
