package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperVariable makes the test binary a small program that tests run on hosts of a cluster, because a machine may
// have neither curl nor dig nor a web server.
const helperVariable = "EXTSVC_E2E_HELPER"

// The programs that the test binary can be.
const (
	helperServe   = "serve"   // a web server that answers with the address of the client
	helperGet     = "get"     // prints what a web server answers
	helperResolve = "resolve" // prints the addresses of a name
	helperDial    = "dial"    // prints why an address cannot be connected to
)

func runHelper(name string, args []string) int {
	err := errors.New("no such helper")
	switch name {
	case helperServe:
		err = http.ListenAndServe(args[0], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s\n", r.RemoteAddr)
		}))
	case helperGet:
		err = get(args[0])
	case helperResolve:
		var ips []string
		ips, err = (&net.Resolver{PreferGo: true}).LookupHost(context.Background(), args[0])
		slices.Sort(ips)
		fmt.Println(strings.Join(ips, " "))
	case helperDial:
		_, err = net.DialTimeout("tcp", args[0], 3*time.Second)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func get(url string) (err error) {
	resp, err := (&http.Client{Timeout: 5 * time.Second}).Get(url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}

// on prepares a run of a helper on a host of the cluster.
func on(t *testing.T, name, host, helper string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(name, append([]string{"exec", host, "--", self}, args...)...)
	cmd.Env = append(os.Environ(), helperVariable+"="+helper)
	return cmd
}

// serve runs a web server on a host of the cluster until the test ends.
func serve(t *testing.T, name, host, address string) {
	t.Helper()
	cmd := on(t, name, host, helperServe, address)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		_ = cmd.Wait() // it ends by the signal
	})
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if r := execute(t, on(t, name, host, helperGet, "http://127.0.0.1:"+port)); r.code != 0 {
			return errors.New(r.String())
		}
		return nil
	})
}
