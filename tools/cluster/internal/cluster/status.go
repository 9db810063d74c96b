package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"external-services/tools/cluster/internal/controlplane"
	"external-services/tools/cluster/internal/dataplane"
	"external-services/tools/cluster/internal/dnsquery"
	"external-services/tools/cluster/internal/network"
	"external-services/tools/cluster/internal/process"
	"external-services/tools/cluster/internal/state"
)

// checkTimeout is how long a component may take to say how it is.
const checkTimeout = 10 * time.Second

// Status is how a cluster is.
type Status struct {
	Name string `json:"name"`
	// State is "down", "starting", "up" or "failed".
	State string `json:"state"`
	// Healthy says that the cluster is up and everything in it works.
	Healthy bool `json:"healthy"`
	// Problem says why the cluster is not healthy.
	Problem string `json:"problem,omitempty"`

	Directory  string     `json:"directory,omitempty"`
	Kubeconfig string     `json:"kubeconfig,omitempty"`
	Context    string     `json:"context,omitempty"`
	Server     string     `json:"server,omitempty"`
	StartedAt  *time.Time `json:"startedAt,omitempty"`
	// Versions maps "kubernetes", "etcd" and "coredns" to their versions.
	Versions map[string]string `json:"versions,omitempty"`

	// DataPlane says whether there are a node, Services that answer, and DNS.
	DataPlane bool `json:"dataPlane"`
	// LeftOut is what the cluster does without.
	LeftOut []state.LeftOut `json:"leftOut"`

	Components []ComponentStatus `json:"components"`
	Hosts      []HostStatus      `json:"hosts"`

	record *state.Record
}

// ComponentStatus is how a component is.
type ComponentStatus struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	PID     int    `json:"pid"`
	Healthy bool   `json:"healthy"`
	// Problem says why the component is not healthy.
	Problem string `json:"problem,omitempty"`
	// Log is the file with what the component prints.
	Log string `json:"log"`
}

// HostStatus is a host that commands can be run on.
type HostStatus struct {
	Name string `json:"name"`
	// Kind is "node", "pod" or "outside".
	Kind string `json:"kind"`
	// NetworkNamespace is the name that `ip netns` knows.
	NetworkNamespace string       `json:"networkNamespace"`
	IPs              []netip.Addr `json:"ips"`
	// Namespace is the Kubernetes namespace of a pod.
	Namespace string `json:"namespace,omitempty"`
	// Labels are those of a pod's Pod object. A pod without labels has no such object.
	Labels map[string]string `json:"labels,omitempty"`
	// DNS are the names of an outside host in the cluster's DNS.
	DNS []string `json:"dns,omitempty"`
}

// Status looks at the cluster. That it is not up, or not healthy, is no error.
func (c *Cluster) Status(ctx context.Context) (*Status, error) {
	s := &Status{
		Name: c.name, State: "down", LeftOut: []state.LeftOut{}, Components: []ComponentStatus{}, Hosts: []HostStatus{},
	}
	r, err := c.dir.Load()
	if errors.Is(err, state.ErrNoRecord) {
		found, err := c.find()
		if err != nil {
			return nil, err
		}
		s.Problem = "it was not started"
		if !found.empty() {
			s.Problem = "a start that was killed left " + found.String()
		}
		return s, nil
	}
	if err != nil {
		return nil, err
	}

	s.record, s.State = r, string(r.Phase)
	s.Directory, s.Server, s.StartedAt, s.Versions = string(c.dir), r.Server, &r.StartedAt, r.Versions
	s.DataPlane = r.DataPlane != nil
	s.LeftOut = append(s.LeftOut, r.LeftOut...)
	s.Hosts = c.hosts(r)
	s.Components = c.components(ctx, r)
	switch r.Phase {
	case state.PhaseStarting:
		s.Problem = "it is being started, or its start was killed"
		return s, nil
	case state.PhaseFailed:
		s.Problem = "its start failed: the logs are in " + c.dir.Logs()
		return s, nil
	}
	s.Kubeconfig, s.Context = c.dir.Kubeconfig(), controlplane.Context(c.name)
	var problems []string
	for _, component := range s.Components {
		if !component.Healthy {
			problems = append(problems, component.Name+": "+component.Problem)
		}
	}
	missing, err := missingNamespaces(s.Hosts)
	if err != nil {
		return nil, err
	}
	s.Problem = strings.Join(append(problems, missing...), "; ")
	s.Healthy = s.Problem == ""
	return s, nil
}

