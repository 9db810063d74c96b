// Package lock keeps two runs of the program from changing the same thing at the same time.
package lock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// pollInterval is how often a waiting caller tries again: a blocking flock could not be interrupted.
const pollInterval = 50 * time.Millisecond

// Lock is an exclusive lock on a file. The kernel releases it when the process ends, however it ends.
type Lock struct {
	file *os.File
}

// Acquire locks the file at path, creating it when missing, and waits while another process has it. onWait is called
// once before the waiting starts, with the holder's process id, or 0 when that is not known yet.
//
// The file is closed on exec, so that a process that is started while the lock is held does not keep it.
func Acquire(ctx context.Context, path string, onWait func(pid int)) (*Lock, error) {
	waited := false
	for {
		l, err := try(path)
		switch {
		case err == nil:
			return l, nil
		case errors.Is(err, errReplaced):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !waited {
			waited = true
			onWait(holder(path))
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock %s: %w", path, context.Cause(ctx))
		case <-time.After(pollInterval):
		}
	}
}

// errReplaced says that the locked file is no longer the one that its path names.
var errReplaced = errors.New("the lock file was replaced")

func try(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := claim(f, path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Lock{file: f}, nil
}

func claim(f *os.File, path string) error {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	// Release removes the file. Whoever opened it before that holds a lock that nobody else can see.
	if current, err := isCurrent(f, path); err != nil {
		return err
	} else if !current {
		return errReplaced
	}
	return writePID(f)
}

// isCurrent reports whether path still names the open file f.
func isCurrent(f *os.File, path string) (bool, error) {
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(opened, named), err
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder is the process id in a lock file, 0 when it cannot be told: the holder may be about to write it, or gone.
func holder(path string) int {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	return pid
}

// Holder names the holder of a lock in a message, by the process id that Acquire's onWait got.
func Holder(pid int) string {
	if pid == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d", pid)
}

// Release removes the file and gives the lock back.
func (l *Lock) Release() error {
	err := os.Remove(l.file.Name())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err := errors.Join(err, l.file.Close()); err != nil {
		return fmt.Errorf("release the lock %s: %w", l.file.Name(), err)
	}
	return nil
}
