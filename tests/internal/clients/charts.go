// Package clients runs Flux and Argo CD, the programs of a GitOps cluster, as processes of this machine against an
// embedded cluster, with a registry and a repository that they get the chart from.
package clients

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"external-services/tests/internal/registry"
	"external-services/tests/internal/testenv"
)

// Charts are the places that have the chart's archive: an OCI registry with TLS and a login, and a repository over HTTP.
type Charts struct {
	// Version is the chart's.
	Version string

	// OCI is where the registry has charts: oci://ADDRESS/charts. Login is the content of a Docker configuration, and
	// CA the certificate.
	OCI, Login, CA string

	// Repository is the address of the other one.
	Repository string

	folder     string
	registry   registry.Registry
	repository *httptest.Server
}

func startCharts(ctx context.Context, folder string) (c *Charts, err error) {
	c = &Charts{folder: filepath.Join(folder, "charts")}
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		return nil, err
	}
	if c.registry, err = registry.Run(ctx, folder); err != nil {
		return nil, err
	}
	c.OCI = c.registry.URL
	c.repository = httptest.NewServer(http.FileServer(http.Dir(c.folder)))
	c.Repository = c.repository.URL
	c.Version, err = c.Push(ctx, testenv.Chart())
	if err == nil {
		c.Login, err = read(c.registry.LoginFile())
	}
	if err == nil {
		c.CA, err = read(c.registry.CAFile())
	}
	if err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// Push packages a chart, whose folder has its name, and puts it in both places. It returns the version.
func (c *Charts) Push(ctx context.Context, chart string) (version string, err error) {
	helm, err := testenv.Binary("helm")
	if err != nil {
		return "", err
	}
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, helm, args...)
		cmd.Env = c.registry.Environment()
		return testenv.Output(cmd)
	}
	out, err := run("package", chart, "--destination", c.folder)
	if err != nil {
		return "", err
	}
	archive := strings.TrimSpace(out[strings.LastIndex(out, ": ")+2:])
	name := strings.TrimSuffix(filepath.Base(archive), ".tgz")
	version = strings.TrimPrefix(name, filepath.Base(chart)+"-")
	if err := c.registry.TryLogin(helm); err != nil {
		return "", err
	}
	_, push := run("push", archive, c.OCI)
	_, index := run("repo", "index", c.folder)
	if err := errors.Join(push, index); err != nil {
		return "", fmt.Errorf("push %s: %w", name, err)
	}
	return version, nil
}

// Address is where the registry has charts, as Argo CD writes it: without the scheme.
func (c *Charts) Address() string { return strings.TrimPrefix(c.OCI, "oci://") }

func (c *Charts) stop() {
	c.repository.Close()
	c.registry.Stop()
}

func read(path string) (string, error) {
	text, err := os.ReadFile(path)
	return string(text), err
}
