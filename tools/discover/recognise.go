package discover

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"

	"external-services/tools/discover/hosts"
)

// withDefault is a variable with a default: ${DB_HOST:db.example} of Spring, ${DB_HOST:-db.example} of a shell.
var withDefault = regexp.MustCompile(`\$\{[A-Za-z_][\w.-]*:-?([^${}?][^${}]*)\}`)

// recognise finds the hosts in the settings of a group.
func (g *group) recognise() []Reference {
	ports := g.ports()
	var found []Reference
	for _, s := range g.settings {
		s.Value = strings.TrimSpace(withDefault.ReplaceAllString(s.Value, "$1"))
		for _, h := range s.hits() {
			words := wordsOf(s.Key)
			if h.Port == 0 && h.Scheme != "mongodb+srv" {
				h.Port = portBeside(ports, words)
			}
			// Copies, so that no text with them is kept.
			r := Reference{Place: g.place, Key: strings.Clone(s.Key), Host: strings.Clone(h.Name), Port: h.Port, Scheme: strings.Clone(h.Scheme)}
			r.Doubtful = h.Doubtful
			if r.Scheme == "" {
				r.Scheme = hosts.SchemeByKey(words, h.Port)
			}
			r.isListed, r.hasPort, r.scope = h.IsListed || s.isListed, h.HasPort, g.scope
			if r.File != "" {
				r.Line = s.Line
			}
			found = append(found, r)
		}
	}
	return found
}

// ports are the ports of a group by the words of their keys.
func (g *group) ports() map[string]int {
	ports := map[string]int{}
	for _, s := range g.settings {
		words := wordsOf(s.Key)
		value := withDefault.ReplaceAllString(s.Value, "$1")
		if port, ok := hosts.ParsePort(strings.TrimSpace(value), 0); ok && port > 0 && len(words) > 0 && words[len(words)-1] == "port" {
			ports[strings.Join(words, " ")] = port
		}
	}
	return ports
}

func portBeside(ports map[string]int, words []string) int {
	for _, key := range portKeys(words) {
		if port := ports[key]; port > 0 {
			return port
		}
	}
	return 0
}

// hits are the hosts in a value. What the key says decides whether a value that shows no scheme is a host.
func (s *Setting) hits() []hosts.Host {
	role := roleOf(s.path)
	if s.Value == "" || role == ignored || strings.HasPrefix(s.Value, "ENC[") {
		return nil
	}
	if hits, isOne := hosts.InConnectionString(s.Value); isOne {
		return hits
	}
	hits, isWhole := hosts.InURLs(s.Value)
	switch {
	case isWhole && len(hits) > 0:
		return s.doubt(hits, role)
	case len(hits) > 0:
		if role == secret {
			return nil
		}
		return s.doubt(slices.DeleteFunc(hits, func(h hosts.Host) bool { return isWeb(h.Scheme) && s.isProse && !isArguments(s.path) }), role)
	case strings.Contains(s.Value, "://") || role == secret || role == word:
		return nil
	}
	if s.isProse {
		return nil
	}
	return plainHosts(s.Value, role)
}

// codeHosts are the web sites that hold code and documents: a URL there is for people, or for what builds a program.
var codeHosts = regexp.MustCompile(`(^|\.)(github\.com|gitlab\.com|bitbucket\.org|githubusercontent\.com|github\.io|readthedocs\.(io|org)|` +
	`w3\.org|json-schema\.org|schemastore\.org|xmlsoap\.org|springframework\.org|apache\.org|mozilla\.org|wikipedia\.org|opensource\.org|` +
	`npmjs\.(org|com)|yarnpkg\.com|pypi\.org|pythonhosted\.org|maven\.org|rubygems\.org|packagist\.org|crates\.io|golang\.org|go\.dev|` +
	`schemas\.microsoft\.com|java\.sun\.com|jboss\.org|hibernate\.org|slf4j\.org|logback\.qos\.ch|openxmlformats\.org|kubernetes\.io|` +
	`docker\.io|docker\.com|quay\.io|ghcr\.io|gcr\.io|nuget\.org|creativecommons\.org)$`)

