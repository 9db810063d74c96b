package main

import (
	"bytes"
	"encoding/json"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// sbomType is the media type of CycloneDX: https://www.iana.org/assignments/media-types/application/vnd.cyclonedx+json
	sbomType = "application/vnd.cyclonedx+json"

	// emptyType is that of the config of an artifact that has none:
	// https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidance-for-an-empty-descriptor
	emptyType = "application/vnd.oci.empty.v1+json"
)

// artifact is the manifest of an artifact that refers to an image.
type artifact struct{ raw []byte }

func (a artifact) RawManifest() ([]byte, error)        { return a.raw, nil }
func (a artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// pushSBOM pushes a bill of materials as an artifact whose subject is the image:
// https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage
func pushSBOM(repository name.Repository, image v1.Descriptor, path string, options []remote.Option) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	config, err := pushBlob(repository, []byte("{}"), emptyType, options)
	if err != nil {
		return err
	}
	layer, err := pushBlob(repository, text, sbomType, options)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: sbomType,
		Config: *config, Layers: []v1.Descriptor{*layer}, Subject: &image,
	})
	if err != nil {
		return err
	}
	digest, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	return remote.Put(repository.Digest(digest.String()), artifact{raw}, options...)
}

func pushBlob(
	repository name.Repository, content []byte, mediaType types.MediaType, options []remote.Option,
) (*v1.Descriptor, error) {
	blob := static.NewLayer(content, mediaType)
	if err := remote.WriteLayer(repository, blob, options...); err != nil {
		return nil, err
	}
	return partial.Descriptor(blob)
}
