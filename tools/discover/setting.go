package discover

import (
	"regexp"
	"strings"
	"unicode"

	"external-services/tools/discover/syntax"
)

// Setting is a value of a configuration.
type Setting struct {
	// Key is the whole key, such as DB_HOST or spring.datasource.url, and path its parts.
	Key  string
	path []string

	Value string
	Line  int

	// isListed says that the value is one of a list, and isProse that it is a line of a text.
	isListed, isProse bool
}

// group are the settings that are side by side: the keys of a map, the variables of a container, or a section of a
// file. The port of a host is in the same group.
type group struct {
	place    Place
	settings []*Setting
	scope    map[string]bool // the names that are known there, those of a Compose file
}

func (g *group) add(path []string, n *syntax.Node, isListed bool) {
	key := strings.Join(path, ".")
	g.settings = append(g.settings, &Setting{Key: key, path: path, Value: n.Text, Line: n.Line, isListed: isListed})
}

// below is a path and one key more.
func below(path []string, key string) []string { return append(path[:len(path):len(path)], key) }

var (
	camel  = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)
	number = regexp.MustCompile(`^[0-9]+$`)
	glued  = regexp.MustCompile(`^([a-z]{2,})(hosts?|port|hostname|servers?|addr|url|uri|dsn|broker|password)$`)
)

// notGlued are words that end like one of glued, and mean something else.
var notGlued = map[string]bool{
	"ghost": true, "vhost": true, "virtualhost": true, "localhost": true, "import": true, "export": true,
	"report": true, "support": true, "transport": true, "passport": true, "airport": true, "observer": true,
	"observers": true, "webserver": true, "curl": true, "viewport": true,
}

// wordsOf are the words of a key in lower case: those of DB_HOST, dbHost and db.host are the same, and so are those
// of DBHOST. Numbers at the end, as in host2, are not words.
func wordsOf(key string) []string {
	key = camel.ReplaceAllString(key, "$1$3 $2$4")
	isSeparator := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	var words []string
	for _, word := range strings.FieldsFunc(strings.ToLower(key), isSeparator) {
		if number.MatchString(word) {
			continue
		}
		word = strings.TrimRight(word, "0123456789")
		if match := glued.FindStringSubmatch(word); match != nil && !notGlued[word] {
			words = append(words, match[1], match[2])
			continue
		}
		if pair := joined[previous(words)+" "+word]; pair != "" {
			words[len(words)-1] = pair
			continue
		}
		words = append(words, word)
	}
	return words
}

// joined are words that are one: HostName, VirtualHost.
var joined = map[string]string{"host name": "hostname", "virtual host": "vhost"}

func previous(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[len(words)-1]
}
