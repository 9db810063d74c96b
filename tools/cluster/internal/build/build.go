// Package build makes the binaries of the cluster's components, once, and finds them again.
package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"external-services/tools/cluster/internal/lock"
	"external-services/tools/cluster/internal/progress"
)

const (
	// modulePath is where the module of the components is, below the root of the repository.
	modulePath = "tools/cluster"
	// componentsPackage is the package of the components in that module.
	componentsPackage = "cmd/components"
	// binaryPrefix starts the name of every binary of all components, which has the default version of Kubernetes.
	binaryPrefix = "components-"
	// kubernetesPrefix starts the name of every binary of another version of Kubernetes, which has nothing else.
	kubernetesPrefix = "kubernetes-"
	// kubernetesTag is the build tag that makes the latter.
	kubernetesTag = "kubernetes_only"
	// otherModfiles matches the files that stand in for go.mod to build another version of Kubernetes.
	otherModfiles = "kubernetes-*.mod"
	// tempPrefix starts the name of a binary that is being written.
	tempPrefix = ".components-"
	// defaultBinDir is where the binaries go, below the root of the repository.
	defaultBinDir = ".bin"
)

// Options say what to build, and where from and to.
type Options struct {
	// Kubernetes is the version of Kubernetes, such as v1.34.4 or 1.34. When empty it is that of go.mod.
	Kubernetes string
	// Source is the root of the repository. When empty it is looked for from the working directory upwards.
	Source string
	// BinDir is the folder of the binaries. When empty it is .bin at the root of the repository.
	BinDir string
	// Progress is told what happens. It may be nil.
	Progress *progress.Printer
}

// Binary is a built binary.
type Binary struct {
	// Path is where the binary is.
	Path string
	// Versions maps those of "kubernetes", "etcd" and "coredns" that are in it to their versions.
	Versions map[string]string
}

// Components are the binaries that hold the components of a cluster.
type Components struct {
	// Kubernetes has the components of Kubernetes, and Others has etcd and CoreDNS. For the default version of
	// Kubernetes they are the same.
	Kubernetes, Others Binary
}

// Versions maps "kubernetes", "etcd" and "coredns" to their versions.
func (c Components) Versions() map[string]string {
	return map[string]string{
		kubernetes: c.Kubernetes.Versions[kubernetes], etcd: c.Others.Versions[etcd], coreDNS: c.Others.Versions[coreDNS],
	}
}

// target is a binary to build.
type target struct {
	module, binDir, modfile, version string
	modfileContent                   []byte
	// prefix starts the names of its binaries, and tags are the build tags.
	prefix, tags string
	out          *progress.Printer
}

// Ensure returns the components, and builds them when they are missing or when what they are built from changed.
// Nothing but a look at files is done when they are there.
func Ensure(ctx context.Context, o Options) (Components, error) {
	p, err := ensure(ctx, o)
	if err != nil {
		return Components{}, err
	}
	var c Components
	if c.Others, err = open(p.others, kubernetes, etcd, coreDNS); err != nil {
		return Components{}, err
	}
	if p.kubernetes == p.others {
		c.Kubernetes = c.Others
		return c, nil
	}
	c.Kubernetes, err = open(p.kubernetes, kubernetes)
	return c, err
}

// open returns the binary at a path, which must have the named versions.
func open(path string, names ...string) (Binary, error) {
	versions, err := Versions(path)
	if err != nil {
		return Binary{}, err
	}
	for _, name := range names {
		if versions[name] == "" {
			return Binary{}, fmt.Errorf("%s was not built from %s, or without %s: remove it", path, componentsPackage, name)
		}
	}
	return Binary{path, versions}, nil
}

// paths are where the binaries of Components are.
type paths struct{ kubernetes, others string }

func ensure(ctx context.Context, o Options) (paths, error) {
	kubernetes, others, err := targets(o)
	if errors.Is(err, errNoSource) && o.Source == "" && o.BinDir != "" {
		p, found := installed(o)
		if found == nil {
			return p, nil
		}
		err = errors.Join(found, err)
	}
	if err != nil {
		return paths{}, err
	}
	var p paths
	if p.others, err = others.ensure(ctx); err != nil {
		return paths{}, err
	}
	if kubernetes == others {
		return paths{p.others, p.others}, nil
	}
	p.kubernetes, err = kubernetes.ensure(ctx)
	return p, err
}

