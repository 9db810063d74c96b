package discover

import (
	"github.com/pelletier/go-toml/v2/unstable"
)

// readTOML reads a TOML document. Its parser is the only one for Go that says where a value is.
func readTOML(text string) (*node, error) {
	root := &node{kind: mapping, line: 1}
	table := root
	parser := &unstable.Parser{}
	parser.Reset([]byte(text))
	for parser.NextExpression() {
		switch expression := parser.Expression(); expression.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = &node{kind: mapping}
			root.set(keysOf(expression.Key()), table, expression.Kind == unstable.ArrayTable)
		case unstable.KeyValue:
			table.set(keysOf(expression.Key()), tomlValue(parser, expression), false)
		}
	}
	return root, parser.Error()
}

// keysOf are the parts of a dotted key.
func keysOf(iterator unstable.Iterator) (keys []string) {
	for iterator.Next() {
		keys = append(keys, string(iterator.Node().Data))
	}
	return keys
}

func tomlValue(parser *unstable.Parser, expression *unstable.Node) *node {
	line := 0
	for iterator := expression.Key(); iterator.Next(); {
		line = parser.Shape(iterator.Node().Raw).Start.Line
	}
	return fromTOML(parser, expression.Value(), line)
}

// fromTOML makes a node of a value. Only strings know where they are: other values are on the line of their key.
func fromTOML(parser *unstable.Parser, from *unstable.Node, line int) *node {
	if from.Kind == unstable.String && from.Raw.Length > 0 {
		line = parser.Shape(from.Raw).Start.Line
	}
	n := &node{line: line}
	switch from.Kind {
	case unstable.Array:
		n.kind = sequence
		for items := from.Children(); items.Next(); {
			if items.Node().Kind != unstable.Comment {
				n.items = append(n.items, fromTOML(parser, items.Node(), line))
			}
		}
	case unstable.InlineTable:
		n.kind = mapping
		for items := from.Children(); items.Next(); {
			n.set(keysOf(items.Node().Key()), tomlValue(parser, items.Node()), false)
		}
	default:
		n.text = string(from.Data)
	}
	return n
}

// set sets a value below some keys, of which the maps are made where they are missing. In a list of tables, a key
// means the last one.
func (n *node) set(keys []string, value *node, isItem bool) {
	for _, key := range keys[:len(keys)-1] {
		n = n.child(key, mapping)
	}
	key := keys[len(keys)-1]
	switch {
	case isItem:
		list := n.child(key, sequence)
		list.items = append(list.items, value)
	case n.get(key) != nil && value.kind == mapping && n.get(key).kind == mapping:
		*value = *n.get(key) // a table that was made by a longer key before
		n.replace(key, value)
	default:
		n.fields = append(n.fields, field{key, value})
	}
}

func (n *node) replace(key string, value *node) {
	for i := range n.fields {
		if n.fields[i].key == key {
			n.fields[i].value = value
		}
	}
}

// child is the map or list of a key, made where it is missing.
func (n *node) child(key string, kind nodeKind) *node {
	child := n.get(key)
	switch {
	case child == nil:
		child = &node{kind: kind}
		n.fields = append(n.fields, field{key, child})
	case kind == mapping && child.kind == sequence && len(child.items) > 0:
		return child.items[len(child.items)-1]
	}
	return child
}
