package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"external-services/tools/cluster/internal/build"
	"external-services/tools/cluster/internal/controlplane"
	"external-services/tools/cluster/internal/dataplane"
	"external-services/tools/cluster/internal/kube"
	"external-services/tools/cluster/internal/network"
	"external-services/tools/cluster/internal/process"
	"external-services/tools/cluster/internal/state"
)

const (
	// pollInterval is how often a component is asked whether it is ready.
	pollInterval = 25 * time.Millisecond
	// dnsPatience is how long a single question to the DNS may take while the cluster starts. Without kube-proxy's
	// rules it is lost, so it is short.
	dnsPatience = 200 * time.Millisecond
	// portAttempts is how many ports are tried for the API server: another program may take a port between the
	// moment it is found to be free and the moment it is used.
	portAttempts = 5
)

// starter is one start of a cluster, or of a component of it.
type starter struct {
	*Cluster
	binaries build.Components
	zones    map[string]string
	begin    time.Time
	record   *state.Record
	running  []*process.Process
}

// run starts everything and waits until it is ready.
func (s *starter) run(ctx context.Context, obstacle *network.Obstacle) error {
	// etcd needs nothing of the others, so it comes first and gets ready while the network is set up.
	if err := s.component(controlplane.Etcd, "", controlplane.EtcdArgs()); err != nil {
		return err
	}
	address := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if obstacle == nil {
		slot, err := s.network(ctx)
		if err != nil {
			return err
		}
		address = slot.HostIP()
	} else {
		s.leaveOut("data plane", "no kube-proxy and no DNS: the addresses of Services do not answer, and there are no pods or outside hosts",
			obstacle)
	}

	client, err := s.controlPlane(ctx, address)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	s.out.Line("control plane ready at %s after %s", s.record.Server, s.elapsed())
	if s.record.DataPlane != nil {
		if err := s.dataPlane(ctx, client); err != nil {
			return err
		}
		s.out.Line("data plane ready after %s", s.elapsed())
	}
	// Without its default ServiceAccount a namespace refuses pods.
	return s.wait(ctx, controlplane.ControllerManager+" to make the default ServiceAccount", func(ctx context.Context) error {
		_, err := client.Get(ctx, "/api/v1/namespaces/default/serviceaccounts/default")
		return err
	})
}

// leaveOut records a part that the cluster does without, and says so.
func (s *starter) leaveOut(what, effect string, o *network.Obstacle) {
	l := state.LeftOut{What: what, Effect: effect, Why: o.Why, Fix: o.Fix}
	s.record.LeftOut = append(s.record.LeftOut, l)
	s.out.Line("%s left out: %s (%s). To have it: %s", l.What, l.Why, l.Effect, l.Fix)
}

// network makes the node's network.
func (s *starter) network(ctx context.Context) (network.Slot, error) {
	ipv6, err := network.HasIPv6()
	if err != nil {
		return 0, err
	}
	if !ipv6 {
		s.leaveOut("IPv6", "pods, outside hosts and Services have IPv4 only", &network.Obstacle{
			Why: "the kernel has no IPv6", Fix: "start the machine without the kernel parameter ipv6.disable=1",
		})
	}
	// Another cluster must not take the same slot between the choice and the use.
	l, err := s.lock(ctx, filepath.Join(state.Parent(), ".slots.lock"), "the networks of clusters")
	if err != nil {
		return 0, err
	}
	slot, err := s.net.SetUp(ctx, ipv6)
	if err := errors.Join(err, l.Release()); err != nil {
		return 0, err
	}
	s.record.DataPlane = &state.DataPlane{Slot: int(slot), IPv6: ipv6, NodeIPs: []netip.Addr{slot.NodeIP()}}
	if ipv6 {
		s.record.DataPlane.NodeIPs = append(s.record.DataPlane.NodeIPs, slot.NodeIPv6())
	}
	return slot, s.dir.Save(s.record)
}

// controlPlane starts the API server at the given address, and the controllers, and waits for the first.
func (s *starter) controlPlane(ctx context.Context, address netip.Addr) (*kube.Client, error) {
	users := map[string]string{controlplane.ControllerManager: "system:kube-controller-manager"}
	if s.record.DataPlane != nil {
		for component, user := range dataplane.Users {
			users[component] = user
		}
	}
	credentials, err := controlplane.WriteCredentials(s.dir, address, users)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		client, err := s.apiServer(ctx, credentials, address)
		if err == nil {
			return client, s.component(controlplane.ControllerManager, "", controlplane.ControllerManagerArgs(s.dir))
		}
		if attempt == portAttempts || !portTaken(err) {
			return nil, err
		}
		s.forget(controlplane.APIServer)
	}
}

// apiServer starts the API server on a free port and waits until it is ready.
func (s *starter) apiServer(ctx context.Context, credentials *controlplane.Credentials, address netip.Addr) (*kube.Client, error) {
	port, err := freePort(address)
	if err != nil {
		return nil, err
	}
	listen := netip.AddrPortFrom(address, port)
	s.record.Server = "https://" + listen.String()
	if err := credentials.WriteKubeconfigs(s.dir, s.name, s.record.Server); err != nil {
		return nil, err
	}
	client, err := controlplane.Client(s.dir, s.record.Server)
	if err != nil {
		return nil, err
	}
	args := controlplane.APIServerArgs(s.dir, listen, s.record.DataPlane != nil)
	if err := s.component(controlplane.APIServer, "", args); err != nil {
		return nil, err
	}
	return client, s.wait(ctx, controlplane.APIServer+" to be ready", client.Ready)
}

