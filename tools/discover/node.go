package discover

import (
	"slices"
	"strings"
)

// node is a value of a structured file: a scalar, a map or a list. YAML, JSON, TOML and XML become nodes, so that
// the rules about settings are written once.
type node struct {
	line   int // where it begins, from 1
	kind   nodeKind
	text   string // of a scalar
	block  bool   // a scalar of YAML whose text begins on the next line
	fields []field
	items  []*node
}

// field is a key of a map, in the order of the file. A key may be there twice, as in XML.
type field struct {
	key   string
	value *node
}

type nodeKind int

const (
	scalar nodeKind = iota
	mapping
	sequence
)

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	i := slices.IndexFunc(n.fields, func(f field) bool { return f.key == key })
	if i < 0 {
		return nil
	}
	return n.fields[i].value
}

// at follows keys, and returns nil if one is not there.
func (n *node) at(keys ...string) *node {
	for _, key := range keys {
		n = n.get(key)
	}
	return n
}

// scalarText is the text of a scalar, and empty for anything else.
func (n *node) scalarText() string {
	if n == nil || n.kind != scalar {
		return ""
	}
	return n.text
}

// list returns the items of a list, or nil.
func (n *node) list() []*node {
	if n == nil {
		return nil
	}
	return n.items
}

// isMultiline says whether a scalar has several lines.
func (n *node) isMultiline() bool {
	return n.kind == scalar && strings.Contains(strings.TrimSpace(n.text), "\n")
}
