package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// namespaceDir is where the program ip keeps the named network namespaces.
	namespaceDir = "/run/netns"
	// etcDir is where `ip netns exec` looks for files to show in place of those in /etc.
	etcDir = "/etc/netns"
)

// Namespaces returns the names of all network namespaces of the machine that have one.
func Namespaces() ([]string, error) {
	return entries(namespaceDir, func(string) bool { return true })
}

// Occupants returns the ids of the processes that are in the named network namespace.
func Occupants(ns string) ([]int, error) {
	namespace, err := os.Stat(filepath.Join(namespaceDir, ns))
	if err != nil {
		return nil, fmt.Errorf("look at the network namespace %s: %w", ns, err)
	}
	paths, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	var pids []int
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || !os.SameFile(info, namespace) {
			continue // a process that has ended has no namespace
		}
		pid, err := strconv.Atoi(strings.Split(path, "/")[2])
		if err != nil {
			return nil, fmt.Errorf("read the process id in %s: %w", path, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// Command returns the command line that runs a command in the named network namespace, with the path of the program
// first.
func Command(ns string, command []string) ([]string, error) {
	path, err := Tool("ip")
	if err != nil {
		return nil, err
	}
	return append([]string{path, "netns", "exec", ns}, command...), nil
}

// entries returns the names in a folder that match. A folder that does not exist has none.
func entries(dir string, match func(name string) bool) ([]string, error) {
	all, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the network namespaces: %w", err)
	}
	var names []string
	for _, e := range all {
		if match(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Do runs f on a thread that is in the named network namespace. Sockets that f opens stay in that namespace; goroutines
// that f starts are not in it.
func Do(ns string, f func() error) error {
	return onThread(func() error {
		fd, err := unix.Open(filepath.Join(namespaceDir, ns), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open the network namespace %s: %w", ns, err)
		}
		err = unix.Setns(fd, unix.CLONE_NEWNET)
		if err := errors.Join(err, unix.Close(fd)); err != nil {
			return fmt.Errorf("enter the network namespace %s: %w", ns, err)
		}
		return f()
	})
}

// Dial connects from the named network namespace to an address, which must be an IP address with a port.
func Dial(ctx context.Context, ns, network string, address netip.AddrPort) (net.Conn, error) {
	var conn net.Conn
	err := Do(ns, func() (err error) {
		// With one literal address the socket is made by this goroutine, so on this thread.
		conn, err = new(net.Dialer).DialContext(ctx, network, address.String())
		return err
	})
	return conn, err
}

// The kernel takes the network namespace of a process to be that of its first thread, which the runtime never ends. So
// that thread stays with the main goroutine, and onThread gets others.
func init() { runtime.LockOSThread() }

// onThread runs f on a thread of its own, which ends with f: what f changes about its thread stays with it.
func onThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		// The thread is not unlocked, so the runtime ends it with the goroutine.
		runtime.LockOSThread()
		result <- f()
	}()
	return <-result
}

// sysctl is a kernel parameter of a network namespace. The name is the path below /proc/sys/net.
type sysctl struct{ name, value string }

// set sets the parameter in the network namespace that the calling thread is in.
func (s sysctl) set() error {
	if err := os.WriteFile(filepath.Join("/proc/sys/net", s.name), []byte(s.value), 0); err != nil {
		return fmt.Errorf("set a kernel parameter: %w", err)
	}
	return nil
}
