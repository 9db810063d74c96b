package lint

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"external-services/tools/findings"
)

// layer is a source of values: a file, or a flag that sets values.
type layer struct {
	file, flag string
	ofChart    bool       // the chart's own values file
	root       *yaml.Node // nil if there are no values
	second     *yaml.Node // the second document of a file

	keys map[*yaml.Node]map[string]pair // of the maps that were looked at
}

// pair is a key of a map and its value.
type pair struct{ key, value *yaml.Node }

// layers are the sources of values, later ones winning.
type layers []*layer

func (l *layer) at(n *yaml.Node) findings.Position {
	if l.flag != "" {
		return findings.Position{Flag: l.flag}
	}
	return findings.Position{File: l.file, Line: n.Line, Column: n.Column}
}

// index is the layer of a position.
func (ls layers) index(at findings.Position) int {
	return slices.IndexFunc(ls, func(l *layer) bool { return l.file == at.File && l.flag == at.Flag })
}

// find returns where the value at a path was set last, or else what was set last of the values
// that contain it. With key, it is the key of the last step instead of the value.
func (ls layers) find(path []any, key bool) findings.Position {
	best, deepest := ls.end(), 0
	for _, layer := range slices.Backward(ls) {
		if layer.root == nil {
			continue
		}
		n, depth, replaces := layer.walk(path, key)
		last := depth == len(path) || replaces
		if depth > deepest || last {
			best, deepest = layer.at(n), depth
			if layer.flag != "" {
				best.Key = printPath(path[:depth])
			}
		}
		if last {
			break
		}
	}
	return best
}

// walk follows a path as far as the layer has it. It returns the node there, how many steps it
// took, and whether the layer replaces what earlier ones have below: Helm merges maps, and
// replaces everything else.
func (l *layer) walk(path []any, key bool) (n *yaml.Node, depth int, replaces bool) {
	n = l.root
	inList := false // of this file, which replaces those of earlier ones
	for ; depth < len(path); depth++ {
		container := resolve(n)
		switch step := path[depth].(type) {
		case string:
			if container.Kind != yaml.MappingNode {
				return n, depth, true
			}
			found, ok := l.pairs(container)[step]
			if !ok {
				return n, depth, inList
			}
			n = found.value
			if key && depth == len(path)-1 {
				n = found.key
			}
		case int:
			if container.Kind != yaml.SequenceNode {
				return n, depth, true
			}
			// A flag sets single items of a list and leaves the others.
			if step >= len(container.Content) || l.flag != "" && container.Content[step].Tag == nullTag {
				return n, depth, l.flag == ""
			}
			n = container.Content[step]
			inList = l.flag == ""
		}
	}
	return n, depth, false
}

// pairs are the keys of a map with their values. Of equal keys the last one counts, as in Helm's
// parser, also if it is merged into the map.
func (l *layer) pairs(n *yaml.Node) map[string]pair {
	if known, ok := l.keys[n]; ok {
		return known
	}
	pairs := map[string]pair{}
	l.keys[n] = pairs
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), n.Content[i+1]
		switch {
		case isMerge(key):
			for _, merged := range slices.Backward(mergedMaps(value)) {
				maps.Copy(pairs, l.pairs(merged))
			}
		case key.Kind == yaml.ScalarNode:
			pairs[key.Value] = pair{key, value}
		}
	}
	return pairs
}

// mergedMaps are the maps that the value of a key << merges, the first one winning.
func mergedMaps(n *yaml.Node) []*yaml.Node {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	var found []*yaml.Node
	for _, item := range items {
		if item = resolve(item); item.Kind == yaml.MappingNode {
			found = append(found, item)
		}
	}
	return found
}

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && (key.Tag == "!!merge" || key.Tag == "")
}

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// end is the position of what is nowhere in the values: the top of the last file, or else the
// last flag.
func (ls layers) end() findings.Position {
	var at findings.Position
	for _, l := range ls {
		if l.flag == "" && !l.ofChart {
			at = findings.Position{File: l.file, Line: 1, Column: 1}
		} else if at.Line == 0 {
			at = findings.Position{File: l.file, Flag: l.flag}
		}
	}
	return at
}

const nullTag = "!!null"
