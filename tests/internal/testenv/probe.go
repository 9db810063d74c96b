package testenv

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"external-services/tests/internal/traffic"
)

// Serve starts a server on a host that answers every connection, or HTTP request, to
// an address with the name of the host. The protocol is tcp or http. It runs until the
// cluster is stopped or ctx is done.
func (c *Cluster) Serve(ctx context.Context, host, protocol, address string) error {
	probe, err := Binary("probe")
	if err != nil {
		return err
	}
	return c.Background(ctx, host, traffic.Listening, probe, "serve", protocol, address, host)
}

// ServeTLS is Serve for HTTPS, with the certificate and the key of two files.
func (c *Cluster) ServeTLS(ctx context.Context, host, address, cert, key string) error {
	probe, err := Binary("probe")
	if err != nil {
		return err
	}
	return c.Background(ctx, host, traffic.Listening, probe, "serve-tls", address, host, cert, key)
}

// Resolve resolves a name in a pod.
func (c *Cluster) Resolve(ctx context.Context, pod, name string) (traffic.Resolution, error) {
	var resolution traffic.Resolution
	return resolution, c.probe(ctx, pod, &resolution, "resolve", name)
}

// SRV looks up the SRV records of a name in a pod, sorted by target.
func (c *Cluster) SRV(ctx context.Context, pod, name string) ([]traffic.Record, error) {
	var records []traffic.Record
	return records, c.probe(ctx, pod, &records, "srv", name)
}

// Connect opens connections from a pod, one after the other.
func (c *Cluster) Connect(ctx context.Context, pod string, count int, address string) (traffic.Answers, error) {
	var answers traffic.Answers
	return answers, c.probe(ctx, pod, &answers, "connect", fmt.Sprint(count), address)
}

// Await opens connections from a pod until one comes off, and returns when that one began:
// kube-proxy applies a change within a second or so, after helm has returned.
func (c *Cluster) Await(ctx context.Context, pod, address string) (time.Time, error) {
	var began time.Time
	err := c.probe(ctx, pod, &began, "await", address)
	return began, err
}

// Get returns the body of an HTTP response, asked for from a pod.
func (c *Cluster) Get(ctx context.Context, pod, url string) (string, error) {
	probe, err := Binary("probe")
	if err != nil {
		return "", err
	}
	return c.Output(ctx, pod, probe, "get", url)
}

func (c *Cluster) probe(ctx context.Context, pod string, result any, args ...string) error {
	probe, err := Binary("probe")
	if err != nil {
		return err
	}
	text, err := c.Output(ctx, pod, append([]string{probe}, args...)...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), result)
}

// Load starts a load from a pod, which runs until it is stopped or comes to its bounds.
// It also ends when ctx is done, such as that of a test, when this process ends, and
// when the cluster is stopped.
func (c *Cluster) Load(ctx context.Context, pod string, options traffic.Options) (*traffic.Load, error) {
	probe, err := Binary("probe")
	if err != nil {
		return nil, err
	}
	return traffic.Start(c.Command(ctx, pod, probe), options)
}
