package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A path leads to a value: strings are the keys of maps, and ints the positions in lists.

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// printPath prints a path, such as ports[1].name or labels["a b"].
func printPath(path []any) string {
	var out strings.Builder
	for _, step := range path {
		key, isKey := step.(string)
		switch {
		case !isKey:
			fmt.Fprintf(&out, "[%d]", step)
		case !plainKey.MatchString(key):
			fmt.Fprintf(&out, "[%q]", key)
		case out.Len() > 0:
			out.WriteString("." + key)
		default:
			out.WriteString(key)
		}
	}
	return out.String()
}

var pathStep = regexp.MustCompile(`\[([0-9]+)\]|[^.\[\]]+`)

// parsePath reads a field as the chart prints it, such as ports[1].name.
func parsePath(field string) []any {
	var path []any
	for _, match := range pathStep.FindAllStringSubmatch(field, -1) {
		if i, err := strconv.Atoi(match[1]); err == nil {
			path = append(path, i)
		} else {
			path = append(path, match[0])
		}
	}
	return path
}

// join is a new path from the parts of one.
func join(path []any, steps ...any) []any { return slices.Concat(path, steps) }

// lookup finds the value at a path.
func lookup(values any, path []any) (value any, found bool) {
	for _, step := range path {
		switch v := values.(type) {
		case map[string]any:
			key, _ := step.(string)
			if values, found = v[key]; !found {
				return nil, false
			}
		case []any:
			i, ok := step.(int)
			if !ok || i < 0 || i >= len(v) {
				return nil, false
			}
			values = v[i]
		default:
			return nil, false
		}
	}
	return values, true
}

// instancePath is the location of a value, as a validator gives it, as a path.
func instancePath(values any, location []string) []any {
	var path []any
	for _, step := range location {
		if list, ok := values.([]any); ok {
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(list) {
				return path
			}
			path, values = append(path, i), list[i]
			continue
		}
		path = append(path, step)
		values, _ = lookup(values, []any{step})
	}
	return path
}

// subject splits a path into the name of an entry, which is empty for what is not an entry's, and
// the field: below the entry, or else the whole path, as for an override.
func subject(path, whole []any, nameOf func(index any) string) (entry, field string) {
	if len(path) > 2 && path[0] == "services" {
		if name := nameOf(path[1]); name != "" {
			return name, printPath(path[2:])
		}
	}
	if depth := map[any]int{"overrides": 1, "namespaceOverrides": 2}[path[0]]; depth > 0 && len(path) > depth+1 {
		entry, _ = path[depth].(string)
	}
	return entry, printPath(whole)
}
