package main

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Pushed twice, to a registry with the API for referrers or without it, an image has one bill of materials.
// tests/package pushes to a registry that asks for a login.
func TestPushTwice(t *testing.T) {
	folder := t.TempDir()
	program, sbom := filepath.Join(folder, "program"), filepath.Join(folder, "sbom.json")
	for _, path := range []string{program, sbom} {
		if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := run(t.Context(), []string{"build", "-name", "it", "-version", "1.0.0+more", "-licenses", sbom, folder, "linux/amd64=" + program})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := os.ReadFile(filepath.Join(folder, "it-image.digest"))
	if err != nil {
		t.Fatal(err)
	}
	for what, supported := range map[string]bool{"with the API": true, "without it": false} {
		t.Run(what, func(t *testing.T) {
			repository := startRegistry(t, supported)
			for range 2 {
				err := run(t.Context(), []string{
					"push", "-digest", strings.TrimSpace(string(digest)), "-sbom", sbom,
					filepath.Join(folder, "it-image"), repository.Name(), "1.0.0+more",
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			image, err := remote.Head(repository.Tag("1.0.0_more"))
			if err != nil {
				t.Fatal(err)
			}
			referrers, err := remote.Referrers(repository.Digest(image.Digest.String()))
			if err != nil {
				t.Fatal(err)
			}
			manifest, err := referrers.IndexManifest()
			if err != nil {
				t.Fatal(err)
			}
			if len(manifest.Manifests) != 1 {
				t.Fatalf("the referrers are %+v, want one", manifest.Manifests)
			}
			// The manifest, as the registry of the library gives its descriptor the type of the config.
			referrer, err := remote.Get(repository.Digest(manifest.Manifests[0].Digest.String()))
			if err != nil {
				t.Fatal(err)
			}
			sbom, err := v1.ParseManifest(bytes.NewReader(referrer.Manifest))
			if err != nil || sbom.ArtifactType != sbomType || sbom.Subject == nil || sbom.Subject.Digest != image.Digest {
				t.Errorf("the referrer is %+v, %v, want %s of the image", sbom, err, sbomType)
			}
		})
	}
}

// startRegistry starts a registry with TLS, which the library trusts until the test ends.
func startRegistry(t *testing.T, referrers bool) name.Repository {
	t.Helper()
	silent := registry.Logger(log.New(io.Discard, "", 0))
	server := httptest.NewTLSServer(registry.New(registry.WithReferrersSupport(referrers), silent))
	before := remote.DefaultTransport
	remote.DefaultTransport = server.Client().Transport
	t.Cleanup(func() {
		remote.DefaultTransport = before
		server.Close()
	})
	repository, err := name.NewRepository(server.Listener.Addr().String() + "/it")
	if err != nil {
		t.Fatal(err)
	}
	return repository
}

func TestArguments(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "usage: image build"},
		{"pull", "usage: image build"},
		{"build -name it", "usage: image build"},
		{"build -name it -version 1.0.0 out", "usage: image build"},
		{"push out registry.example/it 1.0.0", "usage: image build"},
		{"build -name it -version 1.0.0 -licenses main.go out linux/amd64", `unexpected argument "linux/amd64": write PLATFORM=BINARY`},
		{"build -name it -version 1.0.0 -licenses main.go out linux=it", `unexpected argument "linux=it"`},
		{"build -name it -version 1.0.0 out linux/amd64=it", "usage: image build"},
		{"build -name it -version 1.0.0 -licenses no-such-list out linux/amd64=it", "open no-such-list"},
		{"build -name it -version 1.0.0 -licenses main.go out linux/amd64=no-such-file", "no-such-file: open no-such-file"},
		{"push -digest sha256:1 out REGISTRY/it 1.0.0", `repository "REGISTRY/it"`},
		{"push -digest sha256:1 no-such-folder registry.example/it 1.0.0", "no-such-folder"},
	} {
		if err := run(t.Context(), strings.Fields(c.args)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("image %s: %v, want %s", c.args, err, c.want)
		}
	}
}