// Check says whether there is something to build the wanted version of Kubernetes from, or a binary of it.
func Check(o Options) error {
	_, _, err := targets(o)
	if errors.Is(err, errNoSource) && o.Source == "" && o.BinDir != "" {
		_, err = installed(o)
	}
	return err
}

// Flags returns the flags of the go command that the wanted version of Kubernetes is built with, in the module
// tools/cluster. Another program that is built with them shares what is compiled.
func Flags(o Options) ([]string, error) {
	kubernetes, _, err := targets(o)
	if err != nil {
		return nil, err
	}
	return kubernetes.flags(), nil
}

// errNoSource says that there is no source to build from.
var errNoSource = errors.New("no folder with " + modulePath + "/go.mod")

// targets returns the binaries that make up the wanted components. They are the same for the default version.
func targets(o Options) (kubernetes, others *target, err error) {
	root, err := findRoot(o.Source)
	if err != nil {
		return nil, nil, err
	}
	binDir := o.BinDir
	if binDir == "" {
		binDir = filepath.Join(root, defaultBinDir)
	}
	// The components run in another working directory.
	if binDir, err = filepath.Abs(binDir); err != nil {
		return nil, nil, fmt.Errorf("find the folder %q: %w", o.BinDir, err)
	}
	all, err := allTargets(target{module: filepath.Join(root, modulePath), binDir: binDir, out: o.Progress})
	if err != nil {
		return nil, nil, err
	}
	var versions []string
	for _, t := range all {
		if o.Kubernetes == "" || IsVersion(t.version, o.Kubernetes) {
			return t, all[0], nil
		}
		versions = append(versions, t.version)
	}
	return nil, nil, unknownVersion(o.Kubernetes, versions)
}

// allTargets returns a binary for each version of Kubernetes, that of the default one first.
func allTargets(base target) ([]*target, error) {
	modfiles, err := filepath.Glob(filepath.Join(base.module, otherModfiles))
	if err != nil {
		return nil, fmt.Errorf("list the versions of Kubernetes: %w", err)
	}
	all := make([]*target, 0, 1+len(modfiles))
	for _, modfile := range append([]string{filepath.Join(base.module, "go.mod")}, modfiles...) {
		t := base
		t.modfile, t.prefix, t.tags = modfile, kubernetesPrefix, kubernetesTag
		if len(all) == 0 {
			t.prefix, t.tags = binaryPrefix, ""
		}
		if t.modfileContent, t.version, err = readModfile(modfile); err != nil {
			return nil, err
		}
		all = append(all, &t)
	}
	return all, nil
}

// ensure returns the path of the binary, and builds it when it is missing.
func (t *target) ensure(ctx context.Context) (string, error) {
	key, err := t.key()
	if err != nil {
		return "", err
	}
	path := filepath.Join(t.binDir, t.prefix+t.version+"-"+key)
	if ok, err := exists(path); ok || err != nil {
		return path, err
	}
	return path, t.locked(ctx, path)
}

// findRoot returns the root of the repository: the given folder, or the nearest one from the working directory upwards.
func findRoot(source string) (string, error) {
	if source != "" {
		root, err := filepath.Abs(source)
		if err != nil {
			return "", fmt.Errorf("find the folder %q: %w", source, err)
		}
		if ok, err := exists(filepath.Join(root, modulePath, "go.mod")); err != nil {
			return "", err
		} else if !ok {
			return "", fmt.Errorf("--source %q: %w in it", source, errNoSource)
		}
		return root, nil
	}
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the source of the components: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if ok, err := exists(filepath.Join(dir, modulePath, "go.mod")); err != nil {
			return "", err
		} else if ok {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%w at or above %s: run it inside the repository, or name the repository by --source",
				errNoSource, start)
		}
	}
}

