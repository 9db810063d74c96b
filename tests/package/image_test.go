package chartpackage

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/ociimage"
	"external-services/tests/internal/registry"
	"external-services/tests/internal/testenv"
)

// The licences and the bill of materials that the tests release.
const (
	licenses = "Apache License\n"
	sbom     = `{"bomFormat": "CycloneDX"}`
	sbomType = "application/vnd.cyclonedx+json"
)

var platforms = []string{"linux/amd64", "linux/arm64"}

// program is in place of the resolver of a platform. tests/sbom has the real one, which takes minutes to compile.
func program(platform, more string) []byte {
	return []byte("#!/bin/sh\necho resolver for " + platform + more + "\n")
}

// buildImage does in place of make image, with programs that more makes others.
func (w tree) buildImage(version, more string) {
	w.t.Helper()
	folder := w.t.TempDir()
	texts := filepath.Join(folder, "LICENSES")
	if err := os.WriteFile(texts, []byte(licenses), 0o644); err != nil {
		w.t.Fatal(err)
	}
	args := []string{"build", "-name", "resolver", "-version", version, "-licenses", texts, "dist"}
	for _, platform := range platforms {
		path := filepath.Join(folder, filepath.Base(platform))
		if err := os.WriteFile(path, program(platform, more), 0o644); err != nil {
			w.t.Fatal(err)
		}
		args = append(args, platform+"="+path)
	}
	w.run("mkdir", "-p", "dist")
	w.run(binary(w.t, "image"), args...)
	bom := filepath.Join(w.root, "dist", "resolver-"+version+".cdx.json")
	if err := os.WriteFile(bom, []byte(sbom), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w tree) digest() string {
	w.t.Helper()
	return strings.TrimSpace(string(read(w.t, filepath.Join(w.root, "dist", "resolver-image.digest"))))
}

// The image is pushed before the chart, which refers to it by its digest; it is whole, and its bill of
// materials refers to it. A release that was broken off after the image is run again.
func TestReleasedImage(t *testing.T) {
	r, key, w := registry.Start(t), registry.NewKey(t, ""), newTree(t)
	r.Login(t, binary(t, "helm4"))
	variables := []string{"REGISTRY=" + r.URL, "KEY=" + key.Name, "KEYRING=" + key.Secret}
	for _, run := range []string{"broken off", "again"} {
		url := r.URL
		if run == "broken off" {
			url += "/No-Such-Name" // no registry has a name in capitals
		}
		out, err := w.release(r, append(variables, "REGISTRY="+url, "IMAGE_REPOSITORY="+r.Image())...)
		if !strings.Contains(out, "Pushed: "+r.Image()+":"+version+"@"+w.digest()) || (err != nil) != (run == "broken off") {
			t.Fatalf("%s: %v\n%s", run, err, out)
		}
	}
	image := packagedValues(t, filepath.Join(w.root, "dist", "external-services-"+version+".tgz")).Resolver.Image
	if image.Repository != r.Image() || image.Digest != w.digest() {
		t.Errorf("the chart refers to %s@%s, want %s@%s", image.Repository, image.Digest, r.Image(), w.digest())
	}

	programs := map[string][]byte{}
	for _, platform := range platforms {
		programs[platform] = program(platform, "")
	}
	repository := r.Repository(t, image.Repository)
	index := ociimage.Check(t, repository, image.Digest, version, []byte(licenses), programs)
	if tagged, err := repository.Resolve(t.Context(), version); err != nil || tagged.Digest != index.Digest {
		t.Errorf("the tag %s is %s, %v, want %s", version, tagged.Digest, err, index.Digest)
	}
	checkSBOM(t, r, image.Repository, index)
}

// checkSBOM checks that one bill of materials refers to an image.
func checkSBOM(t *testing.T, r registry.Registry, name string, image ocispec.Descriptor) {
	t.Helper()
	repository := r.Repository(t, name)
	var found []ocispec.Descriptor
	err := repository.Referrers(t.Context(), image, sbomType, func(referrers []ocispec.Descriptor) error {
		found = append(found, referrers...)
		return nil
	})
	if err != nil || len(found) != 1 {
		t.Fatalf("%d bills of materials refer to the image, %v, want one", len(found), err)
	}
	var manifest ocispec.Manifest
	if err := yaml.Unmarshal(ociimage.Fetch(t, repository, found[0]), &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.ArtifactType != sbomType || len(manifest.Layers) != 1 ||
		manifest.Subject == nil || manifest.Subject.Digest != image.Digest {
		t.Fatalf("the bill of materials has the manifest %+v", manifest)
	}
	if text := ociimage.Fetch(t, repository, manifest.Layers[0]); string(text) != sbom {
		t.Errorf("the bill of materials is %s, want %s", text, sbom)
	}
}

// An image that is not what the tree and the version say is refused, and no chart goes without its image.
func TestReleaseRefusesAnImage(t *testing.T) {
	key := registry.NewKey(t, "")
	for name, c := range map[string]struct {
		variable string
		change   func(w tree, r registry.Registry)
		want     string
	}{
		"no image":        {"", noImage, "resolver-image.digest: No such file"},
		"another version": {"", otherVersion, `holds version "999.0.0", want "` + version + `": build it again`},
		"another digest":  {"", otherDigest, "holds the image sha256:"},
		"another image":   {"", otherImage, "exists as sha256:"},
		"a tag": {
			"IMAGE_REPOSITORY=registry.example/resolver:1.0.0", nil,
			`"registry.example/resolver:1.0.0" is not a valid image name`,
		},
		"no TLS": {
			"IMAGE_REPOSITORY=" + plainRegistry(t) + "/resolver", nil,
			"has no TLS: an image goes to a registry with TLS only",
		},
		"no such registry": {
			"IMAGE_REPOSITORY=registry.invalid/resolver", nil,
			"image: look for registry.invalid/resolver:" + version,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, w := registry.Start(t), newTree(t)
			r.Login(t, binary(t, "helm4"))
			if c.change != nil {
				c.change(w, r)
			}
			out, err := w.release(r, "REGISTRY="+r.URL, "KEY="+key.Name, "KEYRING="+key.Secret, c.variable)
			if err == nil || !strings.Contains(out, c.want) || strings.Contains(out, "Pushed:") {
				t.Errorf("got %v\n%s\nwant: %s", err, out, c.want)
			}
			cmd := exec.Command(binary(t, "helm4"), "show", "chart", r.URL+"/external-services")
			cmd.Env = r.Environment()
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "repository name not known") {
				t.Errorf("the registry has the chart: %v\n%s", err, out)
			}
		})
	}
}

