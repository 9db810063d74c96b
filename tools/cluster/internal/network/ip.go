package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Tool returns the path of a system program. The folders of administration programs are looked into even when PATH
// lacks them, as it does for ordinary users of some distributions.
func Tool(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s not found in PATH", name)
}

// tool prepares a run of a system program. It carries the cluster's marker, so that a run that outlives a killed
// caller is found too.
func (n *Network) tool(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	path, err := Tool(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = n.env
	cmd.WaitDelay = time.Second
	return cmd, nil
}

// ip runs the program ip once.
func (n *Network) ip(ctx context.Context, args ...string) error {
	cmd, err := n.tool(ctx, "ip", args...)
	if err != nil {
		return err
	}
	return run(cmd)
}

// batch runs many commands of the program ip in one process, in the given namespace or, when it is empty, on the
// machine itself. It stops at the first one that fails.
func (n *Network) batch(ctx context.Context, ns string, lines ...string) error {
	args := []string{"-batch", "-"}
	if ns != "" {
		args = append([]string{"-netns", ns}, args...)
	}
	cmd, err := n.tool(ctx, "ip", args...)
	if err != nil {
		return err
	}
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if err := run(cmd); err != nil {
		return fmt.Errorf("%w%s", err, failedLine(err.Error(), lines))
	}
	return nil
}

var batchFailure = regexp.MustCompile(`Command failed -:(\d+)`)

// failedLine says which line of a batch a message of the program ip is about.
func failedLine(message string, lines []string) string {
	m := batchFailure.FindStringSubmatch(message)
	if m == nil {
		return ""
	}
	i, err := strconv.Atoi(m[1])
	if err != nil || i < 1 || i > len(lines) {
		return ""
	}
	return fmt.Sprintf(" (%q)", "ip "+lines[i-1])
}

// run runs a command whose output matters only when it fails.
func run(cmd *exec.Cmd) error {
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		command := strings.Join(append([]string{filepath.Base(cmd.Path)}, cmd.Args[1:]...), " ")
		if text := strings.Join(strings.Fields(output.String()), " "); text != "" {
			err = errors.New(text)
		}
		return fmt.Errorf("%s: %w", command, err)
	}
	return nil
}
