package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// push is a push of the image in a layout.
type push struct {
	layout              string
	repository, version string
	digest              string // that the image must have
	sbom, login         string // files, or empty
}

// tag returns the tag of a version: a tag has no "+", and Helm writes "_" in its place too.
func tag(version string) string { return strings.ReplaceAll(version, "+", "_") }

func (p push) run(ctx context.Context) error {
	repository, err := name.NewRepository(p.repository, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("repository %q: %w", p.repository, err)
	}
	keys, err := keychain(p.login)
	if err != nil {
		return err
	}
	index, descriptor, err := p.read()
	if err != nil {
		return err
	}
	options := []remote.Option{
		remote.WithContext(ctx), remote.WithAuthFromKeychain(keys), remote.WithTransport(httpsOnly{}),
	}
	target := repository.Tag(tag(p.version))
	switch found, err := remote.Get(target, options...); { // an error of Head has no message
	case isNotFound(err):
		if err := remote.WriteIndex(target, index, options...); err != nil {
			return fmt.Errorf("push %s: %w", target, err)
		}
	case err != nil:
		return fmt.Errorf("look for %s: %w", target, err)
	case found.Digest != descriptor.Digest:
		return fmt.Errorf("%s exists as %s, and a version never changes: this one is %s",
			target, found.Digest, descriptor.Digest)
	}
	if p.sbom != "" {
		if err := pushSBOM(repository, descriptor, p.sbom, options); err != nil {
			return fmt.Errorf("push %s: %w", p.sbom, err)
		}
	}
	fmt.Printf("Pushed: %s@%s\n", target, descriptor.Digest)
	return nil
}

// read returns the image of the layout, which has the digest and the version of the push.
func (p push) read() (v1.ImageIndex, v1.Descriptor, error) {
	root, err := layout.ImageIndexFromPath(p.layout)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	manifest, err := root.IndexManifest()
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	if len(manifest.Manifests) != 1 {
		return nil, v1.Descriptor{}, fmt.Errorf("%s holds %d images, want one", p.layout, len(manifest.Manifests))
	}
	found := manifest.Manifests[0].Digest
	if found.String() != p.digest {
		return nil, v1.Descriptor{}, fmt.Errorf("%s holds the image %s, want %s: build it again", p.layout, found, p.digest)
	}
	index, err := root.ImageIndex(found)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	images, err := index.IndexManifest()
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	if version := images.Annotations[versionKey]; version != p.version {
		return nil, v1.Descriptor{}, fmt.Errorf("%s holds version %q, want %q: build it again", p.layout, version, p.version)
	}
	size, err := index.Size()
	return index, v1.Descriptor{MediaType: images.MediaType, Digest: found, Size: size}, err
}

func isNotFound(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}

// httpsOnly refuses plain HTTP, which the library falls back to on a private network, with the login.
type httpsOnly struct{}

func (httpsOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		return nil, fmt.Errorf("%s has no TLS: an image goes to a registry with TLS only", r.URL.Host)
	}
	return remote.DefaultTransport.RoundTrip(r)
}
