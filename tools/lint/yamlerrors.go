package lint

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// yamlError says what is wrong with a text that is not YAML, and where.
type yamlError struct {
	line, column int
	problem, fix string
}

// yamlCases are the errors of Helm's YAML parser, by a part of their text. Those with a pattern
// apply if a line near that of the parser, or any if it gives none, has what is wrong.
var yamlCases = []struct {
	contains, pattern string
	problem, fix      string // without a problem, it is that of the parser
}{
	{"cannot unmarshal", "", "is not a map", "write keys at the top of the file, such as services:"},
	{"UTF-8", `\x{FFFD}`, "", "write the file in UTF-8"}, // as which regexp reads what is not UTF-8
	{"control characters", `[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x{84}\x{86}-\x{9F}]`, "",
		"delete the control character, or escape it in double quotes"},
	{"cannot start any token", `^ *\t`, "is not YAML: a tab is in the indentation", "indent with spaces"},
	{"tab character", `^ *\t`, "is not YAML: a tab is in the indentation", "indent with spaces"},
	{"unknown anchor", `\*`, "", "quote a value that begins with *, or define the anchor before it"},
	{"unsupported value", "", "contains .nan or .inf", "write a number"},
	{"map key", "", "has a key that is a list or a map", "quote a key that begins with [, { or {{"},
	{"", "", "", "check the indentation, the brackets and the quotes near this line"},
}

var (
	yamlPrefix = regexp.MustCompile(`(?s)^.*?yaml: `)
	yamlLine   = regexp.MustCompile(`\bline ([0-9]+): `)
	yamlAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)

	// The parser, unlike the scanner below it, counts lines from 0.
	fromZero = regexp.MustCompile(`did not find expected (<document start>|node content|'-' indicator|key|',' or '[\]}]')`)
)

// readYAMLError reads an error of Helm's YAML parser.
func readYAMLError(text []byte, err error) yamlError {
	message := yamlPrefix.ReplaceAllString(err.Error(), "")
	line := 0
	if match := yamlLine.FindStringSubmatch(message); match != nil {
		line, _ = strconv.Atoi(match[1])
		message = strings.Replace(message, match[0], "", 1)
		if fromZero.MatchString(message) {
			line++
		}
	}
	found := yamlError{max(1, line), 1, "is not YAML: " + oneLine(message), ""}
	for _, c := range yamlCases {
		if !strings.Contains(message, c.contains) {
			continue
		}
		if match := yamlAnchor.FindStringSubmatch(message); match != nil {
			c.pattern += regexp.QuoteMeta(match[1])
		}
		if c.pattern == "" || found.locate(text, line, regexp.MustCompile(c.pattern)) {
			found.fix = c.fix
			if c.problem != "" {
				found.problem = c.problem
			}
			break
		}
	}
	return found
}

// locate finds the line and column of a pattern near a line, or anywhere if that is 0.
func (e *yamlError) locate(text []byte, near int, pattern *regexp.Regexp) bool {
	for i, line := range bytes.Split(text, []byte("\n")) {
		at := pattern.FindIndex(line)
		if at == nil || near > 0 && (i < near-2 || i > near+1) {
			continue
		}
		e.line, e.column = i+1, utf8.RuneCount(line[:at[0]])+1
		return true
	}
	return false
}
