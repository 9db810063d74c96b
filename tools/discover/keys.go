package discover

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
)

// role is what a key says about its value.
type role int

const (
	neutral role = iota
	address      // a host, an address or a URL to call: DB_HOST, spring.datasource.url
	weak         // perhaps one: connection, replica, target
	secret       // a password or a key: only a URL or a connection string in it is read, and only as a whole
	own          // an address of the application itself: publicUrl, server.address
	word         // a name or a path: only a URL in it is something to call
	ignored      // never something to call: image, listen, xmlns, version
)

var (
	// addressWords end the keys of something to call.
	addressWords = sets.New(strings.Fields(`host hosts hostname hostnames server servers endpoint endpoints address addresses addr addrs ip ips
		url urls uri uris broker brokers node nodes bootstrap seed seeds upstream upstreams target targets dsn connect proxy
		peer peers primary secondary replica replicas master slave quorum relay smarthost fqdn sentinel sentinels connection
		contactpoints contact points connectionstring datasource gateway collector backend`)...)

	// weakWords are those of addressWords that also end the keys of other words: replica: true, connection: mysql.
	weakWords = sets.New(strings.Fields(`connect proxy target targets primary secondary replica replicas master slave quorum connection connections
		connectionstring datasource gateway collector backend relay node nodes`)...)

	// secretWords are in the keys of secrets.
	secretWords = sets.New(strings.Fields(`password passwd pass pwd passphrase secret secrets token key apikey credential credentials private
		signature salt pin bearer authorization cookie sessionid`)...)

	// ignoredWords are in the keys of what is not called, wherever in the key they are.
	ignoredWords = sets.New(strings.Fields(`image images license homepage documentation docs doc readme cidr cidrs netmask subnet subnets mask
		origins origin cors allowed allowlist whitelist vhost virtualhost xmlns changelog bugs icon logo maintainer maintainers
		bind listen listener listeners listening advertised regex regexp pattern format template description comment help example
		noproxy email mail mailto from sender recipient recipients cron schedule timezone locale mime checksum sha256 digest
		apiversion namespace serializer deserializer trusted`)...)

	// lastIgnored end the keys of what is not called, and lastWords the keys of words.
	lastIgnored = sets.New(strings.Fields(`version schema schemas class classname package dialect repository repo repositories ns`)...)
	lastWords   = sets.New(strings.Fields(`file filename path dir directory driver name domain realm algorithm interval timeout prefix suffix username
		user database db topic queue exchange region zone bucket type mode level size`)...)

	// ownWords are in the keys of the addresses of the application itself.
	ownWords = sets.New(strings.Fields(`public external callback redirect canonical self site root frontend advertise`)...)

	// ignoredAbove are keys of which nothing below is called by an application.
	ignoredAbove = sets.New(strings.Fields(`ingress ingresses ingressroute httproute tls certificate certificates labels annotations metadata
		image images podlabels podannotations nodeselector affinity tolerations livenessprobe readinessprobe startupprobe
		resources volumes volumemounts repositories logger loggers dependencies devdependencies xmlns licenses maintainers networkpolicy
		servicemonitor podmonitor hostaliases dnsconfig securitycontext cors openapi swagger virtualhosts docs doc documentation license`)...)
)

// roleOf is the role of a key, by the words of its last part, and by the parts above.
func roleOf(path []string) role {
	parts := partsOf(path)
	if len(parts) == 0 {
		return neutral
	}
	words := wordsOf(parts[len(parts)-1])
	hasWord := func(set sets.Set[string]) bool { return set.HasAny(words...) }
	last := previous(words)
	isCalled := addressWords.Has(last)
	isMailServer := isCalled && hasWord(mailWords) && !hasWord(senderWords)
	switch {
	case slices.ContainsFunc(parts[:len(parts)-1], isIgnoredAbove), slices.Contains([]string{"$schema", "@context", "xsi"}, parts[0]):
		return ignored
	case lastIgnored.Has(last), hasWord(ignoredWords) && !isMailServer, last == "proxy" && slices.Contains(words, "no"):
		return ignored
	case hasWord(secretWords) && (!isCalled || last == "connection"):
		return secret
	case isOwn(parts, words):
		return own
	case lastWords.Has(last):
		return word
	case isCalled && weakWords.Has(last):
		return weak
	case isCalled:
		return address
	}
	return neutral
}

// partsOf are the parts of a key, also of a key with dots.
func partsOf(path []string) (parts []string) {
	for _, key := range path {
		parts = append(parts, strings.FieldsFunc(key, func(r rune) bool { return strings.ContainsRune(".:[]", r) })...)
	}
	return parts
}

func isIgnoredAbove(part string) bool {
	return ignoredAbove.Has(strings.ToLower(strings.ReplaceAll(part, "-", "")))
}

var (
	// mailWords are of a mail server in a key that ends with an address word: MAIL_HOST.
	mailWords   = sets.New(strings.Fields(`mail email`)...)
	senderWords = sets.New(strings.Fields(`from sender recipient recipients mailto allowed`)...)

	// ownPlaces are where servers set the address that they listen on.
	ownPlaces = sets.New(strings.Fields(`server webserver http https management web api admin metrics`)...)
	ownKeys   = sets.New(strings.Fields(`address host addr hostname ip`)...)
)

// isOwn says whether a key is about the application itself: app.url, publicUrl, and server.address at the top.
func isOwn(parts, words []string) bool {
	if ownWords.HasAny(words...) {
		return true
	}
	if len(words) == 2 && words[0] == "app" && (words[1] == "url" || words[1] == "host") {
		return true
	}
	if len(parts) == 1 {
		return parts[0] == "hostname"
	}
	isBase := len(words) == 2 && words[0] == "base" && words[1] == "url"
	return len(parts) == 2 && ownPlaces.Has(strings.ToLower(parts[0])) && (isBase || ownKeys.Has(strings.ToLower(parts[1])))
}

// portKeys are the words of the keys that the port of a host may have.
func portKeys(words []string) []string {
	text := strings.Join(words, " ")
	keys := []string{text + " port"}
	for i := len(words) - 1; i >= 0 && addressWords.Has(words[i]); i-- {
		keys = append(keys, strings.TrimSpace(strings.Join(words[:i], " ")+" port"))
	}
	return keys
}
