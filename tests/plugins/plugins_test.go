// Package plugins installs extsvc as its users do, from the archive of this platform: as a plugin of both majors of Helm
// and of kubectl, with their own programs, and runs it there. The archive is made by the program that makes those of a
// release, from the extsvc that make has built; tests/sbom has what a release compiles.
package plugins

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"external-services/tests/internal/registry"
	"external-services/tests/internal/testenv"
)

const version = "1.0.0"

var archiveName = fmt.Sprintf("extsvc-%s-%s-%s.tar.gz", version, runtime.GOOS, runtime.GOARCH)

// released is a folder with what a release has: the archive of this platform and its checksums.
var released string

func TestMain(m *testing.M) {
	var err error
	released, err = os.MkdirTemp("", "plugins")
	if err == nil {
		err = errors.Join(testenv.UsePath("dist", "extsvc", "helm", "helm4", "kubectl", "krew"), build(released, testenv.Path(".bin", "extsvc")))
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(released)
	os.Exit(code)
}

// build makes the archive of a program in a folder, as ci/dist.sh does.
func build(folder, program string) error {
	const commands = `set -euo pipefail
		completions=$(mktemp -d)
		trap 'rm -r "$completions"' EXIT
		for shell in bash fish zsh; do extsvc completion $shell >"$completions/extsvc.$shell"; done
		extsvc completion powershell >"$completions/extsvc.ps1"
		dist archive -version "$1" -license LICENSE -licenses ci/licenses.txt -completions "$completions" "$2" "$3=$4"
		cd "$2"
		sha256sum extsvc-* >"extsvc-$1-checksums.txt"`
	cmd := exec.Command("bash", "-c", commands, "build", version, folder, runtime.GOOS+"/"+runtime.GOARCH, program)
	cmd.Dir = testenv.Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the archive of extsvc: %w\n%s", err, out)
	}
	return nil
}

// release copies what is released to a folder of the test.
func release(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(released)); err != nil {
		t.Fatal(err)
	}
	return folder
}

// unpack unpacks the archive, and returns the folder that it makes.
func unpack(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if out, err := exec.Command("tar", "-xzf", filepath.Join(released, archiveName), "-C", folder).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	return filepath.Join(folder, "extsvc")
}

// The same program makes the same archive, whatever the folder, the mask of the user and the time; another program
// makes another one.
func TestReproducibleArchive(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	var archives [][]byte
	for _, c := range []struct {
		text  string
		umask int
	}{{"a program", 0o022}, {"a program", 0o077}, {"another", 0o022}} {
		folder := t.TempDir()
		old := syscall.Umask(c.umask)
		write(t, program, []byte(c.text))
		err := build(folder, program)
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, read(t, filepath.Join(folder, archiveName)))
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("a second time makes another archive")
	}
	if bytes.Equal(archives[0], archives[2]) {
		t.Error("another program makes the same archive")
	}
}

// A folder of the archive is a plugin of both Helms, which pass on arguments, exit codes, and the namespace.
func TestHelm(t *testing.T) {
	folder := unpack(t)
	for _, program := range []string{"helm", "helm4"} {
		t.Run(program, func(t *testing.T) {
			environment := helmHome(t)
			if out := run(t, environment, program, "plugin", "install", folder); !strings.Contains(out, "Installed plugin: extsvc") {
				t.Errorf("helm plugin install says\n%s", out)
			}
			if out := run(t, environment, program, "plugin", "list"); !strings.Contains(out, "extsvc\t"+version) {
				t.Errorf("helm plugin list says\n%s", out)
			}
			checkHelm(t, environment, program)
		})
	}
}

// helmHome is the environment of a Helm that has no plugins.
func helmHome(t *testing.T) []string {
	t.Helper()
	home := t.TempDir()
	kubeconfig := filepath.Join(home, "kubeconfig")
	write(t, kubeconfig, []byte("apiVersion: v1\nkind: Config\ncurrent-context: here\ncontexts:\n"+
		"- {name: here, context: {cluster: c, user: u}}\n- {name: there, context: {cluster: c, user: u, namespace: shop}}\n"+
		"clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: u}]\n"))
	return append(os.Environ(), "HELM_DATA_HOME="+home, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home,
		"HELM_PLUGINS="+filepath.Join(home, "plugins"), "KUBECONFIG="+kubeconfig)
}

// checkHelm runs the plugin in a Helm that has it.
func checkHelm(t *testing.T, environment []string, program string) {
	t.Helper()
	values := filepath.Join(t.TempDir(), "values.yaml")
	write(t, values, []byte("services: [{name: orders, externalName: orders.corp.example}]\ntests: {enabled: false}\n"))
	for _, c := range []struct{ args, want string }{
		{"help", "Find, check and move services outside the cluster"},
		{"extsvc version -o json", `"chart": "`},
		{"extsvc check --help", "\n  helm extsvc check outside -n shop --watch\n"},
		{"extsvc check --help", "\n  helm extsvc check [RELEASE] [flags]\n"},
		{"extsvc template -f " + values, `namespace: "default"`},
		// Helm reads these flags itself, in front of the command and after it.
		{"extsvc template -n shop -f " + values, `namespace: "shop"`},
		{"extsvc template --namespace=shop -f " + values, `namespace: "shop"`},
		{"-n shop extsvc template -f " + values, `namespace: "shop"`},
		{"extsvc template --kube-context there -f " + values, `namespace: "shop"`},
		// A shell completes by Helm.
		{"__complete extsvc li", "lint\t"},
		{"__complete extsvc lint -o", ""},
	} {
		if out := run(t, environment, program, strings.Fields(c.args)...); !strings.Contains(out, c.want) {
			t.Errorf("%s %s says\n%s\nwant %s", program, c.args, out, c.want)
		}
	}
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"extsvc lint -f " + values + " --set services[0].adresses=a", `"orders": adresses: is an unknown key`, 3},
		{"extsvc check outside -n shop", "127.0.0.1:1", 2},
		{"extsvc check outside --kube-context nowhere", `context "nowhere" does not exist`, 2},
		{"extsvc nothing", `unknown command "nothing" for "helm extsvc"`, 2},
	} {
		out, err := command(t, environment, program, strings.Fields(c.args)...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != c.code || !strings.Contains(string(out), c.want) {
			t.Errorf("%s %s: %v, want the exit code %d and %s in\n%s", program, c.args, err, c.code, c.want, out)
		}
	}
}

