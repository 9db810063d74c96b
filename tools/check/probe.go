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
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// ProbeOptions say what is tried from where the program runs.
type ProbeOptions struct {
	// Resolve asks the system's resolver for the names of ExternalName Services.
	Resolve bool

	// Connect opens a TCP connection to each address outside that is ready, at each TCP
	// port. TLS also does a handshake on it, and HTTP, a path, also a GET.
	Connect bool
	TLS     bool
	HTTP    string

	// ServerName is the SNI of TLS and the host of HTTP: by default the ExternalName, the
	// hostname of the address, or the name of the Service as pods call it.
	ServerName string

	// Ports are the numbers of the Services' ports to connect to; empty are all.
	Ports []int

	// Timeout is that of each resolution, connection, handshake and request, and
	// Concurrency how many are tried at a time. Zero is the default.
	Timeout     time.Duration
	Concurrency int

	// resolver and roots are the system's where they are nil; tests have their own.
	resolver interface {
		LookupHost(ctx context.Context, host string) ([]string, error)
	}
	roots *x509.CertPool
}

// The defaults of ProbeOptions.
const (
	DefaultTimeout     = 3 * time.Second
	DefaultConcurrency = 20
)

// Resolution is what DNS says about a name.
type Resolution struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
	Millis    float64  `json:"latencyMillis"`
	Error     string   `json:"error,omitempty"`
}

// Probe is a connection that was tried.
type Probe struct {
	Address  string  `json:"address"`
	Port     int32   `json:"port"`
	Protocol string  `json:"protocol"`
	Millis   float64 `json:"latencyMillis"` // of the TCP connection

	// ServerName is what TLS and HTTP asked for, TLS the version that was agreed on, and
	// Status that of HTTP.
	ServerName string `json:"serverName,omitempty"`
	TLS        string `json:"tls,omitempty"`
	Status     int    `json:"status,omitempty"`

	// Error says what failed, and Skipped why nothing was tried.
	Error   string `json:"error,omitempty"`
	Skipped string `json:"skipped,omitempty"`

	code     Code
	severity Severity
}

// InCluster says whether the program runs in a pod, where names resolve as they do for
// the Services' clients.
func InCluster() bool { return os.Getenv("KUBERNETES_SERVICE_HOST") != "" }

// run resolves and connects, and puts what comes out into the entries.
func (o ProbeOptions) run(ctx context.Context, wanted []*wanted, entries []*Entry, progress func(string)) []Finding {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Concurrency == 0 {
		o.Concurrency = DefaultConcurrency
	}
	if o.resolver == nil {
		o.resolver = net.DefaultResolver
	}
	// Entries share names and addresses, as one that is mapped into many namespaces: each
	// is tried once.
	resolutions := map[string]*Resolution{}
	if o.Resolve {
		for _, w := range wanted {
			name := w.service.Spec.ExternalName
			if w.isAlias() && !looksLikeIP(name) {
				resolutions[name] = &Resolution{Name: name, Addresses: []string{}}
			}
		}
	}
	each(ctx, o.Concurrency, resolutions, "resolve names", progress, func(name string, r *Resolution) { o.resolve(ctx, name, r) })

	type target struct {
		address    string
		port       int32
		serverName string
	}
	probes := map[target]*Probe{}
	for i, w := range wanted {
		entry := entries[i]
		if w.isAlias() {
			entry.Resolution = resolutions[w.service.Spec.ExternalName]
		}
		if !o.Connect {
			continue
		}
		for _, port := range w.state.Ports {
			if len(o.Ports) > 0 && !slices.Contains(o.Ports, int(port.Port)) {
				continue
			}
			number := port.TargetPort
			if number == 0 {
				number = port.Port
			}
			for _, address := range outside(w, entry) {
				if port.Protocol != string(corev1.ProtocolTCP) {
					entry.Probes = append(entry.Probes, &Probe{Address: address.ip, Port: number, Protocol: port.Protocol,
						Skipped: "not tried: " + port.Protocol + " has no answer to wait for that every server gives"})
					continue
				}
				t := target{address: address.ip, port: number}
				if o.TLS || o.HTTP != "" {
					t.serverName = o.ServerName
					if t.serverName == "" {
						t.serverName = address.name
					}
				}
				if probes[t] == nil {
					probes[t] = &Probe{Address: t.address, Port: t.port, Protocol: port.Protocol, ServerName: t.serverName}
				}
				entry.Probes = append(entry.Probes, probes[t])
			}
		}
	}
	each(ctx, o.Concurrency, probes, "connect", progress, func(_ target, p *Probe) { o.connect(ctx, p) })

	var findings []Finding
	for _, entry := range entries {
		findings = append(findings, entry.resolutionFindings()...)
		findings = append(findings, entry.probeFindings()...)
	}
	return findings
}

