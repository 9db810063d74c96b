package values

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/mitchellh/go-wordwrap"
	"go.yaml.in/yaml/v3"
)

// Item writes the entry as an item of the list services: its keys in the order of the documentation, and
// addresses and ports in their short forms.
func (e Entry) Item() []byte {
	text, err := json.Marshal(e)
	try(err)
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	item := node(decoder)
	style(item)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	try(encoder.Encode(&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{item}}))
	try(encoder.Close())
	return out.Bytes()
}

// Comment writes a text as the comment of several lines above an entry of a values file. Its
// first line begins with a label, and the others below the text. Characters that end a comment, or that
// YAML does not allow, become spaces.
func Comment(indent, label, text string) string {
	const width = 98
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) })
	text = wordwrap.WrapString(strings.Join(words, " "), uint(max(1, width-len(indent+"# "+label))))
	below := indent + "# " + strings.Repeat(" ", len(label))
	return indent + "# " + label + strings.ReplaceAll(text, "\n", "\n"+below) + "\n"
}

// node makes a YAML node of a JSON value, with the keys in their order. A YAML parser would refuse characters
// that JSON allows.
func node(decoder *json.Decoder) *yaml.Node {
	token, err := decoder.Token()
	try(err)
	switch token := token.(type) {
	case json.Delim:
		out := &yaml.Node{Kind: yaml.MappingNode}
		if token == '[' {
			out.Kind = yaml.SequenceNode
		}
		for decoder.More() {
			out.Content = append(out.Content, node(decoder))
		}
		_, err := decoder.Token() // the end of it
		try(err)
		return out
	case string:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: token}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(token)} // a number or a bool
}

// unquoted matches what every version of YAML reads as a string, unless it is one of the words.
var (
	unquoted = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9_]*([./][-A-Za-z0-9_]+)*$|^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$`)
	words    = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null)$`)
)

// style gives an entry the style of the examples: maps and lists in blocks, but a port, an address and a few
// names on one line.
func style(item *yaml.Node) {
	var walk func(n *yaml.Node, inList bool)
	walk = func(n *yaml.Node, inList bool) {
		switch {
		case n.Kind != yaml.ScalarNode && inList:
			n.Style = yaml.FlowStyle
		case n.Tag == "!!str" && (!unquoted.MatchString(n.Value) || words.MatchString(n.Value)):
			n.Style = yaml.DoubleQuotedStyle
		}
		for _, child := range n.Content {
			walk(child, inList || n.Kind == yaml.SequenceNode)
		}
	}
	walk(item, false)
	isMap := func(n *yaml.Node) bool { return n.Kind == yaml.MappingNode }
	for i := 0; i+1 < len(item.Content); i += 2 {
		value := item.Content[i+1]
		isShort := len(value.Content) <= 4 && !slices.ContainsFunc(value.Content, isMap)
		switch key := item.Content[i].Value; {
		case key == "selector", isShort && (key == "addresses" || key == "namespaces"):
			value.Style = yaml.FlowStyle
		}
	}
}

// try panics on an error that cannot happen.
func try(err error) {
	if err != nil {
		panic(err)
	}
}
