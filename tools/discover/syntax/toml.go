package syntax

import (
	"github.com/pelletier/go-toml/v2/unstable"
)

// readTOML reads a TOML document. Its parser is the only one for Go that says where a value is.
func readTOML(text string) (*Node, error) {
	root := &Node{Kind: Mapping, Line: 1}
	table := root
	parser := &unstable.Parser{}
	parser.Reset([]byte(text))
	for parser.NextExpression() {
		switch expression := parser.Expression(); expression.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = &Node{Kind: Mapping}
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

func tomlValue(parser *unstable.Parser, expression *unstable.Node) *Node {
	line := 0
	for iterator := expression.Key(); iterator.Next(); {
		line = parser.Shape(iterator.Node().Raw).Start.Line
	}
	return fromTOML(parser, expression.Value(), line)
}

// fromTOML makes a node of a value. Only strings know where they are: other values are on the line of their key.
func fromTOML(parser *unstable.Parser, from *unstable.Node, line int) *Node {
	if from.Kind == unstable.String && from.Raw.Length > 0 {
		line = parser.Shape(from.Raw).Start.Line
	}
	n := &Node{Line: line}
	switch from.Kind {
	case unstable.Array:
		n.Kind = Sequence
		for items := from.Children(); items.Next(); {
			if items.Node().Kind != unstable.Comment {
				n.Items = append(n.Items, fromTOML(parser, items.Node(), line))
			}
		}
	case unstable.InlineTable:
		n.Kind = Mapping
		for items := from.Children(); items.Next(); {
			n.set(keysOf(items.Node().Key()), tomlValue(parser, items.Node()), false)
		}
	default:
		n.Text = string(from.Data)
	}
	return n
}

// set sets a value below some keys, of which the maps are made where they are missing. In a list of tables, a key
// means the last one.
func (n *Node) set(keys []string, value *Node, isItem bool) {
	for _, key := range keys[:len(keys)-1] {
		n = n.child(key, Mapping)
	}
	key := keys[len(keys)-1]
	switch {
	case isItem:
		list := n.child(key, Sequence)
		list.Items = append(list.Items, value)
	case n.Get(key) != nil && value.Kind == Mapping && n.Get(key).Kind == Mapping:
		*value = *n.Get(key) // a table that was made by a longer key before
		n.replace(key, value)
	default:
		n.Fields = append(n.Fields, Field{key, value})
	}
}

func (n *Node) replace(key string, value *Node) {
	for i := range n.Fields {
		if n.Fields[i].Key == key {
			n.Fields[i].Value = value
		}
	}
}

// child is the map or list of a key, made where it is missing.
func (n *Node) child(key string, kind Kind) *Node {
	child := n.Get(key)
	switch {
	case child == nil:
		child = &Node{Kind: kind}
		n.Fields = append(n.Fields, Field{key, child})
	case kind == Mapping && child.Kind == Sequence && len(child.Items) > 0:
		return child.Items[len(child.Items)-1]
	}
	return child
}
