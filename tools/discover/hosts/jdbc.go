package hosts

import (
	"regexp"
	"strings"
)

// The URLs of Java, and the names and descriptors of Oracle, which other languages have too.

// jdbc recognises the URLs of Java: jdbc:mysql://host:3306/db, jdbc:sqlserver://host:1433;user=a,
// jdbc:oracle:thin:@//host:1521/service and @host:1521:sid.
func jdbc(value string) (hits []Host, isOne bool) {
	rest, found := strings.CutPrefix(value, "jdbc:")
	if !found {
		return nil, false
	}
	if hits, isOne = tns(rest); isOne {
		return hits, true
	}
	kind, text, isURL := strings.Cut(rest, "://")
	parts := strings.Split(kind, ":")
	if parts[0] == "oracle" {
		return oracle(rest), true
	}
	if !isURL {
		return nil, true // in memory, or in a file
	}
	name := parts[0]
	if _, isKnown := SchemeOf(name); !isKnown && len(parts) > 1 {
		name = parts[len(parts)-1] // jdbc:jtds:sqlserver://
	}
	known, isKnown := SchemeOf(name)
	authority, ok := authorityOf(text, false)
	if !ok {
		return nil, true
	}
	for part := range strings.SplitSeq(authority, ",") {
		host, instance, _ := strings.Cut(part, `\`)
		if _, port, hasPort := strings.Cut(instance, ":"); hasPort {
			host += ":" + port
		}
		if h, ok := ParseHostPort(host, known.Port); ok {
			h.Scheme, h.Doubtful = name, !isKnown
			hits = append(hits, h)
		}
	}
	if name == "sqlserver" && len(hits) == 0 {
		hits, _ = pairs(text)
	}
	return Listed(hits), true
}

// oracle recognises the easy connect names of Oracle behind the last "@".
func oracle(text string) []Host {
	text = text[strings.LastIndex(text, "@")+1:]
	if i := strings.Index(text, "//"); i >= 0 {
		text = text[i+2:]
	}
	host, rest, hasPort := strings.Cut(untilAny(text, "/?"), ":")
	if !hasPort {
		return nil // a name of tnsnames.ora
	}
	h, ok := ParseHostPort(host+":"+untilAny(rest, ":"), 0)
	if !ok {
		return nil
	}
	h.Scheme = "oracle"
	return []Host{h}
}

var (
	tnsHost = regexp.MustCompile(`(?i)\(\s*HOST\s*=\s*([^()\s]+)\s*\)`)
	tnsPort = regexp.MustCompile(`(?i)\(\s*PORT\s*=\s*([0-9]+)\s*\)`)
	tnsItem = regexp.MustCompile(`(?i)\(\s*ADDRESS\s*=((?:\s*\([^()]*\))*)\s*\)`)
)

// tns recognises the descriptors of Oracle: (ADDRESS=(PROTOCOL=TCP)(HOST=host)(PORT=1521)).
func tns(value string) (hits []Host, isOne bool) {
	items := tnsItem.FindAllString(value, -1)
	if len(items) == 0 {
		items = []string{value}
	}
	for _, item := range items {
		host, port := tnsHost.FindStringSubmatch(item), tnsPort.FindStringSubmatch(item)
		if host == nil || port == nil {
			continue
		}
		isOne = true
		if h, ok := ParseHostPort(host[1]+":"+port[1], 0); ok {
			h.Scheme = "oracle"
			hits = append(hits, h)
		}
	}
	return Listed(hits), isOne
}

// easyName is the form user/password@host:1521/service, of which a password may have any character.
var easyName = regexp.MustCompile(`^\w+/\S*@(?://)?[^@/:\s]+:[0-9]+[/:][\w.]+$`)

func easyConnect(value string) (hits []Host, isOne bool) {
	if !easyName.MatchString(value) {
		return nil, false
	}
	return oracle(value), true
}
