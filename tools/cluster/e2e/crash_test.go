package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	core "external-services/tools/cluster/internal/cluster"
)

// moments are points of a start, counted from its first line, which takes a few seconds: in the set-up of the network,
// in the start of the control plane, in that of the data plane, and close to the end.
var moments = []time.Duration{
	0, 20 * time.Millisecond, 50 * time.Millisecond, 80 * time.Millisecond, 110 * time.Millisecond,
	150 * time.Millisecond, 300 * time.Millisecond, time.Second, 2 * time.Second, 2500 * time.Millisecond, 3 * time.Second,
}

// beforeTheFirstLine is the moment at which the program has just been started, and may not handle signals yet.
const beforeTheFirstLine = -1

// stopStart begins to start a cluster and sends a signal some time after the first line that it prints, by which it
// handles signals. It returns what the start had to say.
func stopStart(t *testing.T, name string, after time.Duration, signal os.Signal) result {
	t.Helper()
	cmd := command(name, "up")
	output, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd.Stderr = stderr
	if err := errors.Join(cmd.Start(), stderr.Close()); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(output)
	var first string
	if after >= 0 {
		if first, err = reader.ReadString('\n'); err != nil {
			t.Fatalf("%s ends without a line: %v", cmd, err)
		}
		time.Sleep(after) // the moment is what is tested
	}
	if err := cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the caller looks at how it ended
	// What a killed start leaves may keep the pipe open.
	if err := output.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(reader)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return result{strings.Join(cmd.Args, " "), cmd.ProcessState.ExitCode(), "", first + string(rest)}
}

// TestKilledStart kills a start, which then can clean up nothing, and lets the next command do it.
func TestKilledStart(t *testing.T) {
	name := newName(t, "kill")
	for _, after := range append([]time.Duration{beforeTheFirstLine}, moments...) {
		t.Run(after.String(), func(t *testing.T) {
			stopStart(t, name, after, os.Kill)
			cluster(t, name, "down").mustSucceed(t)
			mustBeGone(t, name)
		})
	}
	// The next start does what `down` does, and says so. Every third of the moments is enough for it.
	for i := 0; i < len(moments); i += 3 {
		t.Run("then up "+moments[i].String(), func(t *testing.T) {
			cluster(t, name, "down").mustSucceed(t)
			stopStart(t, name, moments[i], os.Kill)
			cluster(t, name, "up").mustSucceed(t)
			mustBeHealthy(t, name)
		})
	}
	// The five components, and an nft of kube-proxy where it runs one at that moment.
	removed := regexp.MustCompile(`(?m)^removed [5-9] processes, `)
	if r := cluster(t, name, "up", "--fresh").mustSucceed(t); !removed.MatchString(r.stderr) && os.Geteuid() == 0 {
		t.Errorf("the removal of the former cluster is not told: %s", r)
	}
}

// TestInterruptedStart lets a start end itself, so there is nothing for the next command to do.
func TestInterruptedStart(t *testing.T) {
	name := newName(t, "stop")
	for i, after := range append([]time.Duration{beforeTheFirstLine}, moments...) {
		signal := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}[i%3]
		t.Run(fmt.Sprint(signal, " after ", after), func(t *testing.T) {
			r := stopStart(t, name, after, signal)
			if r.code == 0 {
				t.Logf("the start was ready before %s", after)
				cluster(t, name, "down").mustSucceed(t)
				return
			}
			mustBeGone(t, name)
			if after != beforeTheFirstLine {
				r.mustFail(t, 1, "was not started: ", "signal received")
			}
		})
	}
}

// TestKilledComponent kills each component of a cluster that is up.
func TestKilledComponent(t *testing.T) {
	name := newName(t, "dead")
	cluster(t, name, "up").mustSucceed(t)
	for _, component := range mustBeHealthy(t, name).Components {
		t.Run(component.Name, func(t *testing.T) {
			killComponent(t, mustBeHealthy(t, name), component.Name)
			s, code := status(t, name)
			if code != 1 || s.Healthy || s.State != "up" || !strings.Contains(s.Problem, component.Name+": not running") {
				t.Errorf("exit code %d, status %+v, want %s to be not running", code, s, component.Name)
			}
			r := cluster(t, name, "up").mustSucceed(t)
			if !strings.Contains(r.stderr, "removing what an earlier start left: ") || !strings.Contains(r.stderr, component.Name+": not running") {
				t.Errorf("the repair is not told: %s", r)
			}
			mustBeHealthy(t, name)
		})
	}
	killComponent(t, mustBeHealthy(t, name), "etcd")
	cluster(t, name, "down").mustSucceed(t)
	mustBeGone(t, name)
}

func killComponent(t *testing.T, s core.Status, name string) {
	t.Helper()
	i := slices.IndexFunc(s.Components, func(c core.ComponentStatus) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no component %s in %+v", name, s)
	}
	if err := syscall.Kill(s.Components[i].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		// One that has ended stays in the list, as a zombie, until its parent has waited for it.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.Components[i].PID))
		if errors.Is(err, fs.ErrNotExist) || strings.Contains(string(stat), ") Z ") {
			return nil
		}
		return fmt.Errorf("%s is still running: %s, %w", name, stat, err)
	})
}

