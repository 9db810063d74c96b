package docs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"external-services/tests/internal/testenv"
)

// shell is one bash, as the reader of a document has one: what a command exports and the
// folder that it changes to stay.
type shell struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	output *bufio.Reader
}

// startShell starts bash in a folder, with the programs of .bin, and with a cluster.
func startShell(t *testing.T, dir, kubeconfig string) *shell {
	t.Helper()
	s := &shell{t: t, cmd: exec.CommandContext(context.WithoutCancel(t.Context()), "bash", "--norc", "--noprofile")}
	home := t.TempDir()
	s.cmd.Dir = dir
	s.cmd.Env = append(os.Environ(),
		"PATH="+testenv.Path(".bin")+string(os.PathListSeparator)+os.Getenv("PATH"),
		"KUBECONFIG="+kubeconfig, "KUBECACHEDIR="+home, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "LC_ALL=C.UTF-8",
	)
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr, s.output = write, write, bufio.NewReader(read)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	t.Cleanup(func() {
		s.stdin.Close()
		if err := s.cmd.Wait(); err != nil {
			t.Errorf("the shell: %v", err)
		}
		read.Close()
	})
	return s
}

// run runs a command and returns what it prints, and its exit code.
func (s *shell) run(command string) (string, int) {
	s.t.Helper()
	const mark = "the-command-has-ended"
	file := filepath.Join(s.t.TempDir(), "command")
	if err := os.WriteFile(file, []byte(command+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	// What hangs is ended, and the shell with it.
	timer := time.AfterFunc(15*time.Minute, func() { s.cmd.Process.Kill() })
	defer timer.Stop()
	fmt.Fprintf(s.stdin, ". %s </dev/null\nprintf '\\n%s %%s\\n' $?\n", file, mark)
	var output strings.Builder
	for {
		line, err := s.output.ReadString('\n')
		if err != nil {
			s.t.Fatalf("%s\nthe shell ended: %v\n%s", command, err, output.String())
		}
		if text, found := strings.CutPrefix(line, mark+" "); found {
			code, err := strconv.Atoi(strings.TrimSpace(text))
			if err != nil {
				s.t.Fatal(err)
			}
			return strings.TrimSuffix(output.String(), "\n"), code
		}
		output.WriteString(line)
	}
}

// clone copies the repository as it is, with what is not committed yet, into a folder,
// where it is a repository too. The programs are those of .bin.
func clone(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = testenv.Root()
	names, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		if err := copyFile(testenv.Path(name), filepath.Join(dir, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(testenv.Path(".bin"), filepath.Join(dir, ".bin")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}} {
		git := exec.Command("git", args...)
		git.Dir = dir
		if out, err := git.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	return dir
}

// copyFile keeps the time of the file, by which Make knows what to build.
func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(to, text, info.Mode()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// varying is what differs from run to run.
var varying = map[string]*regexp.Regexp{
	"age":       regexp.MustCompile(`\b\d+(s|m|m\d+s)\b`),
	"clusterip": regexp.MustCompile(`\b10\.96\.\d+\.\d+\b`),
	"date":      regexp.MustCompile(`\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}`),
	"mariadb":   regexp.MustCompile(`MariaDB [\d.]+`),
	"ms":        regexp.MustCompile(`\b\d+ ms\b`),
	"suffix":    regexp.MustCompile(`-[a-z0-9]{5}\b`),
}

var spaces = regexp.MustCompile(` {2,}`)

// differs says where the output of a command is not as a document shows it, or "". A line
// of three dots stands for any lines. Where something varies, so does the width of columns.
func differs(shown, output string, varies []string) string {
	normal := func(text string) []string {
		for _, name := range varies {
			text = varying[name].ReplaceAllString(text, "<"+name+">")
		}
		if len(varies) > 0 {
			text = spaces.ReplaceAllString(text, "  ")
		}
		var lines []string
		for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
			lines = append(lines, strings.TrimRight(line, " "))
		}
		return lines
	}
	want, got := normal(shown), normal(output)
	anywhere := false
	for len(want) > 0 {
		if want[0] == "..." {
			want, anywhere = want[1:], true
			continue
		}
		part := want
		for i, line := range want {
			if line == "..." {
				part = want[:i]
				break
			}
		}
		at := 0
		for ; anywhere && at+len(part) < len(got) && !equal(part, got[at:]); at++ {
		}
		if len(part) == len(want) && anywhere {
			at = max(len(got)-len(part), 0)
		}
		for i, line := range part {
			if at+i >= len(got) {
				return fmt.Sprintf("the line %q is missing", line)
			}
			if got[at+i] != line {
				return fmt.Sprintf("there is the line %q, and the document has %q", got[at+i], line)
			}
		}
		want, got, anywhere = want[len(part):], got[at+len(part):], false
	}
	if len(got) > 0 && !anywhere {
		return fmt.Sprintf("the line %q is left over", got[0])
	}
	return ""
}

func equal(part, lines []string) bool {
	for i, line := range part {
		if i >= len(lines) || lines[i] != line {
			return false
		}
	}
	return true
}
