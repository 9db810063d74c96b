package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// privateMode is the mode of every folder: they hold the keys of clusters.
const privateMode fs.FileMode = 0o700

// Parent is the folder that holds the clusters of the current user. Nothing is created yet.
func Parent() string {
	uid := os.Getuid()
	if uid == 0 {
		return "/run/external-services"
	}
	// A runtime directory that belongs to somebody else is what `su` without a login leaves behind.
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && checkPrivate(dir, uid) == nil {
		return filepath.Join(dir, "external-services")
	}
	return filepath.Join(os.TempDir(), "external-services-"+strconv.Itoa(uid))
}

// EnsurePrivate creates the folder dir when it is missing, and refuses one that another user could have planted or
// can look into: the keys of a cluster's administrator are kept there.
func EnsurePrivate(dir string) error {
	if err := os.Mkdir(dir, privateMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create the folder for clusters: %w", err)
	}
	return checkPrivate(dir, os.Getuid())
}

// checkPrivate says whether dir is a folder that belongs to uid and to nobody else. It does not follow a symbolic
// link, which is as easily planted as a folder.
func checkPrivate(dir string, uid int) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder: remove it", dir)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; int(owner) != uid {
		return fmt.Errorf("%s belongs to user id %d, not to %d: remove it, or set XDG_RUNTIME_DIR to a folder of your own",
			dir, owner, uid)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o, so other users can read it: run chmod 0700 on it, or remove it", dir, mode)
	}
	return nil
}

// Dir is the folder of one cluster, and everything that the cluster keeps in files is below it.
type Dir string

// DirOf is the folder of the cluster of that name of the current user, which may not exist. An existing parent folder
// that another user could have planted is an error.
func DirOf(name string) (Dir, error) {
	if err := ValidateName(name); err != nil {
		return "", err
	}
	parent := Parent()
	if err := checkPrivate(parent, os.Getuid()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return Dir(filepath.Join(parent, name)), nil
}

// Create makes the folder and those below it. The parent must exist.
func (d Dir) Create() error {
	for _, dir := range []string{string(d), d.PKI(), d.Logs(), d.DNS()} {
		if err := os.Mkdir(dir, privateMode); err != nil {
			return fmt.Errorf("create the cluster's folder: %w", err)
		}
	}
	return nil
}

// Exists reports whether the folder is there.
func (d Dir) Exists() (bool, error) {
	_, err := os.Lstat(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Remove removes the folder with everything in it, and the parent folder when this was the last thing in it.
func (d Dir) Remove() error {
	if err := os.RemoveAll(string(d)); err != nil {
		return fmt.Errorf("remove the cluster's folder: %w", err)
	}
	return nil
}

// Lock is the file that whoever changes the cluster holds a lock on. It is beside the folder, which comes and goes.
func (d Dir) Lock() string { return string(d) + ".lock" }

// Kubeconfig is the administrator's kubeconfig file.
func (d Dir) Kubeconfig() string { return d.path("kubeconfig") }

// PKI is the folder of certificates and keys.
func (d Dir) PKI() string { return d.path("pki") }

// Logs is the folder of what the components print.
func (d Dir) Logs() string { return d.path("logs") }

// Log is the file with what the component of that name prints.
func (d Dir) Log(component string) string { return filepath.Join(d.Logs(), component+".log") }

// DNS is the folder of CoreDNS's configuration.
func (d Dir) DNS() string { return d.path("dns") }

// ComponentKubeconfig is the kubeconfig file of the component of that name.
func (d Dir) ComponentKubeconfig(component string) string {
	return filepath.Join(d.PKI(), component+".kubeconfig")
}

func (d Dir) path(elem string) string { return filepath.Join(string(d), elem) }
