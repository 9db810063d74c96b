// Slim takes out of a copy of the chart what only its source needs: the comments of its
// templates, and the white space and descriptions of its values.schema.json. Helm stores
// the templates and the schema in the Secret of each revision of each release.
//
//	slim CHART
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// comment is a comment of a template with the white space that it trims, see
// https://pkg.go.dev/text/template#hdr-Text_and_spaces.
var comment = regexp.MustCompile(`(?s)(?:\s*\{\{- |\{\{)/\*.*?\*/(?: -\}\}\s*|\}\})`)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: slim CHART")
		os.Exit(2)
	}
	if err := slim(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "slim:", err)
		os.Exit(1)
	}
}

func slim(chart string) error {
	templates, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	if err != nil {
		return err
	}
	if len(templates) == 0 {
		return fmt.Errorf("%s has no templates", chart)
	}
	for _, path := range templates {
		if err := rewrite(path, func(text []byte) ([]byte, error) { return comment.ReplaceAll(text, nil), nil }); err != nil {
			return err
		}
	}
	return rewrite(filepath.Join(chart, "values.schema.json"), func(text []byte) ([]byte, error) {
		var schema any
		if err := json.Unmarshal(text, &schema); err != nil {
			return nil, err
		}
		dropDescriptions(schema)
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		err := encoder.Encode(schema)
		return out.Bytes(), err
	})
}

// dropDescriptions takes the descriptions out of a JSON schema: texts, while a property of that
// name has a schema. They are for editors, and no message of Helm has them.
func dropDescriptions(schema any) {
	switch schema := schema.(type) {
	case map[string]any:
		if _, is := schema["description"].(string); is {
			delete(schema, "description")
		}
		for _, inner := range schema {
			dropDescriptions(inner)
		}
	case []any:
		for _, inner := range schema {
			dropDescriptions(inner)
		}
	}
}

func rewrite(path string, change func([]byte) ([]byte, error)) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if text, err = change(text); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, text, info.Mode())
}