func isWeb(scheme string) bool { return scheme == "http" || scheme == "https" }

// doubt marks what is perhaps not called, and removes what is for people or for building.
func (s *Setting) doubt(hits []hosts.Host, role role) []hosts.Host {
	hits = slices.DeleteFunc(hits, func(h hosts.Host) bool { return isWeb(h.Scheme) && codeHosts.MatchString(h.Name) })
	for i := range hits {
		if role == own {
			hits[i].Doubtful = true
		}
		if isWeb(hits[i].Scheme) && urlIsInText(s.Value) && !isArguments(s.path) {
			hits[i].Doubtful = true // in a sentence
		}
	}
	return hits
}

// urlIsInText says whether a value has words before its first URL.
func urlIsInText(value string) bool {
	before, _, _ := strings.Cut(value, "://")
	return strings.ContainsAny(strings.TrimSpace(before), " \t")
}

// hostAndMore are a host and a port with a path behind it, such as zookeeper.example:2181/kafka.
var hostAndMore = regexp.MustCompile(`^([^/\s]+)/([A-Za-z][^\s:@]*)?$`)

// plainHosts recognises HOST, HOST:PORT and lists of them, which nothing but the key and the port shows to be hosts.
func plainHosts(value string, role role) []hosts.Host {
	parts := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\t' })
	if role == neutral && len(parts) > 1 && !allHavePorts(parts) {
		return nil
	}
	var hits []hosts.Host
	for _, part := range parts {
		if len(hits) > 0 && strings.Contains(part, "=") { // the options of Redis: redis.example:6379,password=a
			for i := range hits {
				hits[i].Doubtful = false
			}
			break
		}
		h, ok := plainHost(trimQuotes(part), role, len(parts) == 1)
		if !ok {
			return nil
		}
		hits = append(hits, h)
	}
	return hosts.Listed(hits)
}

func allHavePorts(parts []string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !hasPort.MatchString(part) && !strings.Contains(part, "=") })
}

func trimQuotes(text string) string { return strings.Trim(text, "\"'") }

// hasPort is a host that a port follows.
var hasPort = regexp.MustCompile(`:[0-9]{1,5}$`)

// plainHost recognises HOST or HOST:PORT. A name without a dot is one only behind a key that says so.
func plainHost(text string, role role, isAlone bool) (h hosts.Host, ok bool) {
	if match := hostAndMore.FindStringSubmatch(text); match != nil && role != neutral {
		text = match[1]
	}
	if h, ok = hosts.ParseHostPort(text, 0); !ok || notHosts.Has(h.Name) {
		return h, false
	}
	beforeColon, _, _ := strings.Cut(text, ":")
	isBare := !strings.Contains(h.Name, ".") && !hosts.IsIP(h.Name)
	switch {
	case hosts.IsIP(h.Name):
	case !hosts.LooksLikeName(beforeColon):
		return h, false
	case !h.HasPort && role == neutral:
		return h, false // any text with dots
	case isBare && (role != address && role != weak || !h.HasPort && (role == weak || !isAlone)):
		return h, false // any word, or any word and a number: a user and a password
	}
	h.Doubtful = role == neutral || role == own
	return h, true
}

// notHosts are words that values have in place of a host.
var notHosts = sets.New(strings.Fields(`true false yes no on off null none nil default auto any all disabled enabled undefined unset`)...)

// dedupe removes references that a file repeats at one place, as aliases of YAML do.
func dedupe(references []Reference) []Reference {
	seen := map[string]bool{}
	return slices.DeleteFunc(references, func(r Reference) bool {
		text := r.Place.String() + " " + r.Key + " " + r.Host + ":" + strconv.Itoa(r.Port)
		repeated := seen[text]
		seen[text] = true
		return repeated
	})
}
