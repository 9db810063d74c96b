// Package syntax reads configuration files of all formats as trees of nodes, which know their lines.
package syntax

import (
	"slices"
	"strings"
)

// Node is a value of a structured file: a scalar, a map or a list. YAML, JSON, TOML and XML become nodes, so that
// the rules about settings are written once.
type Node struct {
	Line   int // where it begins, from 1
	Kind   Kind
	Text   string // of a scalar
	Block  bool   // a scalar of YAML whose text begins on the next line
	Fields []Field
	Items  []*Node
}

// Field is a key of a map, in the order of the file. A key may be there twice, as in XML.
type Field struct {
	Key   string
	Value *Node
}

// Kind is what a value is.
type Kind int

// The kinds of values.
const (
	Scalar Kind = iota
	Mapping
	Sequence
)

// Get returns the value of a key, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	i := slices.IndexFunc(n.Fields, func(f Field) bool { return f.Key == key })
	if i < 0 {
		return nil
	}
	return n.Fields[i].Value
}

// At follows keys, and returns nil if one is not there.
func (n *Node) At(keys ...string) *Node {
	for _, key := range keys {
		n = n.Get(key)
	}
	return n
}

// ScalarText is the text of a scalar, and empty for anything else.
func (n *Node) ScalarText() string {
	if n == nil || n.Kind != Scalar {
		return ""
	}
	return n.Text
}

// List returns the items of a list, or nil.
func (n *Node) List() []*Node {
	if n == nil {
		return nil
	}
	return n.Items
}

// IsMultiline says whether a scalar has several lines.
func (n *Node) IsMultiline() bool {
	return n.Kind == Scalar && strings.Contains(strings.TrimSpace(n.Text), "\n")
}

// Move changes the lines of a value and of all below it.
func (n *Node) Move(to func(line int) int) {
	n.Line = to(n.Line)
	for _, f := range n.Fields {
		f.Value.Move(to)
	}
	for _, item := range n.Items {
		item.Move(to)
	}
}
