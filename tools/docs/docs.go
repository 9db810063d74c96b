// Package docs writes what the chart's users read about its values, the chart's
// values.yaml and the tables of its README, from the schema of package schema, and
// what Artifact Hub shows of the chart.
package docs

import (
	"bytes"
	_ "embed"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"
	"sigs.k8s.io/yaml"

	"external-services/tools/schema"
)

// The lines of a README between which its tables stand.
const (
	Begin = "<!-- generated from tools/values by make generate: begin -->"
	End   = "<!-- generated from tools/values by make generate: end -->"
)

// lineLength is where comments of values.yaml wrap.
const lineLength = 80

// entries is a list of entries for a reader of values.yaml to uncomment and change.
// What it does not show of an entry, everyKey adds.
//
//go:embed entries.yaml
var entries string

// ValuesYAML returns the chart's values.yaml: the default of every key below its
// description, and commented entries to start from.
func ValuesYAML() []byte {
	var out bytes.Buffer
	out.WriteString("# yaml-language-server: $schema=values.schema.json\n#\n")
	writeComment(&out, "", "The values of the chart external-services and their defaults. Generated from tools/values by make generate: DO NOT EDIT.")
	writeKeys(&out, "", schema.Reflect())
	return out.Bytes()
}

func writeKeys(out *bytes.Buffer, indent string, s *jsonschema.Schema) {
	for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
		key, property := pair.Key, pair.Value
		if indent == "" {
			out.WriteString("\n")
		}
		writeComment(out, indent, property.Description)
		if property.Properties != nil {
			fmt.Fprintf(out, "%s%s:\n", indent, key)
			writeKeys(out, indent+"  ", property)
			continue
		}
		fmt.Fprintf(out, "%s%s: %s\n", indent, key, literal(property.Default))
		if key == "services" {
			for line := range strings.Lines(everyKey(entries)) {
				out.WriteString(strings.TrimRight("# "+line, " \n") + "\n")
			}
		}
	}
}

func writeComment(out *bytes.Buffer, indent, text string) {
	for paragraph := range strings.SplitSeq(text, "\n") {
		writeLines(out, indent+"#", paragraph)
	}
}

// writeLines writes a text in lines that begin with the same and end before lineLength.
func writeLines(out *bytes.Buffer, begin, text string) {
	line := begin
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > lineLength {
			out.WriteString(line + "\n")
			line = begin
		}
		line += " " + word
	}
	out.WriteString(line + "\n")
}

// Tables returns the README's tables: the values, and the keys of an entry.
func Tables() string {
	const entry = "services[]."
	var values, entries strings.Builder
	for _, p := range schema.Properties() {
		key, inEntry := strings.CutPrefix(p.Key, entry)
		switch {
		case inEntry:
			fmt.Fprintf(&entries, "| `%s` | %s | %s | %s |\n", key, typeName(p.Schema), map[bool]string{true: "yes"}[p.Required], cell(p.Description))
		case !p.Group() && !strings.Contains(key, "[]"): // an item of a list has no default
			fmt.Fprintf(&values, "| `%s` | %s | `%s` | %s |\n", key, typeName(p.Schema), literal(p.Default), cell(p.Description))
		}
	}
	return "| Key | Type | Default | Description |\n| --- | --- | --- | --- |\n" + values.String() +
		"\n### An entry of `services`\n\n| Key | Type | Required | Description |\n| --- | --- | --- | --- |\n" + entries.String()
}

// typeName names the type of a property as a reader of YAML would.
func typeName(s *jsonschema.Schema) string {
	switch {
	case len(s.Enum) > 0:
		choices := make([]string, len(s.Enum))
		for i, choice := range s.Enum {
			choices[i] = "`" + literal(choice) + "`"
		}
		return strings.Join(choices, ", ")
	case s.Items != nil && s.Items.Type == "object":
		return "list of maps"
	case s.Items != nil && s.Items.Type == "string":
		return "list of strings"
	case s.Items != nil:
		return "list of strings or maps"
	case s.Type == "object":
		return "map"
	}
	if several, ok := s.Extras["type"].([]string); ok {
		return strings.Join(several, " or ")
	}
	return s.Type
}

// cell makes a text fit into one cell of a Markdown table.
func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\n", " "), "|", "\\|")
}

// literal writes a default as it stands in a values file, on one line.
func literal(value any) string {
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.String:
		var read any
		if err := yaml.Unmarshal([]byte(v.String()), &read); err == nil && read == v.String() {
			return v.String()
		}
		return strconv.Quote(v.String())
	case reflect.Map:
		var pairs []string
		for _, key := range v.MapKeys() {
			pairs = append(pairs, key.String()+": "+literal(v.MapIndex(key).Interface()))
		}
		slices.Sort(pairs)
		return "{" + strings.Join(pairs, ", ") + "}"
	case reflect.Slice:
		if v.Len() > 0 {
			panic("docs: a default is a list with items, which values.yaml has no form for yet")
		}
		return "[]"
	default:
		return fmt.Sprint(value)
	}
}

// Insert returns the README with the tables between its two marker lines.
func Insert(readme []byte, tables string) ([]byte, error) {
	return insert(readme, Begin, End, "\n\n"+tables+"\n")
}

// insert puts a text between two markers.
func insert(file []byte, begin, end, text string) ([]byte, error) {
	before, rest, ok := bytes.Cut(file, []byte(begin))
	if !ok {
		return nil, fmt.Errorf("the line %q is missing: write it where the generated text begins", begin)
	}
	_, after, ok := bytes.Cut(rest, []byte(end))
	if !ok {
		return nil, fmt.Errorf("the line %q is missing: write it where the generated text ends", end)
	}
	return fmt.Appendf(nil, "%s%s%s%s%s", before, begin, text, end, after), nil
}