// TestComponentThatEndsDuringTheStart kills the API server before it is ready.
func TestComponentThatEndsDuringTheStart(t *testing.T) {
	name := newName(t, "early")
	done := make(chan result, 1)
	go func() { done <- cluster(t, name, "up") }()
	eventually(t, func() error {
		for _, process := range marked(t, name) {
			path, command, _ := strings.Cut(process, " ")
			if strings.Contains(command, " kube-apiserver ") {
				pid, err := strconv.Atoi(strings.Split(path, "/")[2])
				if err != nil {
					return err
				}
				return syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		return errors.New("the API server was not started")
	})
	log := filepath.Join(stateDir(name), "logs", "kube-apiserver.log")
	r := <-done
	r.mustFail(t, 1, "kube-apiserver ended during the start: signal: killed; its log is "+log)
	if _, err := os.Stat(log); err != nil {
		t.Errorf("the log that the message names is not there: %v", err)
	}
	if left := marked(t, name); len(left) > 0 {
		t.Errorf("the failed start left %q", left)
	}
	if s, code := status(t, name); code != 1 || s.State != "failed" || !strings.Contains(s.Problem, filepath.Dir(log)) {
		t.Errorf("exit code %d, status %+v", code, s)
	}
	cluster(t, name, "add-pod", "app").mustFail(t, 1, "is not up")
	cluster(t, name, "kubeconfig").mustFail(t, 1, "is not up")
	cluster(t, name, "up").mustSucceed(t)
	mustBeHealthy(t, name)
}

// TestTimeout gives the components no time.
func TestTimeout(t *testing.T) {
	name := newName(t, "slow")
	cluster(t, name, "up", "--timeout", "1ms").mustFail(t, 1, "not ready within 1ms: raise --timeout on a slow machine")
	if left := marked(t, name); len(left) > 0 {
		t.Errorf("the failed start left %q", left)
	}
}

// TestDamagedState puts things in the way that no run of the program makes.
func TestDamagedState(t *testing.T) {
	name := newName(t, "damaged")
	cluster(t, name, "up").mustSucceed(t)
	if err := os.WriteFile(filepath.Join(stateDir(name), "cluster.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	cluster(t, name, "status").mustFail(t, 1, "cluster.json")
	cluster(t, name, "up").mustSucceed(t)
	mustBeHealthy(t, name)

	// Without its folder the cluster is still found.
	if err := os.RemoveAll(stateDir(name)); err != nil {
		t.Fatal(err)
	}
	if s, _ := status(t, name); s.State != "down" || !strings.Contains(s.Problem, "a start that was killed left") {
		t.Errorf("status = %+v", s)
	}
	cluster(t, name, "down").mustSucceed(t)
	mustBeGone(t, name)
}

// TestKilledAdd kills the addition of outside hosts at many moments. Each can then be repeated.
func TestKilledAdd(t *testing.T) {
	needsRoot(t, "the addition of a host can be repeated when it was killed")
	name := newName(t, "add")
	cluster(t, name, "up").mustSucceed(t)
	cluster(t, name, "add-pod", "app").mustSucceed(t)
	for i := range 16 {
		host := fmt.Sprint("db-", i)
		args := []string{"add-outside", host, "--ip", fmt.Sprint("192.168.50.", 10+i), "--dns", host + ".example"}
		cmd := command(name, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(2*i+2) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed, or was ready before
		recorded := slices.ContainsFunc(mustBeHealthy(t, name).Hosts, func(h core.HostStatus) bool { return h.Name == host })
		if !recorded {
			cluster(t, name, args...).mustSucceed(t)
		}
		// It is complete in both cases.
		execute(t, on(t, name, "app", helperResolve, host+".example")).mustSucceed(t)
		execute(t, on(t, name, "app", helperDial, host+".example:80")).mustFail(t, 1, "connection refused")
	}
}

// TestForeignProcess leaves alone what somebody else put into a namespace of the cluster.
func TestForeignProcess(t *testing.T) {
	needsRoot(t, "a process that the program did not start is not ended")
	name := newName(t, "guest")
	cluster(t, name, "up").mustSucceed(t)
	cmd := exec.Command("ip", "netns", "exec", "extsvc-"+name+"-node", "sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("it was ended by `cluster down`: %v", err)
		}
		_ = cmd.Wait() // it was killed
	})
	eventually(t, func() error {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
		if err == nil && !strings.HasPrefix(string(cmdline), "sleep") {
			err = errors.New("the process is not in the namespace yet")
		}
		return err
	})
	r := cluster(t, name, "down").mustSucceed(t)
	if want := fmt.Sprintf("left alone: process %d (sleep 600) is in extsvc-%s-node", cmd.Process.Pid, name); !strings.Contains(r.stderr, want) {
		t.Errorf("want %q of %s", want, r)
	}
	mustBeGone(t, name)
}
