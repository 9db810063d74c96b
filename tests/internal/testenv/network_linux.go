package testenv

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Inside runs f on a thread in the network of a host outside. Sockets that f opens stay there; goroutines that f
// starts are not there.
func (c *Embedded) Inside(host string, f func() error) error {
	namespace, err := os.Open(fmt.Sprintf("/run/netns/extsvc-%s-out-%s", c.name, host))
	if err != nil {
		return err
	}
	defer namespace.Close()
	done := make(chan error)
	go func() {
		// The thread is not unlocked, so the runtime ends it with the goroutine.
		runtime.LockOSThread()
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter the network of %s: %w", host, err)
			return
		}
		done <- f()
	}()
	return <-done
}
