package hosts

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// InConnectionString recognises the hosts in a connection string that is no URL by itself, such as those of JDBC,
// .NET and libpq. isOne says whether the value is a connection string, also one without a host.
func InConnectionString(value string) (hits []Host, isOne bool) {
	for _, form := range connectionStrings {
		if hits, isOne = form(value); isOne {
			return hits, true
		}
	}
	return nil, false
}

// connectionStrings are the forms, in the order in which they are tried.
var connectionStrings = []func(value string) (hits []Host, isOne bool){jdbc, tns, goMySQL, easyConnect, keywords, pairs}

var digits = regexp.MustCompile(`^[0-9]+$`)

// goAddress is the address in a connection string of Go: user:password@tcp(host:3306)/database.
var goAddress = regexp.MustCompile(`(?:^|@)(?:tcp[46]?)?\(([^()@]+)\)(?:/|$)`)

func goMySQL(value string) (hits []Host, isOne bool) {
	matches := goAddress.FindAllStringSubmatch(value, -1)
	if matches == nil {
		return nil, false
	}
	h, ok := ParseHostPort(matches[len(matches)-1][1], 3306)
	if !ok {
		return nil, true
	}
	h.Scheme = "mysql"
	return []Host{h}, true
}

var (
	keyword  = regexp.MustCompile(`^\s*([A-Za-z_]+)\s*=\s*('(?:\\.|[^'\\])*'|[^\s'][^\s]*|)`)
	pdo      = regexp.MustCompile(`^(mysql|pgsql|sqlsrv|odbc|oci|dblib|firebird):`)
	hostKeys = []string{
		"host", "hostaddr", "server", "data source", "datasource", "address", "addr", "network address", "servername", "hostname",
	}
)

// keywords recognises the form of libpq: host=a,b port=5432 user=c.
func keywords(value string) (hits []Host, isOne bool) {
	var found fields
	for rest := value; strings.TrimSpace(rest) != ""; {
		match := keyword.FindStringSubmatch(rest)
		if match == nil {
			return nil, false
		}
		found = append(found, [2]string{strings.ToLower(match[1]), strings.Trim(match[2], "'")})
		rest = rest[len(match[0]):]
	}
	host := found.get("host", "hostaddr")
	if len(found) < 2 || host == "" || strings.Contains(host, ";") {
		return nil, false
	}
	ports := strings.Split(found.get("port"), ",")
	for i, name := range strings.Split(host, ",") {
		h, ok := ParseHostPort(name+":"+cmp.Or(ports[min(i, len(ports)-1)], "5432"), 0)
		if ok {
			h.Scheme = "postgresql"
			hits = append(hits, h)
		}
	}
	return Listed(hits), true
}

// fields are the keys and values of a connection string.
type fields [][2]string

// get is the value of the first of some keys that is there.
func (f fields) get(keys ...string) string {
	for _, key := range keys {
		for _, field := range f {
			if field[0] == key {
				return field[1]
			}
		}
	}
	return ""
}

// pairs recognises the form of .NET, ODBC and PHP: Server=tcp:host,1433;User=a, mysql:host=a;port=3306.
func pairs(value string) (hits []Host, isOne bool) {
	kind := pdo.FindString(value)
	found := splitPairs(strings.TrimPrefix(value, kind))
	host := found.get(hostKeys...)
	if inner := found.get("provider connection string"); inner != "" { // of the Entity Framework
		return pairs(inner)
	}
	if host == "" || len(found) < 2 && kind == "" {
		return nil, false
	}
	name := strings.TrimSuffix(kind, ":")
	if name == "" {
		name = kindOfPairs(found)
	}
	if endpoint, isWhole := InURLs(host); isWhole {
		return endpoint, true
	}
	host = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(host, "tcp:"), "np:"), "//")
	port := found.get("port", "portnumber")
	known, _ := SchemeOf(name)
	if server, rest, hasComma := strings.Cut(host, ","); hasComma && digits.MatchString(strings.TrimSpace(rest)) {
		host, port = server, strings.TrimSpace(rest) // host,port of SQL Server
	}
	for part := range strings.SplitSeq(host, ",") {
		part = untilAny(strings.TrimSpace(part), `\/`)
		h, ok := ParseHostPort(part, known.Port)
		if !ok || !LooksLikeName(part) {
			continue
		}
		if !strings.Contains(part, ":") && port != "" {
			if h.Port, ok = ParsePort(untilAny(port, ","), 0); !ok {
				continue
			}
		}
		h.Scheme = name
		hits = append(hits, h)
	}
	return Listed(hits), true
}

// kindOfPairs guesses the server by the keys of a connection string: those of Npgsql, of MySQL, and else of SQL
// Server, which alone has "Data Source" or "Initial Catalog" and no port.
func kindOfPairs(found fields) string {
	has := func(keys ...string) bool {
		return slices.ContainsFunc(found, func(f [2]string) bool { return slices.Contains(keys, f[0]) })
	}
	driver := strings.ToLower(found.get("driver", "provider"))
	switch {
	case strings.Contains(driver, "mysql"), strings.Contains(driver, "mariadb"):
		return "mysql"
	case strings.Contains(driver, "postgres"):
		return "postgresql"
	case has("initial catalog", "trustservercertificate", "multipleactiveresultsets", "integrated security", "trusted_connection", "encrypt"),
		strings.Contains(driver, "sql server"):
		return "sqlserver"
	case has("uid", "sslmode") && has("server"):
		return "mysql"
	case has("host") && has("database", "username"):
		return "postgresql"
	}
	return ""
}

// pairKey is a key of a connection string.
var pairKey = regexp.MustCompile(`^[A-Za-z][\w .-]*$`)

// splitPairs splits key=value;key=value. A value in quotes or braces may have a semicolon. A text with anything else
// for a key is not a connection string, because what follows may be a part of a password.
func splitPairs(text string) (found fields) {
	for text != "" {
		key, rest, hasValue := strings.Cut(text, "=")
		if !hasValue || strings.Contains(key, ";") && strings.TrimSpace(key[strings.LastIndex(key, ";")+1:]) == "" {
			break
		}
		key = strings.ToLower(strings.TrimSpace(key[strings.LastIndex(key, ";")+1:]))
		if !pairKey.MatchString(key) {
			return nil
		}
		rest = strings.TrimLeft(rest, " ")
		end := ";"
		if rest != "" {
			if close := map[byte]string{'"': `"`, '\'': "'", '{': "}"}[rest[0]]; close != "" && strings.Contains(rest[1:], close) {
				end = close
				rest = rest[1:]
			}
		}
		value, after, _ := strings.Cut(rest, end)
		found = append(found, [2]string{key, strings.TrimSpace(value)})
		text = after
	}
	return found
}

// Listed marks hosts that are written together.
func Listed(hits []Host) []Host {
	for i := range hits {
		hits[i].IsListed = len(hits) > 1
	}
	return hits
}