// Helm 4 installs the archive itself, from a file or a server, if the signature is right.
func TestHelmVerifies(t *testing.T) {
	folder, key, stranger := release(t), registry.NewKey(t, ""), registry.NewKey(t, "")
	archive := filepath.Join(folder, archiveName)
	server := httptest.NewServer(http.FileServer(http.Dir(folder)))
	t.Cleanup(server.Close)
	if out, err := command(t, helmHome(t), "helm4", "plugin", "install", archive).CombinedOutput(); err == nil || !strings.Contains(string(out), "no provenance file (.prov) found") {
		t.Errorf("an archive without a signature: %v\n%s", err, out)
	}
	run(t, os.Environ(), "dist", "sign", "-version", version, "-key", key.Name, "-keyring", key.Secret, folder)
	for _, source := range []string{archive, server.URL + "/" + archiveName} {
		environment := helmHome(t)
		if out, err := command(t, environment, "helm4", "plugin", "install", source, "--keyring", stranger.Public).CombinedOutput(); err == nil || !strings.Contains(string(out), "signature made by unknown entity") {
			t.Errorf("%s: the key of a stranger verifies it: %v\n%s", source, err, out)
		}
		if out := run(t, environment, "helm4", "plugin", "install", source, "--keyring", key.Public); !strings.Contains(out, key.Name) || !strings.Contains(out, "Installed plugin: extsvc") {
			t.Errorf("%s: helm plugin install says\n%s", source, out)
		}
		if out := run(t, environment, "helm4", "extsvc", "version"); !strings.Contains(out, "chart ") {
			t.Errorf("%s: helm extsvc version says\n%s", source, out)
		}
	}
}

// kubectl finds the program on PATH, and completes its arguments.
func TestKubectl(t *testing.T) {
	folder := unpack(t)
	if err := os.Symlink("extsvc", filepath.Join(folder, "kubectl-extsvc")); err != nil {
		t.Fatal(err)
	}
	checkKubectl(t, folder)
	environment := append(helmHome(t), "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	if out := run(t, environment, "kubectl", "__complete", "extsvc", "li"); !strings.Contains(out, "lint\t") {
		t.Errorf("kubectl completes\n%s", out)
	}
}

// Krew installs the archive by the manifest, if it is the one of the checksum.
func TestKrew(t *testing.T) {
	folder := release(t)
	run(t, os.Environ(), "dist", "krew", "-version", version, "-repository", "https://git.example/team/external-services", folder)
	install := func(root string) (string, error) {
		cmd := command(t, append(os.Environ(), "KREW_ROOT="+root), "krew", "install",
			"--manifest", filepath.Join(folder, "extsvc.yaml"), "--archive", filepath.Join(folder, archiveName))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	root := t.TempDir()
	if out, err := install(root); err != nil {
		t.Fatalf("krew install: %v\n%s", err, out)
	}
	checkKubectl(t, filepath.Join(root, "bin"))
	changed := read(t, filepath.Join(folder, archiveName))
	changed[9] ^= 1 // of the header of gzip
	write(t, filepath.Join(folder, archiveName), changed)
	if out, err := install(t.TempDir()); err == nil || !strings.Contains(out, "checksum does not match") {
		t.Errorf("krew install of another archive: %v\n%s", err, out)
	}
}

// checkKubectl runs the plugin in a kubectl that has a folder in its PATH.
func checkKubectl(t *testing.T, folder string) {
	t.Helper()
	environment := append(helmHome(t), "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	values := filepath.Join(t.TempDir(), "values.yaml")
	write(t, values, []byte("services: [{name: orders, externalName: orders.corp.example}]\ntests: {enabled: false}\n"))
	for _, c := range []struct{ args, want string }{
		{"plugin list", "/kubectl-extsvc\n"},
		{"extsvc version -o json", `"chart": "`},
		{"extsvc check --help", "\n  kubectl extsvc check outside -n shop --watch\n"},
		{"extsvc template -n shop -f " + values, `namespace: "shop"`},
	} {
		if out := run(t, environment, "kubectl", strings.Fields(c.args)...); !strings.Contains(out, c.want) {
			t.Errorf("kubectl %s says\n%s\nwant %s", c.args, out, c.want)
		}
	}
}

func binary(t *testing.T, name string) string {
	t.Helper()
	path, err := testenv.Binary(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// command is a command of a program in .bin.
func command(t *testing.T, environment []string, program string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(binary(t, program), args...)
	cmd.Env = environment
	return cmd
}

// run runs a program of .bin and returns all that it prints.
func run(t *testing.T, environment []string, program string, args ...string) string {
	t.Helper()
	out, err := command(t, environment, program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
