// Package hosts recognises the hosts in the values of settings: in URLs, in connection strings and by themselves.
package hosts

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/util/sets"

	"external-services/tools/discover/syntax"
)

// Host is a host that was recognised in a value, with its port, or 0, and the scheme of the URL, if there is one.
type Host struct {
	Name     string
	Port     int
	Scheme   string
	HasPort  bool // the port is written with the host
	Doubtful bool // perhaps not called, or not a host
	IsListed bool // one of several that are written together
}

var (
	hostLabel = regexp.MustCompile(`^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$`)

	// fileExtensions end the names of files, which look like DNS names.
	fileExtensions = sets.New(strings.Fields(`yaml yml json jar war ear zip gz tgz tar xml properties txt log pem crt cer key p12 pfx jks csv tsv sql
		sqlite db sock so dll exe png jpg jpeg gif svg css js ts html htm conf cfg ini toml env lock tpl tmpl pid md5 bak dat bin
		class java go rb php cs jsx tsx vue scss proto avsc wasm deb rpm pdf doc docx xls xlsx`)...)
)

// ParseHost reads a DNS name in lower case without its last dot, or an IP address in its canonical form. It refuses
// what is not to be called from elsewhere: this machine, and networks that no host is in.
func ParseHost(text string) (string, bool) {
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		isNone := ip.IsUnspecified() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.Zone() != ""
		if ip = ip.Unmap(); ip.Is4() && (ip.As4()[0] == 0 || ip.As4()[0] >= 224) {
			isNone = true
		}
		return ip.String(), !isNone
	}
	host := strings.TrimSuffix(strings.ToLower(text), ".")
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if !hostLabel.MatchString(label) {
			return "", false
		}
	}
	last := labels[len(labels)-1]
	if len(host) > 253 || !strings.ContainsFunc(last, unicode.IsLetter) || strings.Contains(text, syntax.Template) {
		return "", false
	}
	if last == "localhost" || last == "localdomain" {
		return "", false
	}
	return host, true
}

// IsIP says whether a host is an IP address.
func IsIP(host string) bool { _, err := netip.ParseAddr(host); return err == nil }

// ParsePort reads a port. An empty one is the default.
func ParsePort(text string, standard int) (int, bool) {
	if text == "" {
		return standard, true
	}
	port, err := strconv.Atoi(text)
	return port, err == nil && port > 0 && port < 65536
}

// ParseHostPort reads HOST, HOST:PORT or [IPv6]:PORT.
func ParseHostPort(text string, standard int) (h Host, ok bool) {
	host, port := text, ""
	if i := strings.LastIndex(text, ":"); i >= 0 && (strings.Count(text, ":") == 1 || strings.Contains(text, "]:")) {
		host, port = text[:i], text[i+1:]
		if port == "" {
			return h, false
		}
	}
	if h.Name, ok = ParseHost(host); !ok {
		return h, false
	}
	h.HasPort = port != ""
	h.Port, ok = ParsePort(port, standard)
	return h, ok
}

// LooksLikeName says whether a host that no URL and no port shows to be one is a DNS name all the same: it is not
// the name of a file or a class, or a version.
func LooksLikeName(text string) bool {
	dot := strings.LastIndex(strings.TrimSuffix(text, "."), ".")
	if dot < 0 {
		return true
	}
	last := strings.TrimSuffix(text[dot+1:], ".")
	isMixed := strings.ToLower(last) != last && strings.ToUpper(last) != last
	return !isMixed && !fileExtensions.Has(strings.ToLower(last))
}
