package check

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"external-services/tools/findings"
	"external-services/tools/service"
)

// ProbeOptions say what is tried from where the program runs.
type ProbeOptions struct {
	// Resolve asks the system's resolver for the names of ExternalName Services.
	Resolve bool

	// Connect opens a TCP connection to each ready address outside, at each TCP port. TLS also does a handshake on
	// it, and HTTP, a path, also a GET.
	Connect bool
	TLS     bool
	HTTP    string

	// ServerName is the SNI of TLS and the host of HTTP: by default the ExternalName, the hostname of the address,
	// or the name of the Service as pods call it.
	ServerName string

	// Ports are the numbers of the Services' ports to connect to. Empty means all.
	Ports []int

	// Timeout is that of each resolution, connection, handshake and request, and Concurrency how many are tried at
	// a time.
	Timeout     time.Duration
	Concurrency int

	// resolver and roots are those of the system if they are nil. Tests have their own.
	resolver interface {
		LookupHost(ctx context.Context, host string) ([]string, error)
	}
	roots *x509.CertPool
}

// The defaults of the program.
const (
	DefaultTimeout     = 3 * time.Second
	DefaultConcurrency = 20
)

// Resolution is what DNS answers for a name.
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

	// ServerName is what TLS and HTTP asked for, TLS the version that was agreed on, and Status that of HTTP.
	ServerName string `json:"serverName,omitempty"`
	TLS        string `json:"tls,omitempty"`
	Status     int    `json:"status,omitempty"`

	// Error says what failed, and Skipped why nothing was tried.
	Error   string `json:"error,omitempty"`
	Skipped string `json:"skipped,omitempty"`

	code findings.Code // of what failed
}

// run resolves and connects, writes the results to the entries, and adds the findings. Entries share names and
// addresses, such as one that is mapped into many namespaces: each is tried once.
func (o ProbeOptions) run(ctx context.Context, r *Report, progress func(string)) {
	if o.resolver == nil {
		o.resolver = net.DefaultResolver
	}
	if o.Resolve {
		o.each(ctx, "resolve names", progress, o.resolutions(ctx, r.Entries))
	}
	if o.Connect {
		o.each(ctx, "connect", progress, o.connections(ctx, r.Entries))
	}
	for _, e := range r.Entries {
		r.addResolution(e)
		r.addProbes(e)
	}
}

// resolutions gives the entries their resolutions, and returns what does them.
func (o ProbeOptions) resolutions(ctx context.Context, entries []*Entry) []func() {
	var tasks []func()
	byName := map[string]*Resolution{}
	for _, e := range entries {
		name := e.Desired.ExternalName
		if !e.Desired.IsAlias() || looksLikeIP(name) {
			continue
		}
		if byName[name] == nil {
			r := &Resolution{Name: name, Addresses: []string{}}
			byName[name] = r
			tasks = append(tasks, func() { o.resolve(ctx, r) })
		}
		e.Resolution = byName[name]
	}
	return tasks
}

// connections gives the entries their probes, and returns what does them.
func (o ProbeOptions) connections(ctx context.Context, entries []*Entry) []func() {
	var tasks []func()
	probes := map[Probe]*Probe{} // by what they try
	for _, e := range entries {
		for _, port := range e.Desired.Ports {
			if len(o.Ports) > 0 && !slices.Contains(o.Ports, int(port.Port)) {
				continue
			}
			for _, address := range e.outside() {
				wanted := Probe{Address: address.ip, Port: cmp.Or(port.TargetPort, port.Port), Protocol: port.Protocol}
				isTCP := port.Protocol == string(corev1.ProtocolTCP)
				switch {
				case !isTCP:
					wanted.Skipped = "not tried: not every server answers " + port.Protocol
				case o.TLS || o.HTTP != "":
					wanted.ServerName = cmp.Or(o.ServerName, address.name)
				}
				if probes[wanted] == nil {
					probe := wanted
					probes[wanted] = &probe
					if isTCP {
						tasks = append(tasks, func() { o.connect(ctx, &probe) })
					}
				}
				e.Probes = append(e.Probes, probes[wanted])
			}
		}
	}
	return tasks
}

// each runs tasks, some at a time, and returns when all have returned.
func (o ProbeOptions) each(ctx context.Context, what string, progress func(string), tasks []func()) {
	var group sync.WaitGroup
	slots := make(chan struct{}, o.Concurrency)
	for i, task := range tasks {
		if ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		progress(fmt.Sprintf("%s: %d of %d", what, i+1, len(tasks)))
		group.Go(func() {
			task()
			<-slots
		})
	}
	group.Wait()
}

// outsideAddress is an address to connect to, and the name of the server there.
type outsideAddress struct{ ip, name string }

// outside are the ready addresses outside of an entry.
func (e *Entry) outside() []outsideAddress {
	var list []outsideAddress
	if e.Desired.IsAlias() {
		name := strings.TrimSuffix(e.Desired.ExternalName, ".")
		if e.Resolution == nil {
			return []outsideAddress{{name, name}}
		}
		for _, ip := range e.Resolution.Addresses {
			list = append(list, outsideAddress{ip, name})
		}
		return list
	}
	name := e.Name + "." + e.Namespace + ".svc"
	for _, endpoint := range e.Endpoints {
		if endpoint.Class == service.Followed && endpoint.Ready {
			list = append(list, outsideAddress{endpoint.Address, name})
		}
	}
	for _, a := range e.Desired.Addresses {
		if !a.Ready || a.Unused || a.IP == "" || e.Desired.HealthCheck != nil {
			continue
		}
		name := name
		if strings.Contains(a.Hostname, ".") {
			name = a.Hostname
		}
		list = append(list, outsideAddress{a.IP, name})
	}
	return list
}

// addResolution adds that an ExternalName does not resolve. Outside of a pod, another resolver may know less.
func (r *Report) addResolution(e *Entry) {
	if e.Resolution == nil || e.Resolution.Error == "" {
		return
	}
	code := findings.ExternalNameUnresolvable
	if os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		code = findings.ExternalNameFromOutside
	}
	r.add(e, code, findings.Args{"target": e.Resolution.Name, "why": e.Resolution.Error})
}

// addProbes adds which connections of the entry fail, in one finding for each kind of failure.
func (r *Report) addProbes(e *Entry) {
	for _, kind := range [][]findings.Code{ // the most severe first
		{findings.Unreachable}, {findings.TLSFailed, findings.TLSCertificate}, {findings.HTTPFailed, findings.HTTPStatus},
	} {
		var failed []string
		code := kind[len(kind)-1]
		for _, p := range e.Probes {
			if !slices.Contains(kind, p.code) {
				continue
			}
			failed = append(failed, fmt.Sprintf("%s (%s)", net.JoinHostPort(p.Address, strconv.Itoa(int(p.Port))), p.Error))
			if p.code == kind[0] {
				code = p.code
			}
		}
		if len(failed) > 0 {
			r.add(e, code, findings.Args{"addresses": findings.Some(failed, ", ")})
		}
	}
}
