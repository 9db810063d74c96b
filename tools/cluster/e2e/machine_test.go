package e2e

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"external-services/tools/cluster/internal/state"
)

// stateDir is the folder of a cluster of the current user.
func stateDir(name string) string { return filepath.Join(state.Parent(), name) }

// mustBeGone looks for anything that a cluster may have left. It does not use the code under test to look.
func mustBeGone(t *testing.T, name string) {
	t.Helper()
	left := marked(t, name)
	for _, dir := range []string{"/run/netns", "/etc/netns"} {
		for _, entry := range readDir(t, dir) {
			if strings.HasPrefix(entry, "extsvc-"+name+"-") {
				left = append(left, filepath.Join(dir, entry))
			}
		}
	}
	aliases, err := filepath.Glob("/sys/class/net/*/ifalias")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range aliases {
		alias, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if strings.TrimSpace(string(alias)) == "extsvc-"+name {
			left = append(left, path)
		}
	}
	for _, path := range []string{stateDir(name), stateDir(name) + ".lock"} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			left = append(left, path)
		}
	}
	if len(left) > 0 {
		t.Errorf("cluster %q left:\n%s", name, strings.Join(left, "\n"))
	}
}

// marked returns the command lines of the processes whose environment names the cluster's folder.
func marked(t *testing.T, name string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range paths {
		environ, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(append([]byte{0}, environ...), []byte("\x00EXTSVC_CLUSTER_DIR="+stateDir(name)+"\x00")) {
			continue // it has ended, or is another user's, or no process of this cluster
		}
		cmdline, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if err != nil {
			continue
		}
		found = append(found, path+" "+strings.ReplaceAll(string(cmdline), "\x00", " "))
	}
	return found
}

func readDir(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// ownLink is the name of a cluster's link on the machine, which is the one thing that it adds there.
var ownLink = regexp.MustCompile(`\bes\d+\b|10\.99\.\d+\.`)

// machine returns what of the machine itself a cluster must not change: its links, addresses, routes, firewall and
// kernel parameters, without what is about the links of clusters.
func machine(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for _, command := range [][]string{
		{"ip", "-o", "link", "show"}, {"ip", "-o", "address", "show"}, {"ip", "-4", "route", "show", "table", "all"},
		{"ip", "-6", "route", "show", "table", "all"}, {"ip", "rule", "show"}, {"nft", "list", "ruleset"},
	} {
		output, err := exec.Command(command[0], command[1:]...).Output()
		if err != nil {
			t.Fatalf("%q: %v", command, err)
		}
		for line := range strings.Lines(string(output)) {
			if !ownLink.MatchString(line) {
				text.WriteString(line)
			}
		}
	}
	for _, parameter := range []string{
		"ipv4/ip_forward", "ipv4/conf/all/forwarding", "ipv4/conf/default/forwarding", "ipv4/conf/all/rp_filter",
		"ipv4/conf/all/route_localnet", "ipv6/conf/all/forwarding", "ipv6/conf/default/accept_dad",
		"ipv6/conf/all/disable_ipv6", "netfilter/nf_conntrack_max",
	} {
		value, err := os.ReadFile(filepath.Join("/proc/sys/net", parameter))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(parameter + " = " + string(value))
	}
	return text.String()
}
