package lint

import (
	"slices"

	"external-services/tools/findings"
	"external-services/tools/helm"
)

// part is the chart external-services, or a subchart that is one, with its values.
type part struct {
	*helm.Part

	refused   map[string]bool // paths with an error, printed
	malformed [][]any         // paths of values with a wrong type, or that are missing
}

// report adds a finding about the value at a path of a part, or about its key.
func (l *linter) report(p *part, path []any, key bool, code findings.Code, args findings.Args) {
	entry, field := subject(path, p.whole(path), func(index any) string {
		name, _ := lookup(p.Values, []any{"services", index, "name"})
		text, _ := name.(string)
		return text
	})
	l.add(l.layers.find(p.whole(path), key), code, entry, field, args)
}

// whole is a path of the part in the values of the whole chart.
func (p *part) whole(path []any) []any { return slices.Concat(p.Path, path) }

// refuses says whether there is an error about the value at a path, or what contains it.
func (p *part) refuses(path []any) bool {
	for i := range path {
		if p.refused[printPath(path[:i+1])] {
			return true
		}
	}
	return false
}

// set sets the value at a path.
func (p *part) set(path []any, value any) {
	container, _ := lookup(p.Values, path[:len(path)-1])
	switch last := path[len(path)-1].(type) {
	case string:
		if container, ok := container.(map[string]any); ok {
			container[last] = value
		}
	case int:
		if container, ok := container.([]any); ok && last < len(container) {
			container[last] = value
		}
	}
}

// unnamed is the name for an entry without one, and not the name of another.
func unnamed(index int) string { return printPath([]any{"services", index}) }

func isText(value any) bool {
	_, ok := value.(string)
	return ok
}