// freePort returns a port that nothing listens on at the address.
func freePort(address netip.Addr) (uint16, error) {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(address, 0)))
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	if err := l.Close(); err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return port, nil
}

// dataPlane starts kube-proxy and CoreDNS on the node and waits until they do their work.
func (s *starter) dataPlane(ctx context.Context, client *kube.Client) error {
	nodeIPs := s.record.DataPlane.NodeIPs
	if err := s.reachable(ctx); err != nil {
		return err
	}
	if err := dataplane.CreateNode(ctx, client, nodeIPs); err != nil {
		return err
	}
	if err := dataplane.WriteDNS(s.dir, s.name, s.zones); err != nil {
		return err
	}
	if err := s.net.WriteResolvConf(s.net.Node(), dataplane.NodeResolvConf()); err != nil {
		return err
	}
	if err := s.component(dataplane.KubeProxy, s.net.Node(), dataplane.ProxyArgs(s.dir)); err != nil {
		return err
	}
	if err := dataplane.CreateDNS(ctx, client, nodeIPs[0]); err != nil {
		return err
	}
	if err := s.component(dataplane.CoreDNS, s.net.Node(), dataplane.DNSArgs(s.dir)); err != nil {
		return err
	}
	err := s.wait(ctx, "kube-proxy and CoreDNS to answer at "+dataplane.DNSService.String(), func(ctx context.Context) error {
		return s.checkDNS(ctx, dnsPatience)
	})
	if err != nil {
		return err
	}
	return s.wait(ctx, "kube-proxy to be up to date", s.checkProxy)
}

// reachable says whether the node reaches the API server, which the components on the node would only log.
func (s *starter) reachable(ctx context.Context) error {
	const patience = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	server := netip.MustParseAddrPort(strings.TrimPrefix(s.record.Server, "https://"))
	conn, err := network.Dial(ctx, s.net.Node(), "tcp", server)
	if err != nil {
		return fmt.Errorf("the node does not reach the API server; a firewall of this machine may refuse what comes in from %s: %w",
			s.record.DataPlane.NodeIPs[0], err)
	}
	return conn.Close()
}

// component starts a component in the given network namespace or, when it is empty, on the machine itself.
func (s *starter) component(name, namespace string, args []string) error {
	binary := s.binaries.Kubernetes
	if name == controlplane.Etcd || name == dataplane.CoreDNS {
		binary = s.binaries.Others
	}
	component := state.Component{Name: name, Binary: binary.Path, Args: append([]string{name}, args...), NetworkNamespace: namespace}
	if err := s.launch(&component); err != nil {
		return err
	}
	s.record.Components = append(s.record.Components, component)
	return s.dir.Save(s.record)
}

// launch starts a component and completes what is said about it.
func (s *starter) launch(component *state.Component) error {
	command := append([]string{component.Binary}, component.Args...)
	if component.NetworkNamespace != "" {
		var err error
		if command, err = network.Command(component.NetworkNamespace, command); err != nil {
			return err
		}
	}
	p, err := process.Start(process.Spec{
		Name: component.Name, Command: command, Dir: string(s.dir), Log: s.dir.Log(component.Name), Env: s.env,
	})
	if err != nil {
		return err
	}
	s.running = append(s.running, p)
	component.PID, component.Started = p.PID, p.Started
	return nil
}

// forget takes a component that has ended out of the record.
func (s *starter) forget(name string) {
	s.running = slices.DeleteFunc(s.running, func(p *process.Process) bool { return p.Name == name })
	s.record.Components = slices.DeleteFunc(s.record.Components, func(c state.Component) bool { return c.Name == name })
}

// wait calls check until it succeeds, and fails as soon as a component ends.
func (s *starter) wait(ctx context.Context, what string, check func(context.Context) error) error {
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err // a check that was cut short says nothing about the component
		}
		for _, p := range s.running {
			select {
			case <-p.Done():
				return newComponentError(p)
			default:
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; the last answer was: %w; logs are in %s", what, context.Cause(ctx), last, s.dir.Logs())
		case <-time.After(pollInterval):
		}
	}
}

// componentError is a component that ended while the cluster, or it alone, was started.
type componentError struct {
	name, outcome, log string
	lines              []string
}

func newComponentError(p *process.Process) error {
	const shown = 15
	lines, err := process.LastLines(p.Log, shown)
	return errors.Join(&componentError{p.Name, p.Outcome(), p.Log, lines}, err)
}

func (e *componentError) Error() string {
	text := fmt.Sprintf("%s ended during the start: %s; its log is %s", e.name, e.outcome, e.log)
	if len(e.lines) > 0 {
		text += " and ends with:\n  " + strings.Join(e.lines, "\n  ")
	}
	return text
}

// portTaken reports whether the API server ended because another program had its port.
func portTaken(err error) bool {
	var e *componentError
	return errors.As(err, &e) && e.name == controlplane.APIServer &&
		slices.ContainsFunc(e.lines, func(line string) bool { return strings.Contains(line, "address already in use") })
}
