// Package editor shows what an editor with the YAML language server says of a values file, with the server
// itself. It needs Node.js, and make verify runs it.
package editor

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"external-services/tests/internal/testenv"
)

// message is a message of the language server protocol, a request, an answer or a notification.
type message struct {
	ID     json.RawMessage `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result any             `json:"result,omitempty"`
}

// server is a language server that runs.
type server struct {
	in  io.Writer
	out *bufio.Reader
}

func (s server) send(t *testing.T, m map[string]any) {
	t.Helper()
	m["jsonrpc"] = "2.0"
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(s.in, "Content-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		t.Fatal(err)
	}
}

func (s server) receive(t *testing.T) message {
	t.Helper()
	header, err := textproto.NewReader(s.out).ReadMIMEHeader()
	if err != nil {
		t.Fatalf("the language server ended: %v", err)
	}
	length, err := strconv.Atoi(header.Get("Content-Length"))
	if err != nil {
		t.Fatal(err)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(s.out, body); err != nil {
		t.Fatal(err)
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// start starts the server that make verify installs.
func start(t *testing.T) server {
	t.Helper()
	program := testenv.Path(".bin", "editor", "node_modules", "yaml-language-server", "bin", "yaml-language-server")
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("the YAML language server is not installed: run make verify: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "node", program, "--stdio")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// A server that says nothing would be waited for without end.
	guard := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		guard.Stop()
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(stderr.String())
		}
	})
	return server{in, bufio.NewReader(out)}
}

// diagnostics are what the server says of a values file of the chart, by line and column.
func diagnostics(t *testing.T, text string) []string {
	t.Helper()
	s := start(t)
	s.send(t, map[string]any{"id": 1, "method": "initialize", "params": map[string]any{"processId": nil, "rootUri": nil, "capabilities": map[string]any{"workspace": map[string]any{"configuration": true}}}})
	for m := s.receive(t); string(m.ID) != "1"; m = s.receive(t) {
	}
	s.send(t, map[string]any{"method": "initialized", "params": map[string]any{}})
	text = "# yaml-language-server: $schema=" + filepath.Join(testenv.Chart(), "values.schema.json") + "\n" + text
	s.send(t, map[string]any{"method": "textDocument/didOpen", "params": map[string]any{"textDocument": map[string]any{
		"uri": "file://" + filepath.Join(t.TempDir(), "values.yaml"), "languageId": "yaml", "version": 1, "text": text,
	}}})
	for {
		m := s.receive(t)
		switch {
		case m.Method == "workspace/configuration":
			s.send(t, map[string]any{"id": m.ID, "result": []any{map[string]any{"validate": true, "schemaStore": map[string]any{"enable": false}}, map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}}})
		case m.Method != "" && m.ID != nil:
			s.send(t, map[string]any{"id": m.ID, "result": nil})
		case m.Method == "textDocument/publishDiagnostics":
			var params struct {
				Diagnostics []struct {
					Message string
					Range   struct{ Start struct{ Line, Character int } }
				}
			}
			if err := json.Unmarshal(m.Params, &params); err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, d := range params.Diagnostics {
				lines = append(lines, fmt.Sprintf("%d:%d: %s", d.Range.Start.Line, d.Range.Start.Character+1, d.Message))
			}
			slices.Sort(lines)
			return lines
		}
	}
}

// What is not valid is marked with the sentence that says what to write.
func TestDiagnostics(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("testdata", "diagnostics.txt"))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(diagnostics(t, string(text)), "\n") + "\n"
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the language server says (-want +got):\n%s\n%s", diff, got)
	}
}

// Values that the chart accepts have no mark.
func TestNoDiagnostics(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.Chart(), "ci", "every-key-values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if got := diagnostics(t, string(text)); len(got) > 0 {
		t.Errorf("the language server says %q", got)
	}
}