// each calls a function with each pair of a map, some at a time, and returns when all
// have returned.
func each[K comparable, V any](ctx context.Context, concurrency int, items map[K]V, what string, progress func(string), do func(K, V)) {
	var group sync.WaitGroup
	slots := make(chan struct{}, concurrency)
	n := 0
	for key, item := range items {
		if ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		n++
		progress(fmt.Sprintf("%s: %d of %d", what, n, len(items)))
		group.Go(func() {
			do(key, item)
			<-slots
		})
	}
	group.Wait()
}

// outsideAddress is an address to connect to, and the name by which a server there knows
// itself.
type outsideAddress struct{ ip, name string }

// outside are the addresses that an entry leads to outside the cluster and that are ready.
func outside(w *wanted, entry *Entry) []outsideAddress {
	var list []outsideAddress
	if w.isAlias() {
		name := strings.TrimSuffix(w.service.Spec.ExternalName, ".")
		if entry.Resolution == nil {
			return []outsideAddress{{name, name}}
		}
		for _, ip := range entry.Resolution.Addresses {
			list = append(list, outsideAddress{ip, name})
		}
		return list
	}
	// With publishNotReadyAddresses, those that are out are ready and not serving.
	out := map[string]bool{}
	for _, slice := range w.slices {
		for _, endpoint := range slice.Endpoints {
			if serving := endpoint.Conditions.Serving; serving != nil && !*serving {
				out[endpoint.Addresses[0]] = true
			}
		}
	}
	for _, a := range w.state.Addresses {
		if !a.Ready || out[a.IP] {
			continue
		}
		name := w.Name + "." + w.Namespace + ".svc"
		if strings.Contains(a.Hostname, ".") {
			name = a.Hostname
		}
		list = append(list, outsideAddress{a.IP, name})
	}
	return list
}

func millis(since time.Time) float64 {
	return float64(time.Since(since).Microseconds()) / 1000
}

func (o ProbeOptions) resolve(ctx context.Context, name string, r *Resolution) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	start := time.Now()
	// With a dot at the end: the search list is not for the name of an alias.
	addresses, err := o.resolver.LookupHost(ctx, strings.TrimSuffix(name, ".")+".")
	r.Millis = millis(start)
	if err != nil {
		var dns *net.DNSError
		switch {
		case errors.As(err, &dns) && dns.IsNotFound:
			r.Error = "DNS does not know the name"
		case errors.As(err, &dns) && dns.IsTimeout, errors.Is(err, context.DeadlineExceeded):
			r.Error = fmt.Sprintf("DNS does not answer within %s", o.Timeout)
		default:
			r.Error = err.Error()
		}
		return
	}
	slices.Sort(addresses)
	r.Addresses = addresses
}

