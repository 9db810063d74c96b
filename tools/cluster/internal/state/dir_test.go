package state

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestEnsurePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "clusters")
	for range 2 {
		if err := EnsurePrivate(dir); err != nil {
			t.Fatalf("EnsurePrivate: %v", err)
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("the folder has mode %04o, want 0700", got)
	}
}

func TestEnsurePrivateRefusesPlantedFolders(t *testing.T) {
	for _, c := range []struct {
		name, want string
		needsRoot  bool
		plant      func(path string) error
	}{
		{name: "readable by others", want: "chmod 0700", plant: func(path string) error {
			return os.Mkdir(path, 0o755)
		}},
		{name: "symbolic link", want: "is not a folder", plant: func(path string) error {
			return os.Symlink(filepath.Dir(path), path)
		}},
		{name: "file", want: "is not a folder", plant: func(path string) error {
			return os.WriteFile(path, nil, 0o600)
		}},
		{name: "of another user", want: "belongs to user id 65534", needsRoot: true, plant: func(path string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.Chown(path, 65534, 65534))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.needsRoot && os.Getuid() != 0 {
				t.Skip("NOT PROVEN without root: a folder of another user is refused")
			}
			dir := filepath.Join(t.TempDir(), "clusters")
			if err := c.plant(dir); err != nil {
				t.Fatal(err)
			}
			err := EnsurePrivate(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("EnsurePrivate = %v, want an error with %q and %q", err, c.want, dir)
			}
		})
	}
}

func TestRecord(t *testing.T) {
	dir := Dir(filepath.Join(t.TempDir(), "default"))
	if _, err := dir.Load(); !errors.Is(err, ErrNoRecord) {
		t.Errorf("Load without a folder = %v, want ErrNoRecord", err)
	}
	if err := dir.Create(); err != nil {
		t.Fatal(err)
	}
	if err := dir.Create(); err == nil {
		t.Error("Create took over a folder that was there")
	}
	want := &Record{
		Name: "default", Phase: PhaseUp, StartedAt: time.Unix(1e9, 0).UTC(),
		Components: []Component{{
			Name: "etcd", PID: 42, Started: 1 << 60, Binary: "/bin/components", Args: []string{"etcd", "--name=etcd"}, NetworkNamespace: "node",
		}},
		Hosts: []Host{{Name: "db", Kind: KindOutside, Index: 1}},
	}
	if err := dir.Save(want); err != nil {
		t.Fatal(err)
	}
	got, err := dir.Load()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Load = %+v, want %+v", got, want)
	}
	if _, ok := got.Host("db"); !ok {
		t.Error("the host db is not in the record")
	}
	if _, ok := got.Host("nosuch"); ok {
		t.Error("a host that was never added is in the record")
	}

	err = filepath.Walk(string(dir), func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %04o, want nothing for other users", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := dir.Remove(); err != nil {
		t.Fatal(err)
	}
	if ok, err := dir.Exists(); ok || err != nil {
		t.Errorf("Exists after Remove = %t, %v", ok, err)
	}
}

func TestDamagedRecord(t *testing.T) {
	dir := Dir(filepath.Join(t.TempDir(), "default"))
	if err := dir.Create(); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(dir.record(), []byte("{")); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Load(); err == nil || errors.Is(err, ErrNoRecord) || !strings.Contains(err.Error(), dir.record()) {
		t.Errorf("Load = %v, want an error that names the file", err)
	}
}

func TestParentOfOrdinaryUsers(t *testing.T) {
	if os.Getuid() == 0 {
		if got := Parent(); got != "/run/external-services" {
			t.Errorf("Parent for root = %q", got)
		}
		return
	}
	private := t.TempDir()
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", private)
	if got, want := Parent(), filepath.Join(private, "external-services"); got != want {
		t.Errorf("Parent = %q, want %q", got, want)
	}
	t.Setenv("XDG_RUNTIME_DIR", "/")
	if got := Parent(); !strings.HasPrefix(got, os.TempDir()) {
		t.Errorf("Parent with somebody else's XDG_RUNTIME_DIR = %q, want a folder in %s", got, os.TempDir())
	}
}
