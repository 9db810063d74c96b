// Package build makes the binary of the cluster's components, once, and finds it again.
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
	// binaryPrefix starts the name of every binary of the components.
	binaryPrefix = "components-"
	// tempPrefix starts the name of a binary that is being written.
	tempPrefix = ".components-"
	// defaultBinDir is where the binary goes, below the root of the repository.
	defaultBinDir = ".bin"
)

// Options say where to build from and to.
type Options struct {
	// Source is the root of the repository. When empty it is looked for from the working directory upwards.
	Source string
	// BinDir is the folder of the binary. When empty it is .bin at the root of the repository.
	BinDir string
	// Progress is told what happens. It may be nil.
	Progress *progress.Printer
}

// Binary is a built binary of the components.
type Binary struct {
	// Path is where the binary is.
	Path string
	// Versions maps "kubernetes", "etcd" and "coredns" to their versions.
	Versions map[string]string
	// Built says that this call built it.
	Built bool
}

// target is what to build.
type target struct {
	module, binDir, modfile, version string
	modfileContent                   []byte
	out                              *progress.Printer
}

// Ensure returns the binary of the components, and builds it when it is missing or when what it is built from changed.
// Nothing but a look at files is done when the binary is there.
func Ensure(ctx context.Context, o Options) (Binary, error) {
	path, built, err := ensure(ctx, o)
	if err != nil {
		return Binary{}, err
	}
	versions, err := Versions(path)
	return Binary{Path: path, Versions: versions, Built: built}, err
}

func ensure(ctx context.Context, o Options) (path string, built bool, err error) {
	t, err := newTarget(o)
	if errors.Is(err, errNoSource) && o.Source == "" && o.BinDir != "" {
		path, found := installed(o.BinDir)
		if found == nil {
			return path, false, nil
		}
		err = errors.Join(found, err)
	}
	if err != nil {
		return "", false, err
	}
	key, err := t.key()
	if err != nil {
		return "", false, err
	}
	path = filepath.Join(t.binDir, binaryPrefix+t.version+"-"+key)
	if ok, err := exists(path); ok || err != nil {
		return path, false, err
	}
	built, err = t.locked(ctx, path)
	return path, built, err
}

// errNoSource says that there is no source to build from.
var errNoSource = errors.New("no folder with " + modulePath + "/go.mod")

func newTarget(o Options) (*target, error) {
	root, err := findRoot(o.Source)
	if err != nil {
		return nil, err
	}
	binDir := o.BinDir
	if binDir == "" {
		binDir = filepath.Join(root, defaultBinDir)
	}
	// The components run in another working directory.
	if binDir, err = filepath.Abs(binDir); err != nil {
		return nil, fmt.Errorf("find the folder %q: %w", o.BinDir, err)
	}
	t := &target{module: filepath.Join(root, modulePath), binDir: binDir, out: o.Progress}
	t.modfile = filepath.Join(t.module, "go.mod")
	t.modfileContent, t.version, err = readModfile(t.modfile)
	return t, err
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

// installed returns the only binary in a folder.
func installed(binDir string) (string, error) {
	dir, err := filepath.Abs(binDir)
	if err != nil {
		return "", fmt.Errorf("find the folder %q: %w", binDir, err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, binaryPrefix+"*"))
	switch {
	case err != nil:
		return "", fmt.Errorf("look into --bin-dir %q: %w", binDir, err)
	case len(paths) == 0:
		return "", fmt.Errorf("--bin-dir %q has no binary of the components, and there is nothing to build one from", binDir)
	case len(paths) > 1:
		return "", fmt.Errorf("--bin-dir %q has %d binaries of the components: remove all but one", binDir, len(paths))
	}
	return paths[0], nil
}

// locked builds the binary at path while no other process builds one in the same folder.
func (t *target) locked(ctx context.Context, path string) (built bool, err error) {
	if err := os.MkdirAll(t.binDir, 0o755); err != nil {
		return false, fmt.Errorf("make the folder for binaries: %w", err)
	}
	l, err := lock.Acquire(ctx, filepath.Join(t.binDir, tempPrefix+"lock"), func(pid int) {
		t.out.Line("waiting for %s, which is building into %s", lock.Holder(pid), t.binDir)
	})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, l.Release()) }()
	if ok, err := exists(path); ok || err != nil {
		return false, err
	}
	if err := t.removeTemporary(); err != nil {
		return false, err
	}
	if err := t.build(ctx, path); err != nil {
		return false, fmt.Errorf("build the components of Kubernetes %s: %w", t.version, err)
	}
	return true, t.removeOlder(path)
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
	paths, err := filepath.Glob(filepath.Join(t.binDir, binaryPrefix+t.version+"-*"))
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
