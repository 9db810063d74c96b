package main

import (
	"fmt"
	"strings"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v3"

	"external-services/tools/schema"
	"external-services/tools/values"
)

// maxLine is the length at which comments and descriptions wrap.
const maxLine = 80

// valuesYAML returns the chart's values.yaml: every key with its default below its description,
// and entries in comments to start from.
func valuesYAML(defaults values.Values) []byte {
	var out strings.Builder
	out.WriteString("# yaml-language-server: $schema=values.schema.json\n#\n")
	wrap(&out, "#", "The values of the chart external-services and their defaults. "+
		"Generated from tools/values by make generate: DO NOT EDIT.")
	writeKeys(&out, "", schema.Reflect(defaults))
	return []byte(out.String())
}

func writeKeys(out *strings.Builder, indent string, s *jsonschema.Schema) {
	for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
		key, property := pair.Key, pair.Value
		if indent == "" {
			out.WriteString("\n")
		}
		wrap(out, indent+"#", property.Description)
		if property.Properties != nil {
			fmt.Fprintf(out, "%s%s:\n", indent, key)
			writeKeys(out, indent+"  ", property)
			continue
		}
		fmt.Fprintf(out, "%s%s: %s\n", indent, key, literal(property.Default))
		if key == "services" {
			for line := range strings.Lines(everyKey(entries)) {
				out.WriteString("# " + line)
			}
		}
	}
}

// wrap writes a text in lines of at most maxLine characters that start with a prefix.
func wrap(out *strings.Builder, prefix, text string) {
	line := prefix
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > maxLine {
			out.WriteString(line + "\n")
			line = prefix
		}
		line += " " + word
	}
	out.WriteString(line + "\n")
}

// literal writes a value as YAML on one line.
func literal(value any) string {
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		panic(err) // the values are of this repository
	}
	node.Style |= yaml.FlowStyle
	text, err := yaml.Marshal(&node)
	if err != nil {
		panic(err)
	}
	return strings.TrimSuffix(string(text), "\n")
}
