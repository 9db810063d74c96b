// Package state is what is known about a cluster between two runs of the program: where its files are, and the record
// of what was started.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// Phase is how far the start of a cluster got.
type Phase string

// The phases of a cluster. A record that stays in PhaseStarting was left by a start that was killed.
const (
	PhaseStarting Phase = "starting"
	PhaseUp       Phase = "up"
	PhaseFailed   Phase = "failed"
)

// Record is what is remembered about a cluster.
type Record struct {
	Name      string    `json:"name"`
	Phase     Phase     `json:"phase"`
	StartedAt time.Time `json:"startedAt"`

	// Versions maps each component, and "kubernetes", to its version.
	Versions map[string]string `json:"versions"`
	// Server is the URL of the API server.
	Server string `json:"server,omitempty"`

	// DataPlane is nil when the cluster is a control plane only.
	DataPlane *DataPlane `json:"dataPlane,omitempty"`
	// LeftOut says what the cluster lacks on this machine.
	LeftOut []LeftOut `json:"leftOut,omitempty"`

	Components []Component `json:"components,omitempty"`
	// Hosts are the pods and the outside hosts, in the order they were added. The node is not among them.
	Hosts []Host `json:"hosts,omitempty"`
}

// DataPlane is where the cluster's network is.
type DataPlane struct {
	// Slot tells apart the links to the machine of clusters that run side by side.
	Slot int `json:"slot"`
	// NodeIPs are the addresses of the node, the IPv4 one first.
	NodeIPs []netip.Addr `json:"nodeIPs"`
	// IPv6 is false on a machine whose kernel has no IPv6.
	IPv6 bool `json:"ipv6"`
}

// LeftOut is a part that the cluster does without.
type LeftOut struct {
	// What names the part.
	What string `json:"what"`
	// Effect says what does not work without it.
	Effect string `json:"effect"`
	// Why it was left out.
	Why string `json:"why"`
	// Fix says what to do to have it.
	Fix string `json:"fix"`
}

// Component is a running program of the cluster.
type Component struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// Started is the start time of the process in the kernel's own unit: with it, a process id that the kernel gave
	// to another program is not taken for the component.
	Started uint64 `json:"started"`

	// Binary and Args are what to start it again with, and NetworkNamespace is where, which is empty for the machine
	// itself.
	Binary           string   `json:"binary"`
	Args             []string `json:"args"`
	NetworkNamespace string   `json:"networkNamespace,omitempty"`
}

// Kind is what a host stands for.
type Kind string

// The kinds of hosts.
const (
	KindPod     Kind = "pod"
	KindOutside Kind = "outside"
)

// Host is a network namespace that stands for a machine or a pod.
type Host struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Index is different for each host of a cluster, and part of a pod's addresses.
	Index int `json:"index"`
	// Namespace is the Kubernetes namespace of a pod.
	Namespace string `json:"namespace,omitempty"`
	// Labels are those of a pod's Pod object. A pod without labels has no such object.
	Labels map[string]string `json:"labels,omitempty"`
	IPs    []netip.Addr      `json:"ips"`
	// DNS are the names of an outside host that the cluster's DNS answers.
	DNS []string `json:"dns,omitempty"`
}

// Host returns the pod or outside host of that name.
func (r *Record) Host(name string) (Host, bool) {
	for _, h := range r.Hosts {
		if h.Name == name {
			return h, true
		}
	}
	return Host{}, false
}

// ErrNoRecord is returned by Load for a cluster without a record: it was never started, or its start was killed
// before it wrote one.
var ErrNoRecord = errors.New("no record of the cluster")

func (d Dir) record() string { return d.path("cluster.json") }

// Load reads the cluster's record.
func (d Dir) Load() (*Record, error) {
	data, err := os.ReadFile(d.record())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoRecord
	}
	if err != nil {
		return nil, fmt.Errorf("read the cluster's record: %w", err)
	}
	r := new(Record)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("read the cluster's record %s: %w", d.record(), err)
	}
	return r, nil
}

// Save writes the cluster's record, so that a reader sees either the old one or the new one.
func (d Dir) Save(r *Record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the cluster's record: %w", err)
	}
	return WriteFile(d.record(), append(data, '\n'))
}

// WriteFile writes a file that only its owner may read, and replaces an old one in one step.
func WriteFile(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = tmp.Write(data)
	if err := errors.Join(err, tmp.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(tmp.Name()))
	}
	// os.CreateTemp makes files of mode 0600, which is the mode to have.
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
