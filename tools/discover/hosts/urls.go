package hosts

import (
	"regexp"
	"strings"
)

var (
	// urlStart is the scheme of a URL, at the start of a value or behind something that ends another one.
	urlStart = regexp.MustCompile(`(?:^|[\s,;|"'<>(\[=])((?i:[a-z][a-z0-9+._-]{1,30}))://`)

	// parameters are what follows a host and may have an "@" that is not the end of a password.
	parameters = regexp.MustCompile(`[?;:&][A-Za-z][\w.-]*=`)
)

// InURLs recognises the URLs in a value. isWhole says whether the value is nothing but URLs.
func InURLs(value string) (hits []Host, isWhole bool) {
	starts := urlStart.FindAllStringSubmatchIndex(value, -1)
	isWhole = len(starts) > 0 && starts[0][2] == 0
	for i, start := range starts {
		end := len(value)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		rest := value[start[3]+len("://") : end]
		text := untilSpace(rest)
		if start[2] > 0 { // within a text, where quotes and brackets end it
			text = untilAny(text, "\"'<>`)|")
		}
		if len(text) < len(rest) && strings.Contains(rest[len(text):], "@") && !strings.Contains(text, "@") {
			continue // perhaps the rest of a password
		}
		if strings.TrimSpace(rest[len(text):]) != "" {
			isWhole = false
		}
		name := strings.ToLower(value[start[2]:start[3]])
		hits = append(hits, urlHosts(name, strings.TrimRight(text, ",;"))...)
	}
	for i := range hits {
		hits[i].IsListed = len(hits) > 1
	}
	return hits, isWhole
}

// urlHosts are the hosts of a URL of a scheme, from the text behind "://".
func urlHosts(name, text string) []Host {
	if base, _, _ := strings.Cut(name, "+"); notServers.Has(base) || strings.HasSuffix(name, "+unix") {
		return nil
	}
	known, isKnown := SchemeOf(name)
	authority, ok := authorityOf(text, isKnown && known.Name != "http" && known.Name != "https")
	if !ok {
		return nil
	}
	var hits []Host
	for part := range strings.SplitSeq(authority, ",") {
		h, ok := ParseHostPort(strings.TrimSpace(part), known.Port)
		if !ok {
			continue
		}
		h.Scheme, h.Doubtful = name, !isKnown
		hits = append(hits, h)
	}
	return hits
}

// authorityOf are the hosts and ports of a URL, without the user and the password. A password may have any
// character in it, also "@", ":", "/" and "?": where the end of it is not certain, there is no authority.
func authorityOf(text string, mayHavePassword bool) (string, bool) {
	first := untilAny(text, "/?#;")
	rest := text[len(first):]
	at := strings.LastIndex(text, "@")
	switch {
	case at < 0:
		return first, true
	case strings.Contains(first, "@") && !strings.Contains(beforeParameters(rest), "@"):
		return first[strings.LastIndex(first, "@")+1:], true
	case !strings.Contains(beforeParameters(rest), "@") && !strings.Contains(first, "@"):
		return first, true
	case mayHavePassword, strings.Contains(first, "@"):
		return untilAny(text[at+1:], "/?#;"), true
	case strings.Contains(first, ":") || !strings.Contains(first, "."):
		return "", false
	}
	return first, true // as in https://registry.example/@scope/package
}

// beforeParameters is the part of a text before its parameters, such as ?user=a or ;user=a.
func beforeParameters(text string) string {
	if match := parameters.FindStringIndex(text); match != nil {
		return text[:match[0]]
	}
	return text
}

func untilSpace(text string) string { return untilAny(text, " \t\r\n") }

func untilAny(text, characters string) string {
	if i := strings.IndexAny(text, characters); i >= 0 {
		return text[:i]
	}
	return text
}
