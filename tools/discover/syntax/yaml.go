package syntax

import (
	"errors"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Template is what stands in place of what a template engine fills in: it is never a part of a host.
const Template = "__TEMPLATE__"

var (
	// action is an action of a Go template, as in the templates of a chart, or of Jinja.
	action = regexp.MustCompile(`(?s)\{\{.*?\}\}|\{%.*?%\}`)
	// control is a line of nothing but actions.
	control = regexp.MustCompile(`(?m)^[ \t]*(__TEMPLATE__[ \t]*)+\r?$`)
)

// withoutActions replaces the actions of templates, and keeps the lines where they are.
func withoutActions(text string) string {
	if !strings.Contains(text, "{{") && !strings.Contains(text, "{%") {
		return text
	}
	text = action.ReplaceAllStringFunc(text, func(action string) string {
		return Template + strings.Repeat("\n", strings.Count(action, "\n"))
	})
	return control.ReplaceAllString(text, "")
}

// readYAML reads the documents of a text. Actions of templates become a text that is no host.
func readYAML(text string) ([]*Node, error) {
	decoder := yaml.NewDecoder(strings.NewReader(withoutActions(text)))
	var documents []*Node
	for {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return documents, nil
		case err != nil:
			return documents, err
		}
		documents = append(documents, fromYAML(&document, 0))
	}
}

// maxDepth ends aliases that contain themselves.
const maxDepth = 100

func fromYAML(from *yaml.Node, depth int) *Node {
	n := &Node{Line: from.Line}
	if depth > maxDepth {
		return n
	}
	switch from.Kind {
	case yaml.DocumentNode:
		return fromYAML(from.Content[0], depth+1)
	case yaml.AliasNode:
		return fromYAML(from.Alias, depth+1)
	case yaml.ScalarNode:
		n.Text, n.Block = from.Value, from.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	case yaml.SequenceNode:
		n.Kind = Sequence
		for _, item := range from.Content {
			n.Items = append(n.Items, fromYAML(item, depth+1))
		}
	case yaml.MappingNode:
		n.Kind = Mapping
		for i := 0; i+1 < len(from.Content); i += 2 {
			value := fromYAML(from.Content[i+1], depth+1)
			if from.Content[i].Tag == "!!merge" {
				n.merge(value)
				continue
			}
			n.Fields = append(n.Fields, Field{from.Content[i].Value, value})
		}
	}
	return n
}

// merge adds the fields of "<<", a map or a list of maps. Those that the map has itself win, and so they are not
// settings.
func (n *Node) merge(from *Node) {
	for _, source := range append([]*Node{from}, from.Items...) {
		for _, f := range source.Fields {
			if n.Get(f.Key) == nil {
				n.Fields = append(n.Fields, f)
			}
		}
	}
}
