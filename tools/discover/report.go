// Package discover finds the hosts outside the cluster that applications carry in their own configuration: in
// folders of files, or in a cluster. Package syntax reads a text as nodes, a collector makes groups of settings of
// them (tree.go, manifest.go), the settings are searched for hosts (recognise.go, and package hosts), and the
// references that are found are classified and put together by host (classify.go, endpoints.go). It changes nothing,
// and keeps no value of a setting: only hosts, ports, schemes, keys and places.
package discover

import (
	"fmt"

	"external-services/tools/findings"
)

// Report is what was found: the document that extsvc discover -o json prints.
type Report struct {
	// Endpoints are the hosts outside the cluster, by their hosts.
	Endpoints []*Endpoint `json:"endpoints"`

	// Mapped are the references that use the name of an entry, and Progress how many they are. Both are null unless
	// they were asked for.
	Mapped   []Reference `json:"mapped"`
	Progress *Progress   `json:"progress"`

	// Doubtful are references that are perhaps none: the host is perhaps in the cluster, or the setting perhaps not a
	// host, or an address of the application itself.
	Doubtful []Reference `json:"doubtful"`

	// Read is what was read.
	Read Counts `json:"read"`

	// Findings say what could not be read (warnings).
	Findings []findings.Finding `json:"findings"`

	sources []string // what was read, for the head of the values
	showAll bool
}

// Endpoint is a host outside the cluster.
type Endpoint struct {
	// Host is a DNS name or an IP address.
	Host string `json:"host"`

	// Ports are the ports of the references, sorted. It is empty if no reference has a port.
	Ports []Port `json:"ports"`

	// Entry is the name of an entry for the host: of the one that has it among its addresses if values or a release
	// are known (Exists), or else a suggestion.
	Entry  string `json:"entry"`
	Exists bool   `json:"exists"`

	// Note says why an entry needs thought, and is empty in most cases.
	Note string `json:"note,omitempty"`

	// References are who refers to it.
	References []Reference `json:"references"`
}

// Port is a port of an endpoint. Scheme is that of the URLs that have it, or a guess by keys and numbers, or empty.
type Port struct {
	Port   int    `json:"port"`
	Scheme string `json:"scheme,omitempty"`
}

// Reference is a host in a setting.
type Reference struct {
	Place

	// Key is the key of the setting, such as DB_HOST or spring.datasource.url.
	Key string `json:"key"`

	// Host and Port are what it refers to. The port is 0 if the setting has none, and the scheme of a URL none either.
	Host   string `json:"host"`
	Port   int    `json:"port,omitempty"`
	Scheme string `json:"scheme,omitempty"`

	// Doubtful references are perhaps none.
	Doubtful bool `json:"doubtful,omitempty"`

	// Write is what to write in place of the host and the port: the name of an entry, and its port if the host of the
	// setting has one.
	Write string `json:"write,omitempty"`

	isListed bool            // one of several hosts in a setting
	hasPort  bool            // the port is written with the host
	scope    map[string]bool // the services of its Compose file
}

// Place is where a setting is: in a line of a file, or in an object of a cluster. A setting in a manifest has both.
type Place struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`

	Namespace string `json:"namespace,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Name      string `json:"name,omitempty"`
}

// String is FILE:LINE, or NAMESPACE/KIND/NAME.
func (p Place) String() string {
	if p.File != "" {
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return p.Namespace + "/" + p.Kind + "/" + p.Name
}

// Progress is how far the names of entries have replaced hosts.
type Progress struct {
	Mapped int `json:"mapped"`
	Total  int `json:"total"`
}

// String says it in a sentence.
func (p Progress) String() string {
	if p.Total == 0 {
		return "There are no references to hosts outside."
	}
	return fmt.Sprintf("%d of %d references use a mapped name (%d %%).", p.Mapped, p.Total, 100*p.Mapped/p.Total)
}

// Counts are numbers of what was read.
type Counts struct {
	Files   int `json:"files"`
	Objects int `json:"objects"`

	// InCluster is the number of references to names of the cluster.
	InCluster int `json:"inCluster"`
}

// ExitCode is the exit code of extsvc discover: 1 if a reference goes outside, or something could not be read.
func (r *Report) ExitCode() int {
	if len(r.Endpoints) > 0 {
		return findings.ExitNotice
	}
	return findings.ExitCode(r.Findings)
}