// plainRegistry is the address of a server without TLS.
func plainRegistry(t *testing.T) string {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func noImage(w tree, _ registry.Registry) {
	w.run("rm", "-r", "dist/resolver-image", "dist/resolver-image.digest")
}

func otherVersion(w tree, _ registry.Registry) { w.buildImage("999.0.0", "") }

// otherDigest leaves the digest of another image.
func otherDigest(w tree, _ registry.Registry) {
	w.t.Helper()
	path := filepath.Join(w.root, "dist", "resolver-image.digest")
	if err := os.WriteFile(path, fmt.Appendf(nil, "sha256:%064d\n", 1), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// otherImage pushes another image of the version.
func otherImage(w tree, r registry.Registry) {
	w.t.Helper()
	w.buildImage(version, " as it was")
	cmd := exec.Command(binary(w.t, "image"), "push", "-digest", w.digest(), "-login", r.LoginFile(),
		"dist/resolver-image", r.Image(), version)
	cmd.Dir, cmd.Env = w.root, r.Environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("image push: %v\n%s", err, out)
	}
	w.buildImage(version, "")
}

// The same programs make the same bytes, whatever the time, the mask of the user and the times and modes of their
// files; another program makes another image.
func TestReproducibleImage(t *testing.T) {
	w := newTree(t)
	want := files(t, filepath.Join(w.root, "dist"))
	want = slices.DeleteFunc(want, func(f file) bool { return strings.HasPrefix(f.path, "extsvc") })
	if len(want) != 12 { // layout: 2 files and 7 blobs; archive, digest, SBOM
		t.Fatalf("make image writes %d files", len(want))
	}
	w.run("bash", "-c", `umask 077; rm -r dist; mkdir dist; mkdir -m 700 programs
		for platform in amd64 arm64; do
			printf '#!/bin/sh\necho resolver for linux/%s\n' $platform >programs/$platform
			touch -d 2001-02-03 programs/$platform
		done
		printf 'Apache License\n' >programs/LICENSES
		TZ=Pacific/Kiritimati "$1" build -name resolver -version `+version+` -licenses programs/LICENSES dist linux/amd64=programs/amd64 linux/arm64=programs/arm64
		cp "$2" dist`, "again", binary(t, "image"), sbomFile(t))
	if got := files(t, filepath.Join(w.root, "dist")); !slices.EqualFunc(got, want, file.equal) {
		t.Errorf("a second time makes other files: %v, want %v", got, want)
	}
	before := w.digest()
	w.buildImage(version, " that is another")
	if w.digest() == before {
		t.Error("another program makes the same image")
	}
}

// file is a file with its path.
type file struct {
	path string
	text []byte
}

func (f file) equal(other file) bool { return f.path == other.path && bytes.Equal(f.text, other.text) }

func (f file) String() string { return fmt.Sprintf("%s (%d bytes)", f.path, len(f.text)) }

// files reads all files of a folder.
func files(t *testing.T, folder string) []file {
	t.Helper()
	var found []file
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(folder, path)
		found = append(found, file{relative, read(t, path)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func sbomFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolver-"+version+".cdx.json")
	if err := os.WriteFile(path, []byte(sbom), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// The archive can be imported into containerd, under the name that a Pod's image of the chart's default becomes.
func TestImageArchive(t *testing.T) {
	w := newTree(t)
	unpacked := t.TempDir()
	w.run("tar", "-xf", "dist/resolver-image.tar", "-C", unpacked)
	if !slices.EqualFunc(files(t, unpacked), files(t, filepath.Join(w.root, "dist", "resolver-image")), file.equal) {
		t.Errorf("the archive has other files than the layout: %v", files(t, unpacked))
	}
	var index ocispec.Index
	if err := yaml.Unmarshal(read(t, filepath.Join(unpacked, "index.json")), &index); err != nil {
		t.Fatal(err)
	}
	const want = "docker.io/library/external-services-resolver:" + version
	if len(index.Manifests) != 1 || index.Manifests[0].Digest.String() != w.digest() ||
		index.Manifests[0].Annotations["io.containerd.image.name"] != want {
		t.Errorf("the archive has %+v, want the image %s as %s", index.Manifests, w.digest(), want)
	}
}

// values are those of the chart that a release changes.
type values struct {
	Resolver struct {
		Image struct{ Repository, Digest string }
	}
}

func packagedValues(t *testing.T, archive string) (v values) {
	t.Helper()
	if err := yaml.Unmarshal(packaged(t, archive, "values.yaml"), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// packaged reads a file of a chart's archive.
func packaged(t *testing.T, archive, name string) []byte {
	t.Helper()
	text, err := exec.Command("tar", "-xzOf", archive, "external-services/"+name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// With an image, the package has other default values of the resolver's image, where they are and where they are
// shown, and else the same bytes.
func TestPackageWithAnImage(t *testing.T) {
	const repository = "registry.example/team/resolver"
	digest := fmt.Sprintf("sha256:%064d", 1)
	without := pack(t, testenv.Root(), "")
	with := pack(t, testenv.Root(),
		`echo `+digest+` >"$3"/resolver-image.digest; export IMAGE_REPOSITORY=`+repository+`; `)
	if image := packagedValues(t, with).Resolver.Image; image.Repository != repository || image.Digest != digest {
		t.Errorf("the image is %+v", image)
	}
	if names := archived(t, with); !slices.Equal(names, archived(t, without)) {
		t.Errorf("the package holds %q", names)
	}
	for _, name := range archived(t, without) {
		changes := map[string]int{"values.yaml": 2, "values.schema.json": 2, "README.md": 2, "Chart.yaml": 1}
		before := strings.Split(string(packaged(t, without, name)), "\n")
		after := strings.Split(string(packaged(t, with, name)), "\n")
		if len(before) != len(after) {
			t.Errorf("%s has %d lines, want %d", name, len(after), len(before))
			continue
		}
		changed := 0
		for i := range after {
			if after[i] != before[i] {
				changed++
				if !strings.Contains(after[i], repository) && !strings.Contains(after[i], digest) {
					t.Errorf("%s has the line %q, want %q", name, after[i], before[i])
				}
			}
		}
		if changed != changes[name] {
			t.Errorf("%s has %d other lines, want %d", name, changed, changes[name])
		}
	}
}
