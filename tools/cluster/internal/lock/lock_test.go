package lock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestWaitsForTheHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Acquire(t.Context(), path, func(int) { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}

	waiting := make(chan int, 1)
	acquired := make(chan error, 1)
	go func() {
		second, err := Acquire(t.Context(), path, func(pid int) { waiting <- pid })
		if err == nil {
			err = second.Release()
		}
		acquired <- err
	}()
	if pid := <-waiting; pid != os.Getpid() {
		t.Errorf("waits for process %d, want %d", pid, os.Getpid())
	}
	select {
	case <-acquired:
		t.Fatal("two holders at once")
	case <-time.After(4 * pollInterval):
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-acquired; err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := Acquire(t.Context(), path, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("stopped by the test")
	if _, err := Acquire(ctx, path, func(int) { cancel(reason) }); !errors.Is(err, reason) {
		t.Errorf("Acquire = %v, want %v", err, reason)
	}
}

// TestExclusive proves that the removal of the file by Release never lets two holders in.
func TestExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var (
		holders atomic.Int32
		group   sync.WaitGroup
	)
	for range 8 {
		group.Go(func() {
			for range 20 {
				l, err := Acquire(t.Context(), path, func(int) {})
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d holders at once", n)
				}
				holders.Add(-1)
				if err := l.Release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// TestReplacedFile takes the moment between the opening of a file and its locking, in which the holder removes it.
func TestReplacedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	opened, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := claim(opened, path); !errors.Is(err, errReplaced) {
		t.Errorf("a lock on a removed file is %v, want %v", err, errReplaced)
	}
	l, err := Acquire(t.Context(), path, func(int) { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	if err := claim(opened, path); !errors.Is(err, errReplaced) {
		t.Errorf("a lock on a replaced file is %v, want %v", err, errReplaced)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}
