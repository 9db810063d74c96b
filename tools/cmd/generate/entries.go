package main

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"external-services/tools/schema"
	"external-services/tools/values"
)

// entries are the entries that values.yaml shows in comments. everyKey adds the keys that they lack.
//
//go:embed entries.yaml
var entries string

// everyKey adds the keys that entries do not show, each with an example after the key before it in the Go type.
func everyKey(entries string) string {
	entry := schema.Reflect(values.Default()).Properties.Value("services").Items
	return strings.Join(addKeys(strings.SplitAfter(entries, "\n"), "  ", entry), "")
}

// addKeys adds the keys of an entry, or of a map or list in it, such as ports, which are indented deeper.
func addKeys(lines []string, indent string, s *jsonschema.Schema) []string {
	for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
		if lastLine(lines, indent, pair.Key) < 0 {
			at := -1
			if previous := pair.Prev(); previous != nil {
				at = lastLine(lines, indent, previous.Key)
			}
			if at < 0 {
				panic(fmt.Sprintf("entries.yaml shows no key before %s: add an example of %s", pair.Key, pair.Key))
			}
			at++
			for strings.HasPrefix(lines[at], indent+" ") { // the value of the previous key
				at++
			}
			lines = slices.Insert(lines, at, indent+pair.Key+": "+example(pair.Key, pair.Value)+"\n")
		}
		if items := pair.Value.Items; items != nil && items.Properties != nil {
			lines = addKeys(lines, indent+"    ", items)
		} else if pair.Value.Properties != nil {
			lines = addKeys(lines, indent+"  ", pair.Value)
		}
	}
	return lines
}

// lastLine returns the index of the last line that shows a key, be it in a comment, or -1.
func lastLine(lines []string, indent, key string) int {
	pattern := regexp.MustCompile(`^` + indent[2:] + `(- |  |  \S.*# .* )` + key + `:`)
	for i, line := range slices.Backward(lines) {
		if pattern.MatchString(line) {
			return i
		}
	}
	return -1
}

// example returns an example of a key as YAML.
func example(key string, s *jsonschema.Schema) string {
	switch {
	case len(s.Examples) > 0:
		return literal(s.Examples[0])
	case len(s.Enum) > 0:
		return literal(s.Enum[len(s.Enum)-1])
	case s.Type == "boolean":
		return "false"
	}
	panic(fmt.Sprintf(`%s has no example: add one to the tag of its field, such as jsonschema:"example=eu-1a"`, key))
}
