// Package kube is the little of the Kubernetes API that starting a cluster needs, in plain HTTP and JSON: client-go
// would take longer to compile than everything else in the program.
package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Client talks to an API server.
type Client struct {
	server string
	http   *http.Client
}

// NewClient makes a client that trusts the certificate authority ca and shows the given certificate, all in PEM.
func NewClient(server string, ca, cert, key []byte) (*Client, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("load the client certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("load the certificate authority: no certificate in it")
	}
	return &Client{
		server: server,
		http: &http.Client{
			// Each request has the deadline of its context, this one is for a server that has stopped answering.
			Timeout: 10 * time.Second,
			// Proxy stays unset: the server is on this machine, whatever HTTPS_PROXY says.
			Transport: &http.Transport{
				TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
				ForceAttemptHTTP2: true,
			},
		},
	}, nil
}

// Object is a Kubernetes object, as the JSON of its manifest.
type Object = map[string]any

// Create creates an object. The path is that of the collection, such as /api/v1/nodes.
func (c *Client) Create(ctx context.Context, path string, object Object) error {
	body, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("encode an object for %s: %w", path, err)
	}
	_, err = c.Do(ctx, http.MethodPost, path, body)
	return err
}

// Patch changes the fields of an object that are in the patch, which takes their values. The path is that of the
// object, or of a part of it such as its status.
func (c *Client) Patch(ctx context.Context, path string, patch Object) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encode a patch for %s: %w", path, err)
	}
	_, err = c.do(ctx, http.MethodPatch, path, "application/merge-patch+json", body)
	return err
}

// Delete deletes an object. One that is not there is no error.
func (c *Client) Delete(ctx context.Context, path string) error {
	_, err := c.Do(ctx, http.MethodDelete, path, nil)
	if IsStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// Get asks for path and fails unless the server answers with success.
func (c *Client) Get(ctx context.Context, path string) ([]byte, error) {
	return c.Do(ctx, http.MethodGet, path, nil)
}

// Ready returns nil when the server says that it is ready.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.Get(ctx, "/readyz")
	return err
}

// CloseIdleConnections closes the connections that no request is using.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Do sends a request, with a body of JSON unless it is nil, and returns the answer. Any answer but success is an error.
func (c *Client) Do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	return c.do(ctx, method, path, "application/json", body)
}

func (c *Client) do(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err // it names the method and the URL already
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %w", method, path, &statusError{resp.StatusCode, resp.Status, reason(answer)})
	}
	return answer, nil
}

// statusError is an answer other than success.
type statusError struct {
	code           int
	status, reason string
}

func (e *statusError) Error() string { return e.status + ": " + e.reason }

// IsStatus reports whether an error is an answer with that HTTP status code.
func IsStatus(err error, code int) bool {
	var e *statusError
	return errors.As(err, &e) && e.code == code
}

// reason takes the message out of an answer that is a Status object, and the text of any other.
func reason(answer []byte) string {
	var status struct{ Message string }
	if json.Unmarshal(answer, &status) == nil && status.Message != "" {
		return status.Message
	}
	return string(bytes.TrimSpace(answer))
}
