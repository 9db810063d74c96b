package discover

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
)

// xmlText is the key of the text of an element that has attributes too.
const xmlText = "#text"

// readXML reads an XML document: an element is a map of its attributes and elements, or the text in it.
// Namespaces and where their schemas are (xmlns, xsi:schemaLocation) are not settings.
func readXML(text string) (*node, error) {
	decoder := xml.NewDecoder(strings.NewReader(text))
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	decoder.Entity = xml.HTMLEntity
	root := &node{kind: mapping, line: 1}
	open := []*node{root}
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
			child := &node{kind: mapping, line: line}
			raw := text[begin:decoder.InputOffset()]
			for _, attribute := range token.Attr {
				child.addAttribute(attribute, raw, line)
			}
			parent.fields = append(parent.fields, field{token.Name.Local, child})
			open = append(open, child)
		case xml.CharData:
			if content := strings.TrimSpace(string(token)); content != "" {
				before, _, _ := strings.Cut(string(token), content)
				value := &node{line: line + strings.Count(before, "\n"), text: content}
				parent.fields = append(parent.fields, field{xmlText, value})
			}
		case xml.EndElement:
			open = open[:len(open)-1]
			parent.simplify()
		}
	}
}

// addAttribute adds an attribute of an element that begins on a line.
func (n *node) addAttribute(attribute xml.Attr, raw string, line int) {
	space, name := attribute.Name.Space, attribute.Name.Local
	if space == "xmlns" || name == "xmlns" || strings.HasSuffix(strings.ToLower(name), "schemalocation") {
		return
	}
	at := regexp.MustCompile(`[\s:]` + regexp.QuoteMeta(name) + `\s*=\s*["']`).FindStringIndex(raw)
	if at != nil {
		line += strings.Count(raw[:at[1]], "\n")
	}
	n.fields = append(n.fields, field{name, &node{line: line, text: attribute.Value}})
}

// simplify makes an element without attributes and elements its text.
func (n *node) simplify() {
	if len(n.fields) == 0 {
		*n = node{line: n.line}
	} else if len(n.fields) == 1 && n.fields[0].key == xmlText {
		*n = *n.fields[0].value
	}
}
