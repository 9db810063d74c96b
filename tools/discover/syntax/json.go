package syntax

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// jsonComment is a comment, which .NET and editors allow in JSON, or a string, which may look like one.
var jsonComment = regexp.MustCompile(`(?s)"(\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/`)

// readJSON reads a JSON value, also with comments.
func readJSON(text string) (*Node, error) {
	text = jsonComment.ReplaceAllStringFunc(strings.TrimPrefix(text, "\ufeff"), func(found string) string {
		if strings.HasPrefix(found, `"`) {
			return found
		}
		return strings.Repeat("\n", strings.Count(found, "\n"))
	})
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	return (&jsonReader{decoder: decoder, text: text, line: 1}).value()
}

// jsonReader builds nodes of tokens, and counts the lines before them.
type jsonReader struct {
	decoder *json.Decoder
	text    string
	offset  int
	line    int
}

// token returns the next token and the line on which it ends: no token has several lines.
func (r *jsonReader) token() (json.Token, int, error) {
	token, err := r.decoder.Token()
	end := int(r.decoder.InputOffset())
	r.line += strings.Count(r.text[r.offset:end], "\n")
	r.offset = end
	return token, r.line, err
}

func (r *jsonReader) value() (*Node, error) {
	token, line, err := r.token()
	if err != nil {
		return nil, err
	}
	n := &Node{Line: line}
	switch token := token.(type) {
	case json.Delim:
		n.Kind = Sequence
		if token == '{' {
			n.Kind = Mapping
		}
		for r.decoder.More() {
			if err := r.addTo(n); err != nil {
				return nil, err
			}
		}
		_, _, err = r.token() // the end of it
	case nil:
	default:
		n.Text = fmt.Sprint(token)
	}
	return n, err
}

// addTo reads an item or a field of a value.
func (r *jsonReader) addTo(n *Node) error {
	key := ""
	if n.Kind == Mapping {
		token, _, err := r.token()
		if err != nil {
			return err
		}
		key, _ = token.(string)
	}
	value, err := r.value()
	if err != nil {
		return err
	}
	if n.Kind == Mapping {
		n.Fields = append(n.Fields, Field{key, value})
	} else {
		n.Items = append(n.Items, value)
	}
	return nil
}
