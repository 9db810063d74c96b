package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"external-services/tools/findings"
)

func millis(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }

func (o ProbeOptions) resolve(ctx context.Context, r *Resolution) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	start := time.Now()
	// With a dot at the end: the search list does not apply to an ExternalName.
	addresses, err := o.resolver.LookupHost(ctx, strings.TrimSuffix(r.Name, ".")+".")
	r.Millis = millis(start)
	var dns *net.DNSError
	switch {
	case err == nil:
		slices.Sort(addresses)
		r.Addresses = addresses
	case errors.As(err, &dns) && dns.IsNotFound:
		r.Error = "DNS does not know the name"
	case errors.As(err, &dns) && dns.IsTimeout, errors.Is(err, context.DeadlineExceeded):
		r.Error = fmt.Sprintf("DNS does not answer within %s", o.Timeout)
	default:
		r.Error = err.Error()
	}
}

// connect opens a connection, and speaks TLS and HTTP on it if asked for.
func (o ProbeOptions) connect(ctx context.Context, p *Probe) {
	fail := func(code findings.Code, why string) { p.code, p.Error = code, why }
	start := time.Now()
	dialer := net.Dialer{Timeout: o.Timeout}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(p.Address, strconv.Itoa(int(p.Port))))
	p.Millis = millis(start)
	if err != nil {
		fail(findings.Unreachable, o.reason(err))
		return
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * o.Timeout)); err != nil {
		fail(findings.Unreachable, err.Error())
		return
	}
	scheme := "http"
	if o.TLS {
		scheme = "https"
		secure, untrusted, err := o.handshake(ctx, conn, p.ServerName)
		if err != nil {
			fail(findings.TLSFailed, o.reason(err))
			return
		}
		p.TLS = tls.VersionName(secure.ConnectionState().Version)
		if untrusted != nil {
			fail(findings.TLSCertificate, untrusted.Error())
		}
		conn = secure
	}
	if o.HTTP == "" {
		return
	}
	p.Status, err = get(ctx, conn, scheme+"://"+p.ServerName+"/"+strings.TrimPrefix(o.HTTP, "/"))
	switch {
	case err != nil:
		fail(findings.HTTPFailed, o.reason(err))
	case p.Status >= http.StatusInternalServerError:
		fail(findings.HTTPStatus, fmt.Sprintf("status %d", p.Status))
	}
}

// handshake speaks TLS on a connection. Untrusted says what is wrong with the certificate: the handshake is done
// nevertheless.
func (o ProbeOptions) handshake(ctx context.Context, conn net.Conn, name string) (secure *tls.Conn, untrusted, err error) {
	secure = tls.Client(conn, &tls.Config{
		ServerName:         name,
		InsecureSkipVerify: true, // verified here
		VerifyConnection: func(state tls.ConnectionState) error {
			options := x509.VerifyOptions{DNSName: name, Roots: o.roots, Intermediates: x509.NewCertPool()}
			for _, certificate := range state.PeerCertificates[1:] {
				options.Intermediates.AddCert(certificate)
			}
			_, untrusted = state.PeerCertificates[0].Verify(options)
			return nil
		},
	})
	err = secure.HandshakeContext(ctx)
	return secure, untrusted, err
}

// get asks for a URL over an existing connection, and follows no redirection.
func get(ctx context.Context, conn net.Conn, url string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	use := func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	transport := &http.Transport{DialContext: use, DialTLSContext: use, DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if _, err := io.CopyN(io.Discard, response.Body, 64<<10); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	return response.StatusCode, nil
}

// reason shortens the common errors of a connection, whose address is printed beside them.
func (o ProbeOptions) reason(err error) string {
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout():
		return fmt.Sprintf("no answer within %s", o.Timeout)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route"
	}
	return err.Error()
}
