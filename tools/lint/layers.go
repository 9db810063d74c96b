package lint

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// layer is a source of values: a file, or a flag that sets values.
type layer struct {
	file, flag string
	root       *yaml.Node // nil where there is nothing to find
	more       *yaml.Node // the second document of a file
	index      int        // in the order of positions; the chart's own values are -1

	large map[*yaml.Node]map[string]int // where the keys of large maps are
}

// layers are the sources of values, later ones winning.
type layers []layer

// at is the position of a node of the layer.
func (l layer) at(n *yaml.Node) Position {
	return Position{File: l.file, Flag: l.flag, Line: n.Line, Column: n.Column, layer: l.index}
}

// node makes the nodes of parsed values, which have no lines.
func node(value any) *yaml.Node {
	switch v := value.(type) {
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, node(v[key]))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v {
			n.Content = append(n.Content, node(item))
		}
		return n
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(value)}
}

// find returns where the value at a path was written last, or what was written last of
// what is around it. With key, it is the key of the last element instead of its value.
// A path has strings for keys and ints for the items of lists.
func (ls layers) find(path []any, key bool) Position {
	best, deepest := ls.anywhere(), 0
	for i := len(ls) - 1; i >= 0; i-- {
		layer := ls[i]
		if layer.root == nil {
			continue
		}
		n, depth, cut := layer.walk(path, key)
		if depth > deepest || depth == len(path) || cut {
			best, deepest = layer.at(n), depth
			if layer.flag != "" {
				best.Key = fieldPath(path[:depth])
			}
		}
		if depth == len(path) || cut {
			break
		}
	}
	return best
}

// walk follows a path as far as the layer has it. It returns the node there, how far
// that is, and whether the layer replaces what earlier ones have further on: Helm
// merges maps, and everything else is replaced.
func (l layer) walk(path []any, key bool) (n *yaml.Node, depth int, cut bool) {
	n = l.root
	inList := false // of this file, which takes the place of those before
	for depth < len(path) {
		at := n
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		switch step := path[depth].(type) {
		case string:
			if n.Kind != yaml.MappingNode {
				return at, depth, true
			}
			k, v := l.child(n, step)
			if k == nil {
				return at, depth, inList
			}
			n = v
			if key && depth == len(path)-1 {
				n = k
			}
		case int:
			if n.Kind != yaml.SequenceNode {
				return at, depth, true
			}
			// A flag sets single items of a list and leaves the others.
			if step >= len(n.Content) || l.flag != "" && n.Content[step].Tag == "!!null" {
				return at, depth, l.flag == ""
			}
			n = n.Content[step]
			inList = l.flag == ""
		}
		depth++
	}
	return n, depth, false
}

// child finds a key of a map and its value: the last one, as Helm's parser has it, also
// in what is merged into the map at that place.
func (l layer) child(n *yaml.Node, wanted string) (k, v *yaml.Node) {
	if len(n.Content) < 64 || l.large == nil {
		return search{key: wanted}.in(n)
	}
	at, known := l.large[n]
	if !known {
		at = map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			switch key := n.Content[i]; {
			case isMerge(key) || key.Kind == yaml.AliasNode:
				return search{key: wanted}.in(n)
			case key.Kind == yaml.ScalarNode:
				at[key.Value] = i
			}
		}
		l.large[n] = at
	}
	if i, ok := at[wanted]; ok {
		return n.Content[i], n.Content[i+1]
	}
	return nil, nil
}

// search is for one key. It looks into each map that is merged once, as aliases can
// bring it in over and over.
type search struct {
	key     string
	visited map[*yaml.Node]bool
}

func (s search) in(n *yaml.Node) (k, v *yaml.Node) {
	for i := len(n.Content) - 2; i >= 0; i -= 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Value == s.key && k.Kind == yaml.ScalarNode {
			return k, v
		}
		if isMerge(k) {
			if s.visited == nil {
				s.visited = map[*yaml.Node]bool{}
			}
			if k, v := s.merged(v); k != nil {
				return k, v
			}
		}
	}
	return nil, nil
}

// merged looks into a map that is merged into another, or into a list of them, of which
// the first one that has the key counts.
func (s search) merged(n *yaml.Node) (k, v *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if s.visited[n] {
		return nil, nil
	}
	s.visited[n] = true
	switch n.Kind {
	case yaml.MappingNode:
		return s.in(n)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if k, v := s.merged(item); k != nil {
				return k, v
			}
		}
	}
	return nil, nil
}

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && (key.Tag == "!!merge" || key.Tag == "")
}

// anywhere is the position of what stands nowhere: the top of the last file, or else
// the last flag.
func (ls layers) anywhere() Position {
	for i := len(ls) - 1; i >= 0; i-- {
		if ls[i].flag == "" && ls[i].index >= 0 {
			return Position{File: ls[i].file, Line: 1, Column: 1, layer: ls[i].index}
		}
	}
	if len(ls) > 0 {
		last := ls[len(ls)-1]
		return Position{File: last.file, Flag: last.flag, layer: last.index}
	}
	return Position{}
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// fieldPath prints a path, such as ports[1].name.
func fieldPath(path []any) string {
	var out strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case int:
			fmt.Fprintf(&out, "[%d]", step)
		case string:
			switch {
			case !plainKey.MatchString(step):
				fmt.Fprintf(&out, "[%q]", step)
			case out.Len() > 0:
				out.WriteString("." + step)
			default:
				out.WriteString(step)
			}
		}
	}
	return out.String()
}

var fieldStep = regexp.MustCompile(`[^.\[\]]+`)

// parseField reads a field as the chart prints it, such as ports[1].name. Its names
// have neither dots nor digits.
func parseField(field string) []any {
	var path []any
	for _, step := range fieldStep.FindAllString(field, -1) {
		if i, err := strconv.Atoi(step); err == nil {
			path = append(path, i)
		} else {
			path = append(path, step)
		}
	}
	return path
}
