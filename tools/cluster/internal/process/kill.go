package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// grace is how long processes may take to end by themselves. It is short: a cluster that goes down keeps nothing.
	grace = 500 * time.Millisecond
	// killTimeout is how long the kernel may take to end a killed process.
	killTimeout = 10 * time.Second
)

// Found is a process that carries a cluster's marker.
type Found struct {
	PID int
	// Command is the command line, for messages.
	Command string
}

// Find returns the processes that carry the marker of the cluster in dir, without the calling process itself.
// Processes of other users are looked at only as far as the kernel allows, which is enough: a user's cluster runs
// as that user.
func Find(dir string) ([]Found, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	var found []Found
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue // not a process, or the one that asks
		}
		marked, err := isMarked(pid, dir)
		if err != nil {
			return nil, err
		}
		if marked {
			found = append(found, Found{PID: pid, Command: CommandLine(pid)})
		}
	}
	return found, nil
}

// isMarked reports whether the process carries the marker of the cluster in dir. It is false for a process that has
// ended or that the kernel does not let us look at.
func isMarked(pid int, dir string) (bool, error) {
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ESRCH):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read the environment of process %d: %w", pid, err)
	}
	marker := []byte(Marker(dir))
	for setting := range bytes.SplitSeq(environ, []byte{0}) {
		if bytes.Equal(setting, marker) {
			return true, nil
		}
	}
	return false, nil
}

// CommandLine returns the command line of a process for a message. That of a process that has just ended is empty.
func CommandLine(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.ReplaceAll(string(data), "\x00", " "))
}

// KillAll ends every process that carries the marker of the cluster in dir: it asks first, then kills. It returns what
// it ended. It comes back only when none is left, also not one that another was starting in the meantime.
func KillAll(dir string) ([]Found, error) {
	return killWhile(dir, func() ([]Found, error) { return Find(dir) })
}

// KillAmong is KillAll for those of the processes whose ids are listed, which is asked for again each time.
func KillAmong(dir string, ids func() ([]int, error)) ([]Found, error) {
	return killWhile(dir, func() ([]Found, error) {
		pids, err := ids()
		if err != nil {
			return nil, err
		}
		found, err := Find(dir)
		return slices.DeleteFunc(found, func(f Found) bool { return !slices.Contains(pids, f.PID) }), err
	})
}

// killWhile ends what find finds until it finds nothing.
func killWhile(dir string, find func() ([]Found, error)) ([]Found, error) {
	var ended []Found
	for {
		found, err := find()
		if err != nil || len(found) == 0 {
			return ended, err
		}
		killed, err := kill(found, dir)
		ended = append(ended, killed...)
		if err != nil {
			return ended, err
		}
	}
}

// Kill ends at once, without asking, the process with that id and start time if it carries the marker of the cluster in
// dir. One that has ended already is no error.
func Kill(dir string, pid int, started uint64) (err error) {
	t, err := hold(Found{PID: pid, Command: CommandLine(pid)}, dir)
	if err != nil || t == nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(t.pidfd)) }()
	if !Running(pid, started) {
		return nil
	}
	if err := signal(*t, unix.SIGKILL); err != nil {
		return err
	}
	return mustEnd(*t, time.Now().Add(killTimeout))
}

// target is a process held by a descriptor, which stays with that process when its id is used again.
type target struct {
	Found
	pidfd int
}

func kill(found []Found, dir string) (killed []Found, err error) {
	var targets []target
	defer func() {
		for _, t := range targets {
			err = errors.Join(err, unix.Close(t.pidfd))
		}
	}()
	for _, f := range found {
		t, err := hold(f, dir)
		if err != nil {
			return nil, err
		}
		if t != nil {
			targets = append(targets, *t)
		}
	}

	for _, t := range targets {
		if err := signal(t, unix.SIGTERM); err != nil {
			return nil, err
		}
	}
	deadline := time.Now().Add(grace)
	for _, t := range targets {
		ended, err := waitEnd(t, deadline)
		if err != nil {
			return nil, err
		}
		if ended {
			continue
		}
		if err := signal(t, unix.SIGKILL); err != nil {
			return nil, err
		}
	}
	deadline = time.Now().Add(killTimeout)
	for _, t := range targets {
		if err := mustEnd(t, deadline); err != nil {
			return nil, err
		}
		killed = append(killed, t.Found)
	}
	return killed, nil
}

// hold opens a descriptor of the process, or returns nil when the process is gone. The id may have gone to another
// process since the search: what carries the marker now, under that id, is what the descriptor holds.
func hold(f Found, dir string) (*target, error) {
	fd, err := unix.PidfdOpen(f.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open process %d (%s), which needs Linux 5.3 or later: %w", f.PID, f.Command, err)
	}
	marked, err := isMarked(f.PID, dir)
	if err != nil || !marked {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return &target{f, fd}, nil
}

func signal(t target, sig unix.Signal) error {
	err := unix.PidfdSendSignal(t.pidfd, sig, nil, 0)
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("send %s to process %d (%s): %w", unix.SignalName(sig), t.PID, t.Command, err)
	}
	return nil
}

// mustEnd waits until a process that was killed has ended.
func mustEnd(t target, deadline time.Time) error {
	ended, err := waitEnd(t, deadline)
	if err == nil && !ended {
		err = fmt.Errorf("process %d (%s) does not end, not even when killed", t.PID, t.Command)
	}
	return err
}

// waitEnd reports whether the process ended before the deadline.
func waitEnd(t target, deadline time.Time) (bool, error) {
	for {
		// A descriptor of a process becomes readable when the process has ended.
		fds := []unix.PollFd{{Fd: int32(t.pidfd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(max(0, time.Until(deadline)).Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("wait for process %d (%s): %w", t.PID, t.Command, err)
		}
		return n > 0, nil
	}
}
