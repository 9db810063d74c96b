package discover

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"

	"external-services/tools/discover/hosts"
)

// naming gives each new entry a name that no Service and no other entry has.
type naming struct{ taken map[string]bool }

func newNaming(s *Scan, existing *Names) *naming {
	n := &naming{taken: map[string]bool{}}
	for key := range s.services {
		n.taken[key.Name] = true
	}
	for _, r := range s.references {
		for name := range r.scope {
			n.taken[name] = true
		}
	}
	if existing != nil {
		for key := range existing.byKey {
			n.taken[key.Name] = true
		}
	}
	return n
}

// nameFor is a name by the keys that refer to a host, or else by the host itself.
func (n *naming) nameFor(e *Endpoint) string {
	name := serviceName(nameByHost(e))
	if hosts.IsIP(e.Host) || !tells(name) {
		name = serviceName(cmp.Or(nameByKeys(e), name))
	}
	candidates := []string{name, name + "-outside"}
	base := strings.TrimSuffix(name, "-1")
	if base != name {
		candidates = candidates[:1]
	}
	for i := 2; ; i++ {
		for _, candidate := range candidates {
			if !n.taken[candidate] {
				n.taken[candidate] = true
				return candidate
			}
		}
		candidates = []string{fmt.Sprintf("%s-%d", base, i)}
	}
}

var (
	// plainWords say nothing about the server, or that it is a server.
	plainWords = sets.New(strings.Fields(`spring app application config configuration settings setting env environment default production prod staging
		development dev test services service server servers client clients args data connectionstrings connectionstring datasource
		datasources jdbc add properties property param params options base main common global values value host hosts hostname url
		uri address addr endpoint endpoints ip dsn connection bootstrap brokers broker nodes node hostnames seeds seed connect db1
		primary adapter driver http https api tcp addresses urls uris the my www app addrs target targets bean beans parameters source
		sources cloud configs static core remote outbound inbound destination socket binding group result backend backends conn connstr
		contact points peers peer address1 load balancer listed write read live main session factory sql java`)...)

	// kindWords say what the server is, and not whose: they need a word more, if there is one.
	kindWords = sets.New(strings.Fields(`db database mysql mariadb postgres postgresql pg psql pgsql redis cache mongo mongodb rabbit rabbitmq amqp kafka
		ldap smtp mail mailer nats memcached elasticsearch elastic oracle sqlserver mssql queue broker search storage imap sftp ftp
		mqtt statsd syslog zookeeper`)...)
)

// tells says whether a name says whose server it is, and not only what kind.
func tells(name string) bool {
	return slices.ContainsFunc(wordsOf(name), func(word string) bool {
		return len(word) > 1 && !kindWords.Has(word) && !plainWords.Has(word) && !plainLabels.Has(word)
	})
}

// nameByKeys is the name that most keys give. It is empty if no key says more than what kind of server it is, and the
// host has a name.
func nameByKeys(e *Endpoint) string {
	counts := map[string]int{}
	for _, r := range e.References {
		words := nameWords(r.Key)
		isTold := slices.ContainsFunc(words, func(word string) bool { return !kindWords.Has(word) })
		if r.isListed && !hosts.IsIP(e.Host) || !isTold && !hosts.IsIP(e.Host) || len(words) == 0 {
			continue // hosts of a list are told apart by their own names
		}
		if r.isListed {
			words = append(words, "1") // the next one has the name that ends with 2
		}
		counts[strings.Join(words[max(0, len(words)-3):], "-")]++
	}
	names := slices.Sorted(maps.Keys(counts))
	if len(names) == 0 {
		return ""
	}
	return slices.MaxFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[a], counts[b]), cmp.Compare(b, a))
	})
}

// nameWords are the words of a key that say which server it is: those of its last part that has some, and of the one
// above if they say only what kind it is.
func nameWords(key string) []string {
	var words []string
	parts := strings.FieldsFunc(key, func(r rune) bool { return r == '.' || r == ':' })
	for _, part := range slices.Backward(parts) {
		own := slices.DeleteFunc(wordsOf(part), func(word string) bool { return plainWords.Has(word) || len(word) < 2 })
		words = append(own, words...)
		if slices.ContainsFunc(own, func(word string) bool { return !kindWords.Has(word) }) {
			break
		}
	}
	return slices.Compact(words)
}

// plainLabels are first labels of hosts that say nothing without the next one.
var plainLabels = sets.New(strings.Fields(`api www app web`)...)

// nameByHost is the first label of a DNS name, with the next one if it says little, or the scheme and the address.
func nameByHost(e *Endpoint) string {
	if hosts.IsIP(e.Host) {
		kind := "host"
		if len(e.Ports) > 0 && e.Ports[0].Scheme != "" {
			known, _ := hosts.SchemeOf(e.Ports[0].Scheme)
			kind = cmp.Or(known.Name, kind)
		}
		return kind + "-" + e.Host
	}
	labels := strings.Split(e.Host, ".")
	if len(labels) > 2 && plainLabels.Has(labels[0]) {
		return labels[1] + "-" + labels[0]
	}
	return labels[0]
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// serviceName makes a text the name of a Service (RFC 1035): it begins with a letter and has at most 63 characters.
func serviceName(text string) string {
	name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(text), "-"), "-")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "host-" + name
	}
	return strings.Trim(name[:min(len(name), 50)], "-")
}
