package syntax

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
)

// TextKey is the key of the text of an XML element that has attributes too.
const TextKey = "#text"

// readXML reads an XML document: an element is a map of its attributes and elements, or the text in it.
// Namespaces and where their schemas are (xmlns, xsi:schemaLocation) are not settings.
func readXML(text string) (*Node, error) {
	decoder := xml.NewDecoder(strings.NewReader(text))
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	decoder.Entity = xml.HTMLEntity
	root := &Node{Kind: Mapping, Line: 1}
	open := []*Node{root}
	for {
		line, _ := decoder.InputPos()
		begin := decoder.InputOffset()
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return root, nil
		}
		if err != nil {
			return root, err
		}
		parent := open[len(open)-1]
		switch token := token.(type) {
		case xml.StartElement:
			child := &Node{Kind: Mapping, Line: line}
			raw := text[begin:decoder.InputOffset()]
			for _, attribute := range token.Attr {
				child.addAttribute(attribute, raw, line)
			}
			parent.Fields = append(parent.Fields, Field{token.Name.Local, child})
			open = append(open, child)
		case xml.CharData:
			if content := strings.TrimSpace(string(token)); content != "" {
				before, _, _ := strings.Cut(string(token), content)
				value := &Node{Line: line + strings.Count(before, "\n"), Text: content}
				parent.Fields = append(parent.Fields, Field{TextKey, value})
			}
		case xml.EndElement:
			open = open[:len(open)-1]
			parent.simplify()
		}
	}
}

// addAttribute adds an attribute of an element that begins on a line.
func (n *Node) addAttribute(attribute xml.Attr, raw string, line int) {
	space, name := attribute.Name.Space, attribute.Name.Local
	if space == "xmlns" || name == "xmlns" || strings.HasSuffix(strings.ToLower(name), "schemalocation") {
		return
	}
	at := regexp.MustCompile(`[\s:]` + regexp.QuoteMeta(name) + `\s*=\s*["']`).FindStringIndex(raw)
	if at != nil {
		line += strings.Count(raw[:at[1]], "\n")
	}
	n.Fields = append(n.Fields, Field{name, &Node{Line: line, Text: attribute.Value}})
}

// simplify makes an element without attributes and elements its text.
func (n *Node) simplify() {
	if len(n.Fields) == 0 {
		*n = Node{Line: n.Line}
	} else if len(n.Fields) == 1 && n.Fields[0].Key == TextKey {
		*n = *n.Fields[0].Value
	}
}
