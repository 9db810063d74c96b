// Package ociimage checks the image of the resolver with a client that shares no code with what builds it.
package ociimage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
)

// Check checks the image that a registry or a layout has under a reference: one layer for each platform that
// holds nothing but its program, which a container without rights runs, and the licences. It returns the
// descriptor of the index.
func Check(
	t *testing.T, target oras.ReadOnlyTarget, reference, version string, licenses []byte, programs map[string][]byte,
) ocispec.Descriptor {
	t.Helper()
	descriptor, err := target.Resolve(t.Context(), reference)
	if err != nil {
		t.Fatal(err)
	}
	var index ocispec.Index
	fetch(t, target, descriptor, &index)
	if descriptor.MediaType != ocispec.MediaTypeImageIndex || index.MediaType != descriptor.MediaType {
		t.Errorf("the media types are %s and %s, want that of an index", descriptor.MediaType, index.MediaType)
	}
	if diff := cmp.Diff(annotations(version), index.Annotations); diff != "" {
		t.Errorf("annotations of the index (-want +got):\n%s", diff)
	}
	found := map[string][]byte{}
	for _, image := range index.Manifests {
		platform := image.Platform.OS + "/" + image.Platform.Architecture
		files := checkImage(t, target, image, version)
		found[platform] = files["resolver"]
		if !bytes.Equal(files["LICENSES"], licenses) {
			t.Errorf("/LICENSES for %s has %d bytes, want the %d that were written", platform, len(files["LICENSES"]), len(licenses))
		}
	}
	if len(found) != len(programs) {
		t.Errorf("the image has %d platforms, want %d", len(found), len(programs))
	}
	for platform, program := range programs {
		if !bytes.Equal(found[platform], program) {
			t.Errorf("the program for %s has %d bytes, want the %d that were built", platform, len(found[platform]), len(program))
		}
	}
	return descriptor
}

func annotations(version string) map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":    "external-services-resolver",
		"org.opencontainers.image.version":  version,
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
}

// checkImage checks the image of a platform and returns its files.
func checkImage(t *testing.T, target content.Fetcher, image ocispec.Descriptor, version string) map[string][]byte {
	t.Helper()
	var manifest ocispec.Manifest
	fetch(t, target, image, &manifest)
	var config ocispec.Image
	fetch(t, target, manifest.Config, &config)
	if image.MediaType != ocispec.MediaTypeImageManifest || manifest.Config.MediaType != ocispec.MediaTypeImageConfig ||
		len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != ocispec.MediaTypeImageLayerGzip {
		t.Fatalf("the manifest is %+v, want one layer, with the media types of OCI", manifest)
	}
	if diff := cmp.Diff(annotations(version), manifest.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	layer, files := readLayer(t, target, manifest.Layers[0])
	want := ocispec.Image{
		Created:  &epoch,
		Platform: ocispec.Platform{OS: image.Platform.OS, Architecture: image.Platform.Architecture},
		Config: ocispec.ImageConfig{
			User: "65532:65532", Entrypoint: []string{"/resolver"}, WorkingDir: "/", Labels: annotations(version),
		},
		RootFS:  ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer}},
		History: []ocispec.History{{Created: &epoch, CreatedBy: "/resolver"}},
	}
	if diff := cmp.Diff(want, config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	return files
}

// epoch is the time of all that is in an image.
var epoch = time.Unix(0, 0).UTC()

// fetch reads a blob of JSON, whose size and digest are checked.
func fetch(t *testing.T, target content.Fetcher, descriptor ocispec.Descriptor, into any) {
	t.Helper()
	if err := json.Unmarshal(Fetch(t, target, descriptor), into); err != nil {
		t.Fatal(err)
	}
}

// Fetch reads a blob, whose size and digest are checked.
func Fetch(t *testing.T, target content.Fetcher, descriptor ocispec.Descriptor) []byte {
	t.Helper()
	text, err := content.FetchAll(context.WithoutCancel(t.Context()), target, descriptor)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// readLayer reads the digest of a layer's archive and its files, which are of root: the program, which everybody
// may run, and the licences, which everybody may read.
func readLayer(t *testing.T, target content.Fetcher, descriptor ocispec.Descriptor) (digest.Digest, map[string][]byte) {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(Fetch(t, target, descriptor)))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	files, modes := map[string][]byte{}, map[string]int64{"resolver": 0o755, "LICENSES": 0o644}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg || header.Mode != modes[header.Name] || header.Uid != 0 || header.Gid != 0 ||
			!header.ModTime.Equal(epoch) {
			t.Errorf("the layer has %+v, want files of root with the modes %v", header, modes)
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return digest.FromBytes(archive), files
}
