package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// waitForMarked waits until there are so many processes of a folder: a process has its environment only a little
// after it was started.
func waitForMarked(t *testing.T, dir string, want int) {
	t.Helper()
	eventually(t, func() error {
		found, err := Find(dir)
		if err == nil && len(found) != want {
			err = fmt.Errorf("Find = %+v, want %d processes", found, want)
		}
		return err
	})
}

func startMarked(t *testing.T, dir string, command ...string) *Process {
	t.Helper()
	p, err := Start(Spec{
		Name: command[0], Command: command, Dir: dir, Log: filepath.Join(dir, "log"),
		Env: []string{"PATH=" + os.Getenv("PATH"), Marker(dir)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := KillAll(dir); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestKillAllEndsOnlyMarkedProcesses(t *testing.T) {
	dir := t.TempDir()
	marked := startMarked(t, dir, "sleep", "600")
	waitForMarked(t, dir, 1)

	var unmarked []*exec.Cmd
	for _, env := range []string{
		"PATH=" + os.Getenv("PATH"), // no marker
		Marker(dir + "-other"),      // that of a cluster whose folder starts with the same name
		Marker(filepath.Dir(dir)),   // that of a folder above
		"X" + Marker(dir),           // another variable
	} {
		cmd := exec.Command("sleep", "600")
		cmd.Env = []string{env}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait() // it was killed
		})
		unmarked = append(unmarked, cmd)
	}

	found, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].PID != marked.PID || found[0].Command != "sleep 600" {
		t.Errorf("Find = %+v, want process %d", found, marked.PID)
	}
	ended, err := KillAll(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(ended) != 1 || ended[0].PID != marked.PID {
		t.Errorf("KillAll = %+v, want process %d", ended, marked.PID)
	}
	<-marked.Done()
	if got := marked.Outcome(); got != "signal: terminated" {
		t.Errorf("the marked process ended by %q", got)
	}
	for _, cmd := range unmarked {
		if started, err := startTime(cmd.Process.Pid); err != nil || !Running(cmd.Process.Pid, started) {
			t.Errorf("the process with the environment %q was ended", cmd.Env)
		}
	}
}

func TestKillAllEndsWhatIgnoresTheRequest(t *testing.T) {
	dir := t.TempDir()
	// The child of the shell inherits the marker, and both ignore the request to end.
	p := startMarked(t, dir, "sh", "-c", "trap '' TERM; sleep 600 & echo ready; wait; sleep 600")
	waitForLine(t, p.Log, "ready")
	waitForMarked(t, dir, 2)
	if _, err := KillAll(dir); err != nil {
		t.Fatal(err)
	}
	if found, err := Find(dir); err != nil || len(found) != 0 {
		t.Errorf("Find after KillAll = %+v, %v", found, err)
	}
}

func TestKillAmongEndsOnlyWhatIsListed(t *testing.T) {
	dir := t.TempDir()
	listed, other := startMarked(t, dir, "sleep", "600"), startMarked(t, dir, "sleep", "601")
	waitForMarked(t, dir, 2)
	// A process without the marker is left alone, also when it is listed.
	ids := func() ([]int, error) { return []int{listed.PID, os.Getpid(), os.Getppid()}, nil }
	ended, err := KillAmong(dir, ids)
	if err != nil {
		t.Fatal(err)
	}
	if len(ended) != 1 || ended[0].PID != listed.PID {
		t.Errorf("KillAmong = %+v, want process %d", ended, listed.PID)
	}
	if !Running(other.PID, other.Started) {
		t.Error("a process that was not listed was ended")
	}
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	p := startMarked(t, dir, "sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done")
	waitForLine(t, p.Log, "ready")
	for _, c := range []struct {
		why, dir string
		started  uint64
	}{
		{"another cluster", dir + "-other", p.Started}, {"a former process of the same id", dir, p.Started - 1},
	} {
		if err := Kill(c.dir, p.PID, c.started); err != nil || !Running(p.PID, p.Started) {
			t.Errorf("the kill of %s = %v, running: %t", c.why, err, Running(p.PID, p.Started))
		}
	}
	if err := Kill(dir, p.PID, p.Started); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if got := p.Outcome(); got != "signal: killed" {
		t.Errorf("the process ended by %q", got)
	}
	if err := Kill(dir, p.PID, p.Started); err != nil {
		t.Errorf("the kill of a process that has ended = %v", err)
	}
}

func TestStartInSessionOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	p := startMarked(t, dir, "sleep", "600")
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if session := fields[3]; session != fmt.Sprint(p.PID) {
		t.Errorf("process %d is in session %s", p.PID, session)
	}
}

func TestRunning(t *testing.T) {
	p := startMarked(t, t.TempDir(), "true")
	<-p.Done()
	if Running(p.PID, p.Started) {
		t.Error("a process that has ended is running")
	}
	if got := p.Outcome(); got != "exit status 0" {
		t.Errorf("Outcome = %q", got)
	}
	started, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !Running(os.Getpid(), started) {
		t.Error("this process is not running")
	}
	if Running(os.Getpid(), started+1) {
		t.Error("another process with the same id is taken for this one")
	}
}

func TestRunningIsFalseForZombies(t *testing.T) {
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started, err := startTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); Running(cmd.Process.Pid, started); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a process that nobody has waited for still counts as running")
		}
	}
	_ = cmd.Wait() // it was killed
}

func TestLastLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("one\ntwo\n"+strings.Repeat("x", 500)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LastLines(path, 2)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"two", strings.Repeat("x", 400) + "..."}; !slices.Equal(got, want) {
		t.Errorf("LastLines = %q, want %q", got, want)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := LastLines(path, 2); err != nil || len(got) != 0 {
		t.Errorf("LastLines of an empty file = %q, %v", got, err)
	}
}

func waitForLine(t *testing.T, path, line string) {
	t.Helper()
	eventually(t, func() error {
		text, err := os.ReadFile(path)
		if err == nil && !strings.Contains("\n"+string(text), "\n"+line+"\n") {
			err = fmt.Errorf("%s does not say %q", path, line)
		}
		return err
	})
}

// eventually waits until a condition holds, and fails with what it last said.
func eventually(t *testing.T, condition func() error) {
	t.Helper()
	err := condition()
	for deadline := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(deadline); err = condition() {
		time.Sleep(5 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
}
