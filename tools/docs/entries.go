package docs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"external-services/tools/schema"
)

// everyKey returns entries with every key of an entry: those that they do not show follow
// the key that comes before in the Go type, with an example.
func everyKey(entries string) string {
	lines := strings.Split(strings.TrimSuffix(entries, "\n"), "\n")
	before := map[int]string{} // by depth: fields of an address and a port stand deeper
	for _, p := range schema.Properties() {
		path, inEntry := strings.CutPrefix(p.Key, "services[].")
		if !inEntry {
			continue
		}
		key, depth := path[strings.LastIndex(path, ".")+1:], strings.Count(path, ".")
		if place, _ := find(lines, key, depth); place < 0 {
			place, indent := find(lines, before[depth], depth)
			if place < 0 {
				panic(fmt.Sprintf("docs: entries.yaml shows no key before %s: write an example of %s into it", path, path))
			}
			place++
			for place < len(lines) && strings.HasPrefix(lines[place], indent+" ") {
				place++
			}
			lines = slices.Insert(lines, place, indent+key+": "+example(path, p.Schema))
		}
		before[depth] = key
		delete(before, depth+1)
	}
	return strings.Join(lines, "\n") + "\n"
}

// find returns the place of the last line that shows a key of an entry, or with the depth
// 1 of an address or a port, be it in a comment, and what stands before such a key. The
// place is -1 for none.
func find(lines []string, key string, depth int) (place int, indent string) {
	indent = strings.Repeat(" ", 2+4*depth)
	line := regexp.MustCompile(`^` + indent[2:] + `(- |  |  \S.*# .* )` + regexp.QuoteMeta(key) + `:`)
	for place = len(lines) - 1; place >= 0 && !line.MatchString(lines[place]); place-- {
	}
	return place, indent
}

// example is a value of a property, as it stands in a values file.
func example(path string, s *jsonschema.Schema) string {
	switch {
	case len(s.Examples) > 0:
		return literal(s.Examples[0])
	case len(s.Enum) > 0:
		return literal(s.Enum[len(s.Enum)-1])
	case s.Type == "boolean":
		return "false"
	}
	panic(fmt.Sprintf("docs: %s has no example: write one into the tag jsonschema of its field, such as jsonschema:\"example=eu-1a\"", path))
}
