// Package process starts the programs of a cluster and finds them again, also those that a crashed run left behind.
//
// Each process carries an environment variable that names the folder of its cluster. Children inherit it, so whatever
// they start belongs to the cluster too. Programs are never looked for by name or by a recorded process id alone: only
// what carries the marker is ever ended.
package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// markerVariable is the environment variable that says which cluster a process belongs to.
const markerVariable = "EXTSVC_CLUSTER_DIR"

// Marker is the environment setting of every process of the cluster that lives in the folder dir.
func Marker(dir string) string { return markerVariable + "=" + dir }

// Spec says how to start a process.
type Spec struct {
	// Name is what the process is called in messages.
	Name string
	// Command is the program and its arguments.
	Command []string
	// Dir is the working directory.
	Dir string
	// Log is the file that takes what the process prints.
	Log string
	// Env is the whole environment. It must hold the cluster's marker.
	Env []string
}

// Process is a started process.
type Process struct {
	Name    string
	PID     int
	Started uint64
	Log     string

	done chan struct{}
	err  error
}

// Start starts a process in a session of its own, so that it outlives the program and gets no signal of its terminal.
func Start(spec Spec) (*Process, error) {
	log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: open its log: %w", spec.Name, err)
	}
	cmd := exec.Command(spec.Command[0], spec.Command[1:]...)
	cmd.Dir, cmd.Env = spec.Dir, spec.Env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	// The process has its own copy of the open log.
	if err := errors.Join(err, log.Close()); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}

	p := &Process{Name: spec.Name, PID: cmd.Process.Pid, Log: spec.Log, done: make(chan struct{})}
	// Until Wait has returned the kernel keeps the process id and its start time, even of a process that has ended.
	started, err := startTime(p.PID)
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	p.Started = started
	return p, nil
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Outcome says how the process ended, such as "exit status 1". Done must be closed.
func (p *Process) Outcome() string {
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
}

// LastLines returns the last n lines of what the process printed, each cut to a readable length.
func LastLines(log string, n int) ([]string, error) {
	const longest = 400
	data, err := os.ReadFile(log)
	if err != nil {
		return nil, err
	}
	data = bytes.TrimRight(data, "\n")
	if len(data) == 0 {
		return nil, nil
	}
	lines := strings.Split(string(data), "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, line := range lines {
		if len(line) > longest {
			lines[i] = line[:longest] + "..."
		}
	}
	return lines, nil
}

// Running reports whether the process with that id and start time exists and has not ended.
func Running(pid int, started uint64) bool {
	state, at, err := stat(pid)
	return err == nil && at == started && state != 'Z' && state != 'X'
}

func startTime(pid int) (uint64, error) {
	_, started, err := stat(pid)
	return started, err
}

// stat reads the state and the start time of a process, in clock ticks since the machine started.
func stat(pid int) (state byte, started uint64, err error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	// The second field is the program's name in parentheses, and may hold anything, parentheses too.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	const stateField, startField = 0, 19 // the third and the 22nd of proc_pid_stat(5)
	if len(fields) <= startField {
		return 0, 0, fmt.Errorf("%s has %d fields after the name, want more than %d", path, len(fields), startField)
	}
	started, err = strconv.ParseUint(fields[startField], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: start time: %w", path, err)
	}
	return fields[stateField][0], started, nil
}