// connect opens a connection, and speaks on it what was asked for.
func (o ProbeOptions) connect(ctx context.Context, p *Probe) {
	fail := func(code Code, severity Severity, why string) { p.code, p.severity, p.Error = code, severity, why }
	start := time.Now()
	dialer := net.Dialer{Timeout: o.Timeout}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(p.Address, strconv.Itoa(int(p.Port))))
	p.Millis = millis(start)
	if err != nil {
		fail(Unreachable, Error, o.reason(err))
		return
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * o.Timeout)); err != nil {
		fail(Unreachable, Error, err.Error())
		return
	}
	scheme := "http"
	if o.TLS {
		scheme = "https"
		var untrusted error
		secure := tls.Client(conn, &tls.Config{
			ServerName:         p.ServerName,
			InsecureSkipVerify: true, // verified below: that the handshake works is a fact of its own
			VerifyConnection: func(state tls.ConnectionState) error {
				options := x509.VerifyOptions{DNSName: p.ServerName, Roots: o.roots, Intermediates: x509.NewCertPool()}
				for _, certificate := range state.PeerCertificates[1:] {
					options.Intermediates.AddCert(certificate)
				}
				_, untrusted = state.PeerCertificates[0].Verify(options)
				return nil
			},
		})
		if err := secure.HandshakeContext(ctx); err != nil {
			fail(TLSFailed, Error, o.reason(err))
			return
		}
		p.TLS = tls.VersionName(secure.ConnectionState().Version)
		if untrusted != nil {
			fail(TLSFailed, Warning, untrusted.Error())
		}
		conn = secure
	}
	if o.HTTP == "" {
		return
	}
	status, err := get(ctx, conn, scheme+"://"+p.ServerName+"/"+strings.TrimPrefix(o.HTTP, "/"))
	switch {
	case err != nil:
		fail(HTTPFailed, Error, o.reason(err))
	case status >= http.StatusInternalServerError:
		fail(HTTPFailed, Warning, fmt.Sprintf("the answer has the status %d", status))
	}
	p.Status = status
}

// get asks for a URL over a connection that is there, and follows no redirection.
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

// reason says what of an error matters: the address is said beside it.
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

// resolutionFindings says what is wrong with the name of an alias. Outside of the cluster
// another resolver may well know less.
func (e *Entry) resolutionFindings() []Finding {
	if e.Resolution == nil || e.Resolution.Error == "" {
		return nil
	}
	finding := Finding{e.Key, ExternalNameUnresolvable, Error,
		fmt.Sprintf("The ExternalName %s of %s does not resolve: %s.", e.Resolution.Name, e.Key, e.Resolution.Error),
		"The name is misspelt or gone, or the cluster's DNS does not forward to the servers that know it.",
		[]string{fmt.Sprintf("Correct externalName of %s, or let the cluster's DNS forward the domain to its servers.", e.Name)}}
	if !InCluster() {
		finding.Severity = Warning
		finding.Cause = "The name is misspelt or gone, or this machine, which is in no cluster, asks other DNS servers than pods do."
		finding.Fix = append(finding.Fix, "Check from a pod for the pods' answer, or leave this one out with --no-resolve.")
	}
	return []Finding{finding}
}

// probeFindings says which connections of the entry fail, one finding for each kind.
func (e *Entry) probeFindings() []Finding {
	var findings []Finding
	for _, kind := range []struct {
		code Code
		what string
		fix  string
	}{
		{Unreachable, "No connection from here to %s of %s.", "Look whether the host is up and listens at the port, and whether firewalls and routes let this machine, and the nodes of the cluster, connect."},
		{TLSFailed, "No good TLS from here to %s of %s.", "Look at the server's certificate and its names, and write the name that clients ask for as --server-name."},
		{HTTPFailed, "No good HTTP from here to %s of %s.", "Look at the server, and whether it speaks HTTP at the port and knows the host name; another one is asked for with --server-name."},
	} {
		severity := Warning
		var failed []string
		for _, p := range e.Probes {
			if p.code == kind.code {
				failed = append(failed, fmt.Sprintf("%s (%s)", net.JoinHostPort(p.Address, strconv.Itoa(int(p.Port))), p.Error))
				if p.severity == Error {
					severity = Error
				}
			}
		}
		if len(failed) > 0 {
			findings = append(findings, Finding{e.Key, kind.code, severity, fmt.Sprintf(kind.what, some(failed), e.Key), "", []string{kind.fix}})
		}
	}
	return findings
}
