package main

import (
	"fmt"
	"strings"

	"github.com/invopop/jsonschema"

	"external-services/tools/schema"
	"external-services/tools/values"
)

// The lines of a README around its tables.
const (
	beginTables = "<!-- generated from tools/values by make generate: begin -->"
	endTables   = "<!-- generated from tools/values by make generate: end -->"
)

// insertTables replaces the tables of a README.
func insertTables(readme []byte, tables string) ([]byte, error) {
	return insert(readme, beginTables, endTables, "\n\n"+tables+"\n")
}

// tables returns the tables of the values and of the keys of an entry.
func tables(defaults values.Values) string {
	var top, entry strings.Builder
	for _, p := range schema.Properties(defaults) {
		key, inEntry := strings.CutPrefix(p.Key, "services[].")
		switch {
		case inEntry:
			required := map[bool]string{true: "yes"}[p.Required]
			fmt.Fprintf(&entry, "| `%s` | %s | %s | %s |\n", key, typeName(p.Schema), required, cell(p.Description))
		case !p.Group() && !strings.Contains(key, "[]"): // the items of a list have no default
			fmt.Fprintf(&top, "| `%s` | %s | `%s` | %s |\n", key, typeName(p.Schema), literal(p.Default), cell(p.Description))
		}
	}
	const line = "| --- | --- | --- | --- |\n"
	return "| Key | Type | Default | Description |\n" + line + top.String() +
		"\n### An entry of `services`\n\n| Key | Type | Required | Description |\n" + line + entry.String()
}

// typeName names the type of a property for readers of YAML.
func typeName(s *jsonschema.Schema) string {
	switch {
	case len(s.Enum) > 0:
		choices := make([]string, len(s.Enum))
		for i, choice := range s.Enum {
			choices[i] = "`" + literal(choice) + "`"
		}
		return strings.Join(choices, ", ")
	case s.Items != nil && s.Items.Type == "object" && s.Properties != nil:
		return "map or list of maps"
	case s.Items != nil && s.Items.Type == "object":
		return "list of maps"
	case s.Items != nil && s.Items.Type == "string":
		return "list of strings"
	case s.Items != nil:
		return "list of strings or maps"
	case s.Type == "object":
		return "map"
	}
	if types, ok := s.Extras["type"].([]string); ok {
		return strings.Join(types, " or ")
	}
	return s.Type
}

// cell escapes a text for a cell of a Markdown table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
