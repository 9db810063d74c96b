package lint

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// typeWords are the types of a schema.
var typeWords = []struct{ kind, words string }{
	{"string", "a string"},
	{"integer", "a whole number"},
	{"boolean", "true or false"},
	{"array", "a list"},
	{"object", "a map"},
	{"null", "null"},
}

// describe says in words what a schema accepts.
func describe(schema *jsonschema.Schema) string {
	for schema.Ref != nil {
		schema = schema.Ref
	}
	if schema.Enum != nil {
		return either(texts(schema.Enum.Values))
	}
	var accepted []string
	for _, t := range typeWords {
		if schema.Types == nil || !slices.Contains(schema.Types.ToStrings(), t.kind) {
			continue
		}
		words := t.words
		switch items, _ := schema.Items.(*jsonschema.Schema); {
		case t.kind == "integer" && schema.Minimum != nil && schema.Maximum != nil:
			words += fmt.Sprintf(" from %s to %s", schema.Minimum.RatString(), schema.Maximum.RatString())
		case t.kind == "array" && items != nil:
			words += ", each item " + describe(items)
		case t.kind == "object" && len(schema.Required) == 1:
			words += " with the key " + schema.Required[0]
		}
		accepted = append(accepted, words)
	}
	if len(accepted) == 0 {
		return "another value"
	}
	if len(schema.Examples) > 0 {
		return fmt.Sprintf("%s, such as %v", either(accepted), schema.Examples[0])
	}
	return either(accepted)
}

// show names a value: a scalar as JSON, a list and a map only as such.
func show(value any) string {
	switch value.(type) {
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// texts prints the values of a list.
func texts(values []any) []string {
	var list []string
	for _, value := range values {
		list = append(list, fmt.Sprint(value))
	}
	return list
}

// either joins words to "a, b or c".
func either(words []string) string {
	var shown []string
	for _, word := range words {
		shown = append(shown, cmp.Or(word, `""`))
	}
	if len(shown) < 2 {
		return strings.Join(shown, "")
	}
	last := len(shown) - 1
	return strings.Join(shown[:last], ", ") + " or " + shown[last]
}
