package clients

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"external-services/tests/internal/testenv"
)

// processes are programs that run on this machine until they are stopped.
type processes struct {
	folder  string // of their output and files
	started []*process
	logged  *testing.T // the last test of Log
}

type process struct {
	name, output string
	cmd          *exec.Cmd
	ended        chan struct{}
	err          error // how it ended
}

// makeFolder makes a folder that goes with a cluster.
func makeFolder(cluster *testenv.Embedded) (string, error) {
	folder := filepath.Join(cluster.Directory, "clients")
	return folder, os.MkdirAll(folder, 0o700)
}

// start starts a program with variables in addition to those of this process.
func (p *processes) start(name string, environment []string, program string, args ...string) (*process, error) {
	file, err := os.Create(filepath.Join(p.folder, name+".log"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	started := &process{name: name, output: file.Name(), cmd: exec.Command(program, args...), ended: make(chan struct{})}
	started.cmd.Env = append(os.Environ(), environment...)
	started.cmd.Stdout, started.cmd.Stderr = file, file
	if err := started.cmd.Start(); err != nil {
		return nil, err
	}
	p.started = append(p.started, started)
	go func() {
		defer close(started.ended)
		started.err = started.cmd.Wait()
	}()
	return started, nil
}

// ready waits until the program answers a question without an error.
func (p *process) ready(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended before it was ready: %v\n%s", p.name, p.err, p.last(0))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.name, err, p.last(0))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// answers asks for a page that says whether a program is well.
func answers(url string) func() error {
	return func() error {
		response, err := http.Get(url)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	}
}

// listens connects to a program.
func listens(address string) func() error {
	return func() error {
		connection, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		return connection.Close()
	}
}

// stop ends all programs. One that had ended before is an error.
func (p *processes) stop() error {
	var failures []error
	for _, started := range slices.Backward(p.started) {
		select {
		case <-started.ended:
			failures = append(failures, fmt.Errorf("%s ended by itself: %v\n%s", started.name, started.err, started.last(0)))
		default:
			failures = append(failures, started.cmd.Process.Kill())
			<-started.ended
		}
	}
	return errors.Join(failures...)
}

// Log has a test that fails log what the programs print from now on.
func (p *processes) Log(t *testing.T) {
	t.Helper()
	if p.logged == t {
		return
	}
	p.logged = t
	from := map[*process]int64{}
	for _, started := range p.started {
		info, err := os.Stat(started.output)
		if err != nil {
			t.Fatal(err)
		}
		from[started] = info.Size()
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, started := range p.started {
			t.Logf("%s:\n%s", started.name, started.last(from[started]))
		}
	})
}

// last is what a program printed from a place on, at most 20,000 bytes.
func (p *process) last(from int64) string {
	file, err := os.Open(p.output)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, from, 1<<30))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-20_000):])
}

// freeAddress is a port of the loopback address that nobody listens at.
func freeAddress() (address, port string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	address = listener.Addr().String()
	_, port, err = net.SplitHostPort(address)
	return address, port, errors.Join(err, listener.Close())
}

// kubectl runs kubectl as the administrator of a cluster, with an input.
func kubectl(ctx context.Context, kubeconfig, input string, args ...string) (string, error) {
	program, err := testenv.Binary("kubectl")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, append([]string{"--kubeconfig", kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	return testenv.Output(cmd)
}
