package importer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"external-services/tools/values"
)

// merge sorts entries by name and namespace, and makes one of those that differ in
// nothing but the namespace. An entry without a namespace is for the release namespace,
// which has no name here, and stays alone.
func merge(entries []*entry) ([]*entry, error) {
	slices.SortFunc(entries, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Namespace, b.Namespace))
	})
	var merged []*entry
	same := map[string]*entry{}
	for _, e := range entries {
		if e.Namespace == "" {
			merged = append(merged, e)
			continue
		}
		alike := *e
		alike.Namespace = ""
		text, err := json.Marshal(alike)
		if err != nil {
			return nil, fmt.Errorf("entry %s: %w", e.Name, err)
		}
		first, ok := same[string(text)]
		if !ok {
			same[string(text)] = e
			merged = append(merged, e)
			continue
		}
		if first.Namespace != "" {
			first.Namespaces, first.Namespace = []string{first.Namespace}, ""
		}
		first.Namespaces = append(first.Namespaces, e.Namespace)
	}
	return merged, nil
}

// yaml writes an entry as an item of the list services, without its comments.
func (e *entry) yaml() ([]byte, error) {
	// The JSON of an entry has its keys in the order of the documentation, and an address
	// in its short form where that says everything.
	text, err := json.Marshal(e.Entry)
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", e.Name, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	item, err := node(decoder)
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", e.Name, err)
	}
	restyle(item)
	list := &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{item}}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(list); err != nil {
		return nil, fmt.Errorf("entry %s: %w", e.Name, err)
	}
	return out.Bytes(), encoder.Close()
}

// node reads a JSON value as YAML, with the keys in their order. A parser of YAML would
// refuse some characters that stand in JSON as they are.
func node(decoder *json.Decoder) (*yaml.Node, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		out := &yaml.Node{Kind: yaml.MappingNode}
		if token == '[' {
			out.Kind = yaml.SequenceNode
		}
		for decoder.More() {
			child, err := node(decoder)
			if err != nil {
				return nil, err
			}
			out.Content = append(out.Content, child)
		}
		_, err := decoder.Token() // the end of it
		return out, err
	case string:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: token}, nil
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: token.String()}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(token)}, nil
	}
	return nil, fmt.Errorf("%v has no place in an entry", token)
}

// plain is what no version of YAML reads as anything but a string: neither a number, also
// not one of the base 60, nor a truth value.
var plain = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9_]*([./][-A-Za-z0-9_]+)*$|^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$`)

var words = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null)$`)

// restyle gives the nodes of an entry the style of the examples: maps and lists in blocks,
// but those of a port, an address and a few names in one line.
func restyle(item *yaml.Node) {
	var walk func(node *yaml.Node, flow bool)
	walk = func(node *yaml.Node, flow bool) {
		node.Style = 0
		if flow && node.Kind != yaml.ScalarNode {
			node.Style = yaml.FlowStyle
		}
		if node.Kind == yaml.ScalarNode && node.Tag == "!!str" && (!plain.MatchString(node.Value) || words.MatchString(node.Value)) {
			node.Style = yaml.DoubleQuotedStyle
		}
		for _, child := range node.Content {
			walk(child, flow || node != item && node.Kind == yaml.SequenceNode)
		}
	}
	walk(item, false)
	for i := 0; i+1 < len(item.Content); i += 2 {
		key, value := item.Content[i].Value, item.Content[i+1]
		short := key == "addresses" && len(value.Content) <= 4 && !slices.ContainsFunc(value.Content, func(n *yaml.Node) bool { return n.Kind != yaml.ScalarNode })
		if short || key == "namespaces" && len(value.Content) <= 4 || key == "selector" {
			value.Style = yaml.FlowStyle
		}
	}
}

// width is about how wide a line of a comment is.
const width = 96

// comment writes a text as lines of a comment. The first line of it begins with the
// prefix, and the others where its text begins.
func comment(out *strings.Builder, indent, prefix, text string) {
	line := indent + "# " + prefix
	start := len(line)
	for _, word := range strings.Fields(printable(text)) {
		if len(line) > start && len(line)+1+len(word) > width {
			out.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent + "# " + strings.Repeat(" ", len(prefix))
			start = len(line)
		}
		if len(line) > start {
			line += " "
		}
		line += word
	}
	out.WriteString(strings.TrimRight(line, " ") + "\n")
}

// printable takes out of a text what would end a comment.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffe || r == 0xffff {
			return ' '
		}
		return r
	}, text)
}

// unique drops what stands twice and keeps the order.
func unique(list []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool {
		twice := seen[s]
		seen[s] = true
		return twice
	})
}

// write writes an entry with its comments into the list services. One that is held is a
// comment altogether.
func (e *entry) write(out *strings.Builder) error {
	const indent = "  "
	text, err := e.yaml()
	if err != nil {
		return err
	}
	for _, why := range e.Held {
		comment(out, indent, "not imported: ", why)
	}
	for _, loss := range e.Losses {
		comment(out, indent, "not carried over: ", loss)
	}
	for _, remark := range e.Remarks {
		comment(out, indent, "note: ", remark)
	}
	for line := range strings.Lines(string(text)) {
		out.WriteString(indent)
		if len(e.Held) > 0 {
			out.WriteString("# ")
		}
		out.WriteString(line)
	}
	return nil
}

// head writes what was read, and what is in no entry.
func (r *Result) head(out *strings.Builder, o *Objects, left []leftOut) {
	comment(out, "", "", fmt.Sprintf("Values for the chart external-services, imported from %s: %s.", strings.Join(slices.Sorted(maps.Keys(o.sources)), ", "), o.counts()))
	losses, legacy := r.Losses > 0, false
	for _, e := range r.entries {
		legacy = legacy || e.EndpointsKind == values.EndpointsLegacy
	}
	paragraph := func(text string) {
		out.WriteString("#\n")
		comment(out, "", "", text)
	}
	if losses {
		paragraph("Above an entry stands what was not carried over, and why. What is \"not imported\" is a comment altogether: correct it, and take the # away.")
	}
	if legacy {
		paragraph("endpointsKind: Endpoints keeps the kind of object that was read. Take these lines away, one by one or all, and upgrade, and the addresses are in EndpointSlices, without a failed connection in between.")
	}
	if len(left) == 0 {
		return
	}
	out.WriteString("#\n# Left out:\n")
	byWhy := map[string][]string{}
	var reasons []string
	for _, l := range left {
		if byWhy[l.why] == nil {
			reasons = append(reasons, l.why)
		}
		byWhy[l.why] = append(byWhy[l.why], l.object)
	}
	slices.Sort(reasons)
	for _, why := range reasons {
		comment(out, "", "- ", strings.Join(byWhy[why], ", ")+": "+why)
	}
}
