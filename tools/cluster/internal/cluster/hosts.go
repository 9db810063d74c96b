package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"external-services/tools/cluster/internal/dataplane"
	"external-services/tools/cluster/internal/network"
	"external-services/tools/cluster/internal/state"
)

// addTimeout is how long the cluster may take to know what a new host needs, such as its names.
const addTimeout = time.Minute

// dnsName is a host name in the DNS as Kubernetes accepts it in an ExternalName.
var dnsName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// AddOutside adds a network namespace that stands for a host outside the cluster. Both the addresses and the names,
// which may be none, are those of that host alone.
func (c *Cluster) AddOutside(ctx context.Context, name string, ips []netip.Addr, names []string) (state.Host, error) {
	if len(ips) == 0 {
		return state.Host{}, errors.New("an outside host needs an address: add --ip")
	}
	for i, ip := range ips {
		if err := network.CheckOutside(ip); err != nil {
			return state.Host{}, err
		}
		if slices.Contains(ips[:i], ip) {
			return state.Host{}, fmt.Errorf("address %q is named twice", ip)
		}
	}
	for i, n := range names {
		if err := checkDNSName(n); err != nil {
			return state.Host{}, err
		}
		if slices.Contains(names[:i], n) {
			return state.Host{}, fmt.Errorf("DNS name %q is named twice", n)
		}
	}
	host := state.Host{Name: name, Kind: state.KindOutside, IPs: ips, DNS: names}
	err := c.addHost(ctx, &host, nil)
	return host, err
}

func checkDNSName(name string) error {
	if len(name) > 253 || !dnsName.MatchString(name) {
		return fmt.Errorf("DNS name %q: use lower-case labels of letters, digits and dashes, such as db.corp.example", name)
	}
	if name == "cluster.local" || strings.HasSuffix(name, ".cluster.local") {
		return fmt.Errorf("DNS name %q: names in cluster.local are those of Services, use another domain", name)
	}
	return nil
}

// addHost adds the host and completes what is said about it. The ports are those of a pod's Pod object.
func (c *Cluster) addHost(ctx context.Context, host *state.Host, ports []dataplane.Port) error {
	if err := state.ValidateLabel("name", host.Name); err != nil {
		return err
	}
	return c.locked(ctx, func() error {
		r, err := c.loadDataPlane()
		if err != nil {
			return err
		}
		if err := checkConflicts(r, *host); err != nil {
			return err
		}
		used := make([]int, len(r.Hosts))
		for i, h := range r.Hosts {
			used[i] = h.Index
		}
		if host.Index, err = network.FreeIndex(used); err != nil {
			return err
		}
		spec := c.networkHost(*host)
		if host.Kind == state.KindPod {
			host.IPs = network.PodIPs(host.Index, r.DataPlane.IPv6)
			spec.ResolvConf = dataplane.PodResolvConf(host.Namespace)
		} else {
			spec.ResolvConf = dataplane.OutsideResolvConf()
		}
		spec.IPs = host.IPs
		if err := c.connect(ctx, r, *host, ports, spec); err != nil {
			// What is to be taken back must be taken back, however little time there is.
			ctx := context.WithoutCancel(ctx)
			return errors.Join(err, c.removeObject(ctx, r, *host), c.net.RemoveHost(ctx, spec), dataplane.WriteHosts(c.dir, r.Hosts))
		}
		return nil
	})
}

// connect makes the host's network, waits until its names are known, creates its Pod object if it has one, and records
// it. The record comes last: a host that is in it is complete, and one that is not can be added again.
func (c *Cluster) connect(ctx context.Context, r *state.Record, host state.Host, ports []dataplane.Port, spec network.Host) error {
	if err := c.net.AddHost(ctx, spec, network.Slot(r.DataPlane.Slot), r.DataPlane.IPv6); err != nil {
		return fmt.Errorf("add %s %q: %w", describe(host.Kind), host.Name, err)
	}
	hosts := append(slices.Clip(r.Hosts), host)
	if len(host.DNS) > 0 {
		if err := dataplane.WriteHosts(c.dir, hosts); err != nil {
			return err
		}
	}
	for _, name := range host.DNS {
		if err := c.waitForName(ctx, name, host.IPs); err != nil {
			return err
		}
	}
	if err := c.createObject(ctx, r, host, ports); err != nil {
		return fmt.Errorf("add pod %q to the Kubernetes API: %w", host.Name, err)
	}
	r.Hosts = hosts
	return c.dir.Save(r)
}

// waitForName waits until the cluster's DNS answers a name with all of the addresses.
func (c *Cluster) waitForName(ctx context.Context, name string, want []netip.Addr) error {
	err := poll(ctx, func() error {
		got, err := c.resolve(ctx, name, time.Second)
		if err == nil && !slices.Equal(sorted(got), sorted(want)) {
			err = fmt.Errorf("it answers %v", got)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("the cluster's DNS does not answer %q with %v: %w", name, want, err)
	}
	return nil
}

// poll calls check until it succeeds, and returns what it said last when that takes too long.
func poll(ctx context.Context, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, addTimeout)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pollInterval):
		}
	}
}

func sorted(ips []netip.Addr) []netip.Addr {
	return slices.SortedFunc(slices.Values(ips), netip.Addr.Compare)
}

// loadDataPlane returns the record of a cluster that is up with a data plane.
func (c *Cluster) loadDataPlane() (*state.Record, error) {
	r, err := c.load()
	if err != nil || r.DataPlane != nil {
		return r, err
	}
	for _, l := range r.LeftOut {
		return nil, fmt.Errorf("cluster %q has no data plane, %s: %s, then start it again with --fresh", c.name, l.Why, l.Fix)
	}
	return nil, fmt.Errorf("cluster %q has no data plane", c.name)
}

// checkConflicts says whether the cluster has something already that the host would have.
func checkConflicts(r *state.Record, host state.Host) error {
	if host.Name == dataplane.NodeName {
		return fmt.Errorf("the name %q is that of the cluster's node, use another one", host.Name)
	}
	for _, h := range r.Hosts {
		if h.Name == host.Name {
			return fmt.Errorf("the name %q is that of an existing %s, use another one", h.Name, describe(h.Kind))
		}
		for _, ip := range host.IPs {
			if slices.Contains(h.IPs, ip) {
				return fmt.Errorf("address %q is that of the %s %q already", ip, describe(h.Kind), h.Name)
			}
		}
		for _, name := range host.DNS {
			if slices.Contains(h.DNS, name) {
				return fmt.Errorf("DNS name %q is that of the %s %q already", name, describe(h.Kind), h.Name)
			}
		}
	}
	if !r.DataPlane.IPv6 {
		for _, ip := range host.IPs {
			if ip.Is6() {
				return fmt.Errorf("address %q: this machine has no IPv6, use an IPv4 address", ip)
			}
		}
	}
	return nil
}

// describe names a kind of host in a message.
func describe(kind state.Kind) string {
	if kind == state.KindOutside {
		return "outside host"
	}
	return string(kind)
}

// networkHost is the host as the network knows it, but for what it reads as /etc/resolv.conf.
func (c *Cluster) networkHost(h state.Host) network.Host {
	return network.Host{Namespace: c.networkNamespace(h), Link: network.LinkName(h.Index), IPs: h.IPs}
}

// networkNamespace is the name of the host's network namespace.
func (c *Cluster) networkNamespace(h state.Host) string {
	if h.Kind == state.KindPod {
		return c.net.Pod(h.Name)
	}
	return c.net.Outside(h.Name)
}