// hosts lists the node first, then the others in the order they were added.
func (c *Cluster) hosts(r *state.Record) []HostStatus {
	hosts := []HostStatus{}
	if r.DataPlane != nil {
		hosts = append(hosts, HostStatus{
			Name: dataplane.NodeName, Kind: "node", NetworkNamespace: c.net.Node(), IPs: r.DataPlane.NodeIPs,
		})
	}
	for _, h := range r.Hosts {
		hosts = append(hosts, HostStatus{
			Name: h.Name, Kind: string(h.Kind), NetworkNamespace: c.networkNamespace(h), IPs: h.IPs,
			Namespace: h.Namespace, Labels: h.Labels, DNS: h.DNS,
		})
	}
	return hosts
}

func missingNamespaces(hosts []HostStatus) ([]string, error) {
	names, err := network.Namespaces()
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, h := range hosts {
		if !slices.Contains(names, h.NetworkNamespace) {
			missing = append(missing, "network namespace "+h.NetworkNamespace+" is gone")
		}
	}
	return missing, nil
}

// components asks all components at the same time how they are.
func (c *Cluster) components(ctx context.Context, r *state.Record) []ComponentStatus {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	statuses := make([]ComponentStatus, len(r.Components))
	var checks sync.WaitGroup
	for i, component := range r.Components {
		s := &statuses[i]
		*s = ComponentStatus{Name: component.Name, PID: component.PID, Log: c.dir.Log(component.Name), Version: r.Versions["kubernetes"]}
		if version, ok := r.Versions[component.Name]; ok {
			s.Version = version
		}
		checks.Go(func() {
			var err error
			if !process.Running(component.PID, component.Started) {
				err = errors.New("not running")
			} else {
				err = c.check(ctx, component.Name, r)
			}
			if s.Healthy = err == nil; err != nil {
				s.Problem = err.Error()
			}
		})
	}
	checks.Wait()
	return statuses
}

// check asks a running component how it is.
func (c *Cluster) check(ctx context.Context, name string, r *state.Record) error {
	switch name {
	case controlplane.Etcd:
		return c.checkAPI(ctx, r, "/readyz/etcd")
	case controlplane.APIServer:
		return c.checkAPI(ctx, r, "/readyz")
	case dataplane.KubeProxy:
		return c.checkProxy(ctx)
	case dataplane.CoreDNS:
		return c.checkDNS(ctx, 5*time.Second)
	}
	// kube-controller-manager listens nowhere, and ends when it cannot work.
	return nil
}

func (c *Cluster) checkAPI(ctx context.Context, r *state.Record, path string) error {
	client, err := controlplane.Client(c.dir, r.Server)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	_, err = client.Get(ctx, path)
	return err
}

// checkProxy asks kube-proxy whether the rules of the node are up to date.
func (c *Cluster) checkProxy(ctx context.Context) error {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, protocol, _ string) (net.Conn, error) {
			return network.Dial(ctx, c.net.Node(), protocol, dataplane.ProxyHealth)
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+dataplane.ProxyHealth.String()+"/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return nil
}

// checkDNS asks the cluster's DNS for the address of the API server, in the way that a pod does: it works only when
// CoreDNS has read the Services and kube-proxy has made the rules for them.
func (c *Cluster) checkDNS(ctx context.Context, patience time.Duration) error {
	ips, err := c.resolve(ctx, "kubernetes.default.svc.cluster.local", patience)
	if err != nil {
		return err
	}
	if len(ips) == 0 {
		return errors.New("the Service kubernetes.default has no address")
	}
	return nil
}

// resolve asks the cluster's DNS, from the node, for the addresses of a name. Each call uses a new port: until
// kube-proxy has made its rules, the kernel remembers for a port that there are none.
func (c *Cluster) resolve(ctx context.Context, name string, patience time.Duration) (ips []netip.Addr, err error) {
	const port = 53
	conn, err := network.Dial(ctx, c.net.Node(), "udp", netip.AddrPortFrom(dataplane.DNSService, port))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return dnsquery.Query(conn, name, patience)
}
