package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	core "external-services/tools/cluster/internal/cluster"
)

// nobody is the user id of a user who may do nothing special.
const nobody = 65534

// TestWithoutRoot starts a cluster as an ordinary user, while root has one of the same name.
func TestWithoutRoot(t *testing.T) {
	name := newName(t, "user")
	asUser := ordinaryUser(t)
	t.Cleanup(func() {
		execute(t, asUser(name, "down")).mustSucceed(t)
	})
	root := os.Geteuid() == 0
	if root {
		cluster(t, name, "up").mustSucceed(t)
	}

	execute(t, asUser(name, "up", "--data-plane", "on")).mustFail(t, 1, "a data plane is not possible: not root: run it as root, or do without by --data-plane=off")
	up := execute(t, asUser(name, "up")).mustSucceed(t)
	const leftOut = "data plane left out: not root (no kube-proxy and no DNS: the addresses of Services do not answer, and there are no pods or outside hosts). To have it: run it as root"
	if !strings.Contains(up.stderr, leftOut) || !strings.Contains(up.stdout, "left out    data plane: not root") {
		t.Errorf("what was left out is not told: %s", up)
	}
	var s core.Status
	if err := json.Unmarshal([]byte(execute(t, asUser(name, "status", "-o", "json")).mustSucceed(t).stdout), &s); err != nil {
		t.Fatal(err)
	}
	if s.DataPlane || len(s.Components) != 3 || len(s.Hosts) != 0 || len(s.LeftOut) != 1 || s.LeftOut[0].Why != "not root" {
		t.Errorf("status = %+v, want a control plane only", s)
	}
	if !strings.HasPrefix(s.Server, "https://127.0.0.1:") {
		t.Errorf("the API server is at %s, want this machine alone to reach it", s.Server)
	}
	mustBePrivate(t, s.Directory, 0o700)
	mustBePrivate(t, s.Kubeconfig, 0o600)
	c := client(t, execute(t, asUser(name, "kubeconfig")).mustSucceed(t).stdout)
	if err := c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if r := execute(t, asUser(name, "up")).mustSucceed(t); !strings.Contains(r.stdout, "is already up") {
		t.Errorf("a second up: %s", r)
	}
	execute(t, asUser(name, "add-pod", "app")).mustFail(t, 1, "has no data plane, not root: run it as root")
	execute(t, asUser(name, "exec", "node", "true")).mustFail(t, 125, "has no data plane")

	execute(t, asUser(name, "down")).mustSucceed(t)
	if _, err := os.Lstat(s.Directory); !os.IsNotExist(err) {
		t.Errorf("the folder %s is still there: %v", s.Directory, err)
	}
	if root {
		mustBeHealthy(t, name)
	}
}

// TestPlantedFolder puts a folder of another user where an ordinary user's clusters go.
func TestPlantedFolder(t *testing.T) {
	needsRoot(t, "a folder that another user planted is refused")
	name := newName(t, "planted")
	asUser := ordinaryUser(t)
	cmd := asUser(name, "up")
	planted := filepath.Join(temporary(t, cmd), fmt.Sprint("external-services-", nobody))
	if err := os.Mkdir(planted, 0o777); err != nil {
		t.Fatal(err)
	}
	execute(t, cmd).mustFail(t, 1, planted+" belongs to user id 0, not to 65534")
	execute(t, asUser(name, "status")).mustFail(t, 1, planted)
}

// ordinaryUser returns what prepares a run of the program as a user without rights, with a folder for temporary files
// that belongs to that user.
func ordinaryUser(t *testing.T) func(name string, args ...string) *exec.Cmd {
	t.Helper()
	// The repository and the program may be where the user cannot look.
	dir, err := os.MkdirTemp("", "cluster-e2e-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	temp, bin := filepath.Join(dir, "tmp"), filepath.Join(dir, "bin")
	for _, path := range []string{temp, bin} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	copyFile(t, program, filepath.Join(bin, "cluster"))
	binaries, err := filepath.Glob(filepath.Join(components, "components-*"))
	if err != nil || len(binaries) == 0 {
		t.Fatalf("no binary of the components in %s: %v", components, err)
	}
	for _, path := range binaries {
		copyFile(t, path, filepath.Join(bin, filepath.Base(path)))
	}
	var attr *syscall.SysProcAttr
	if os.Geteuid() == 0 {
		if err := os.Chown(temp, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, "cluster"), append([]string{"--name", name, "--bin-dir", bin}, args...)...)
		cmd.Dir, cmd.SysProcAttr = "/", attr
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + temp, "HOME=" + temp}
		return cmd
	}
}

// temporary is the folder for temporary files of a command.
func temporary(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	for _, setting := range cmd.Env {
		if dir, ok := strings.CutPrefix(setting, "TMPDIR="); ok {
			return dir
		}
	}
	t.Fatalf("no TMPDIR in %q", cmd.Env)
	return ""
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	source, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(target, source)
	if closed := target.Close(); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
}