// installed returns the binaries in a folder of which there is nothing else.
func installed(o Options) (paths, error) {
	dir, err := filepath.Abs(o.BinDir)
	if err != nil {
		return paths{}, fmt.Errorf("find the folder %q: %w", o.BinDir, err)
	}
	others, err := filepath.Glob(filepath.Join(dir, binaryPrefix+"*"))
	switch {
	case err != nil:
		return paths{}, fmt.Errorf("look into --bin-dir %q: %w", o.BinDir, err)
	case len(others) == 0:
		return paths{}, fmt.Errorf("--bin-dir %q has no binary of the components, and there is nothing to build one from", o.BinDir)
	case len(others) > 1:
		return paths{}, fmt.Errorf("--bin-dir %q has %d binaries of the components: remove all but one", o.BinDir, len(others))
	}
	versions := []string{versionIn(others[0], binaryPrefix)}
	if o.Kubernetes == "" || IsVersion(versions[0], o.Kubernetes) {
		return paths{others[0], others[0]}, nil
	}
	all, err := filepath.Glob(filepath.Join(dir, kubernetesPrefix+"*"))
	if err != nil {
		return paths{}, fmt.Errorf("look into --bin-dir %q: %w", o.BinDir, err)
	}
	var found []string
	for _, path := range all {
		version := versionIn(path, kubernetesPrefix)
		if versions = append(versions, version); IsVersion(version, o.Kubernetes) {
			found = append(found, path)
		}
	}
	switch len(found) {
	case 0:
		return paths{}, unknownVersion(o.Kubernetes, versions)
	case 1:
		return paths{found[0], others[0]}, nil
	}
	return paths{}, fmt.Errorf("--bin-dir %q has %d binaries of Kubernetes %s: remove all but one", o.BinDir, len(found), o.Kubernetes)
}

// locked builds the binary at path while no other process builds one in the same folder.
func (t *target) locked(ctx context.Context, path string) (err error) {
	if err := os.MkdirAll(t.binDir, 0o755); err != nil {
		return fmt.Errorf("make the folder for binaries: %w", err)
	}
	l, err := lock.Acquire(ctx, filepath.Join(t.binDir, tempPrefix+"lock"), func(pid int) {
		t.out.Line("waiting for %s, which is building into %s", lock.Holder(pid), t.binDir)
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Release()) }()
	if ok, err := exists(path); ok || err != nil {
		return err
	}
	if err := t.removeTemporary(); err != nil {
		return err
	}
	if err := t.build(ctx, path); err != nil {
		return fmt.Errorf("build the components of Kubernetes %s: %w", t.version, err)
	}
	return t.removeOlder(path)
}

// build compiles the components and moves the binary to path when it is complete.
func (t *target) build(ctx context.Context, path string) (err error) {
	start := time.Now()
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("the go command is not in PATH: install Go (https://go.dev/doc/install), or name a folder with a built binary by --bin-dir: %w", err)
	}
	// The process id keeps an interrupted build, which may still be writing, out of the way.
	temp := filepath.Join(t.binDir, fmt.Sprintf("%s%d", tempPrefix, os.Getpid()))
	defer func() {
		if removed := os.Remove(temp); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, removed)
		}
	}()
	t.out.Line("building Kubernetes %s: the first time this takes several minutes, later only seconds", t.version)
	if err := t.compile(ctx, temp, start); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("put the binary in place: %w", err)
	}
	t.out.Line("built %s in %s", path, progress.Elapsed(time.Since(start)))
	return nil
}

// removeTemporary removes what killed builds left.
func (t *target) removeTemporary() error {
	paths, err := filepath.Glob(filepath.Join(t.binDir, tempPrefix+"[0-9]*"))
	if err != nil {
		return fmt.Errorf("look for interrupted builds: %w", err)
	}
	return removeAll(paths, "")
}

// removeOlder removes the other binaries of the same version, which nothing can ask for again.
func (t *target) removeOlder(path string) error {
	paths, err := filepath.Glob(filepath.Join(t.binDir, t.prefix+t.version+"-*"))
	if err != nil {
		return fmt.Errorf("look for older binaries: %w", err)
	}
	return removeAll(paths, path)
}

// removeAll removes files but for one.
func removeAll(paths []string, keep string) error {
	var errs []error
	for _, path := range paths {
		if path == keep {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
