package main

import (
	"bufio"
	"bytes"
	"net"
	"os/exec"
	"regexp"
	"sync"
	"testing"

	"external-services/tests/internal/testenv"
	"external-services/tests/internal/traffic"
)

const last = "New ones left the old server within %.1f s."

// A step without a failure is no error, and the counts are those of the report.
func TestWatch(t *testing.T) {
	address := freeAddress(t)
	serve(t, address, "a")
	text, err := watch(t, startLoad(t, address), func() error { return nil }, "a")
	if err != nil {
		t.Error(err)
	}
	wantMatch(t, text, `\n    before +\d+ +0 +a \d+\n    after +\d+ +0 +a \d+\n`)
	wantMatch(t, text, `\n    \d+ new connections, 0 failed; 10 open connections, 0 cut\. New ones left the old server within 0\.0 s\.\n$`)
}

// New connections that fail, and open ones that are cut, are counted and fail the act.
func TestWatchFailures(t *testing.T) {
	address := freeAddress(t)
	stop := serve(t, address, "a")
	load := startLoad(t, address)
	text, err := watch(t, load, func() error {
		stop()
		if err := load.WaitFor(50); err != nil {
			return err
		}
		serve(t, address, "b")
		return nil
	}, "b")
	wantMatch(t, text, `\n    before +\d+ +\d+ +a \d+\n    after +\d+ +[1-9]\d* +(a \d+, )?b \d+\n`)
	wantMatch(t, text, `\n    \d+ new connections, [1-9]\d* failed; \d+ open connections, 10 cut\. New ones left the old server within \d\.\d s\.\n$`)
	if err == nil {
		t.Fatal("connections failed, and there is no error")
	}
	wantMatch(t, err.Error(), `^\d+ failures:\n(.*\n)*.*new: dial: .*refused`)
}

// watch takes a load through a change, after which one server answers.
func watch(t *testing.T, load *traffic.Load, change func() error, server string) (string, error) {
	t.Helper()
	var text bytes.Buffer
	d := &demo{out: &text}
	err := d.watch(load, []step{{what: "before", servers: []string{"a"}}, {what: "after", servers: []string{server}, change: change}}, last)
	return text.String(), err
}

func startLoad(t *testing.T, address string) *traffic.Load {
	t.Helper()
	load, err := traffic.Start(exec.CommandContext(t.Context(), probe(t)), traffic.Options{Address: address, LongLived: 10})
	if err != nil {
		t.Fatal(err)
	}
	return load
}

// serve answers connections to an address with a name until it is stopped: then it refuses
// connections and cuts those that are open.
func serve(t *testing.T, address, name string) (stop func()) {
	t.Helper()
	cmd := exec.Command(probe(t), "serve", "tcp", address, name)
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	})
	t.Cleanup(stop)
	if _, err := bufio.NewReader(output).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return stop
}

func probe(t *testing.T) string {
	t.Helper()
	path, err := testenv.Binary("probe")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// freeAddress is an address that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

func wantMatch(t *testing.T, text, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(text) {
		t.Errorf("no match of %s in:\n%s", pattern, text)
	}
}
