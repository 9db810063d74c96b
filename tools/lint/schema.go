package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v3"

	"external-services/tools/helm"
	"external-services/tools/values"
)

// maxFaults is how many faults of the schema are said at most.
const maxFaults = 10_000

// explainSchema says in sentences what the schema of a part refuses, and takes it out
// of the values, so that the templates can go on.
func (l *linter) explainSchema(part *helm.Part, p *pruning) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(part.Schema))
	if err != nil {
		return // the part has no schema, or Helm says what is wrong with it
	}
	const url = "file:///values.schema.json"
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(url, doc); err != nil {
		return
	}
	compiled, err := compiler.Compile(url)
	if err != nil {
		return
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(compiled.Validate(part.Values), &invalid) {
		return
	}
	s := sentences{linter: l, part: part, schema: doc}
	var walk func(e *jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		for _, cause := range e.Causes {
			walk(cause)
		}
		if len(e.Causes) == 0 && len(l.faults) < maxFaults {
			s.add(e, p)
		}
	}
	walk(invalid)
	p.apply()
}

// sentences turns what the schema says into faults.
type sentences struct {
	*linter
	part   *helm.Part
	schema any
}

func (s sentences) add(e *jsonschema.ValidationError, p *pruning) {
	path := valuePath(s.part.Values, e.InstanceLocation)
	got := lookup(s.part.Values, path)
	node := s.at(path)
	f := Finding{Reason: oneLine(strings.TrimPrefix(e.Error(), "at ")), Fix: "write " + describe(node)}
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, name := range slices.Sorted(slices.Values(k.Properties)) {
			s.unknownKey(path, name, node, p)
		}
		return
	case *kind.Required:
		for _, name := range k.Missing {
			missing := append(slices.Clone(path), name)
			p.cut(missing)
			s.note(missing, false, Finding{Reason: "is missing", Fix: "write " + describe(s.at(missing))})
		}
		return
	case *kind.Type:
		f.Reason = "is " + show(got)
		if text, ok := got.(string); ok && slices.Contains(k.Want, "integer") {
			if _, err := strconv.Atoi(text); err == nil {
				f.Fix += ", without quotes"
			}
		}
		if !slices.ContainsFunc(k.Want, func(name string) bool { return name != "string" && name != "null" }) {
			switch got.(type) {
			case float64, bool, json.Number:
				f.Fix = "write a string: put it in quotes"
			}
		}
	case *kind.Enum:
		if _, ok := got.(string); !ok {
			return // the type says it
		}
		f.Reason = fmt.Sprintf("%q is not one of its values", got)
		var choices []string
		for _, choice := range k.Want {
			choices = append(choices, fmt.Sprint(choice))
		}
		if near := nearest(got.(string), choices); near != "" {
			f.Fix = "write " + near
		}
	case *kind.Minimum, *kind.Maximum:
		f.Reason = "is " + show(got)
	case *kind.Pattern:
		f.Reason, f.Fix = misfit(k.Got, func(format values.Format) bool { return format.Title == node["title"] })
		if len(path) == 3 && path[0] == "services" && path[2] == "name" {
			s.note(path, false, f)
			return // the templates can do with it, and other faults name the entry by it
		}
	case *kind.MaxLength:
		f.Reason, f.Fix = misfit(fmt.Sprint(got), func(format values.Format) bool { return format.Title == node["title"] })
	case *kind.MinItems:
		f.Reason, f.Fix = "is empty", fmt.Sprintf("write at least %d, or leave it out", k.Want)
	case *kind.UniqueItems:
		path = append(path, k.Duplicates[1])
		s.note(path, false, Finding{Reason: fmt.Sprintf("%v is there twice", lookup(s.part.Values, path)), Fix: "write each one once"})
		return // the templates can do with them
	case *kind.MaxItems:
		f.Reason = fmt.Sprintf("has %d items", k.Got)
		f.Fix = fmt.Sprintf("write at most %d", k.Want)
		s.note(path, false, f)
		return // the templates can do with them
	}
	p.cut(path)
	s.note(path, false, f)
}

// misfit says that a string does not have a format, and what to write.
func misfit(got string, is func(values.Format) bool) (reason, fix string) {
	for _, name := range slices.Concat(values.KeyFormats, slices.Sorted(maps.Keys(values.Formats))) {
		if format := values.Formats[name]; is(format) {
			return fmt.Sprintf("%q is not a valid %s", got, format.Title), "write " + format.Write
		}
	}
	return fmt.Sprintf("%q is not valid", got), "write another one"
}

// unknownKey says which key may be meant: one of the map that looks like it, or the same
// one somewhere else.
func (s sentences) unknownKey(path []any, name string, node map[string]any, p *pruning) {
	at := append(slices.Clone(path), name)
	properties, _ := node["properties"].(map[string]any)
	keys := slices.Sorted(maps.Keys(properties))
	f := Finding{Reason: "is not a key of " + holder(path)}
	patterns, _ := node["patternProperties"].(map[string]any)
	for pattern := range patterns {
		f.Reason, f.Fix = misfit(name, func(format values.Format) bool { return format.Pattern == pattern })
		s.note(at, true, f)
		return // the templates can do with it
	}
	if near := nearest(name, keys); near != "" {
		f.Fix = "write " + near
		p.mention(append(slices.Clone(path), near))
	} else if elsewhere := s.elsewhere(name); elsewhere != "" {
		f.Fix = "write it as " + elsewhere
	} else {
		f.Fix = "write " + either(keys) + ", or leave it out"
	}
	p.cut(at)
	s.note(at, true, f)
}

// note adds a fault at a path of the part's values.
func (s sentences) note(path []any, key bool, f Finding) {
	whole := append(prefix(s.part.Path), path...)
	f.Position = s.find(whole, key)
	f.Entry, f.Field = subject(s.part.Values, s.part.Path, path)
	s.faults = append(s.faults, f)
}

// holder says in words what a path holds.
func holder(path []any) string {
	if len(path) == 0 {
		return "the values"
	}
	last := path[len(path)-1]
	if _, ok := last.(int); ok && len(path) > 1 {
		switch path[len(path)-2] {
		case "services":
			return "an entry"
		case "ports":
			return "a port"
		case "addresses":
			return "an address"
		}
		return "an item of " + fieldPath(path[:len(path)-1])
	}
	switch {
	case path[0] == "overrides" && len(path) == 2:
		return "overrides of an entry"
	case path[0] == "namespaceOverrides" && len(path) == 3:
		return "overrides of an entry in one namespace"
	}
	return fieldPath(path)
}

// elsewhere is the first key of the schema that has the name and stands deeper than at
// the top of the values.
func (s sentences) elsewhere(name string) string {
	var find func(node map[string]any, at string) string // references only repeat what stands elsewhere
	find = func(node map[string]any, at string) string {
		if items, ok := node["items"].(map[string]any); ok {
			return find(items, at+"[]")
		}
		properties, _ := node["properties"].(map[string]any)
		keys := slices.Sorted(maps.Keys(properties))
		if slices.Contains(keys, name) {
			return strings.TrimPrefix(at+"."+name, ".")
		}
		for _, key := range keys {
			sub, _ := properties[key].(map[string]any)
			if found := find(sub, strings.TrimPrefix(at+"."+key, ".")); found != "" {
				return found
			}
		}
		return ""
	}
	root, _ := s.schema.(map[string]any)
	return find(root, "")
}

// at is the schema of what stands at a path, or an empty one.
func (s sentences) at(path []any) map[string]any {
	node, _ := s.schema.(map[string]any)
	for _, step := range path {
		node = s.resolved(node)
		var next any
		switch step := step.(type) {
		case int:
			next = node["items"]
		case string:
			properties, _ := node["properties"].(map[string]any)
			var ok bool
			if next, ok = properties[step]; !ok {
				next = node["additionalProperties"]
				patterns, _ := node["patternProperties"].(map[string]any)
				for _, values := range patterns {
					next = values
				}
			}
		}
		node, _ = next.(map[string]any)
	}
	return s.resolved(node)
}

// resolved follows a reference inside of the schema.
func (s sentences) resolved(node map[string]any) map[string]any {
	ref, ok := node["$ref"].(string)
	if !ok {
		return node
	}
	target := s.schema
	for _, step := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		m, _ := target.(map[string]any)
		target = m[step]
	}
	m, _ := target.(map[string]any)
	return m
}

// describe says in words what a schema accepts.
func describe(node map[string]any) string {
	if choices, ok := node["enum"].([]any); ok {
		var words []string
		for _, choice := range choices {
			words = append(words, fmt.Sprint(choice))
		}
		return either(words)
	}
	var words []string
	for _, name := range typesOf(node) {
		switch name {
		case "string":
			words = append(words, "a string")
		case "boolean":
			words = append(words, "true or false")
		case "object":
			object := "a map"
			if keys, ok := node["required"].([]any); ok && len(keys) == 1 {
				object += fmt.Sprintf(" with the key %v", keys[0])
			}
			words = append(words, object)
		case "array":
			items, _ := node["items"].(map[string]any)
			list := "a list"
			if kinds := typesOf(items); len(kinds) > 0 {
				for i, kind := range kinds {
					kinds[i] = map[string]string{"string": "strings", "object": "maps", "integer": "numbers"}[kind]
				}
				list += " of " + either(kinds)
				if keys, ok := items["required"].([]any); ok && len(keys) == 1 {
					list += fmt.Sprintf(" with the key %v", keys[0])
				}
			}
			words = append(words, list)
		case "integer":
			number := "a whole number"
			if least, most := node["minimum"], node["maximum"]; least != nil && most != nil {
				number += fmt.Sprintf(" from %v to %v", least, most)
			}
			words = append(words, number)
		case "null":
			words = append(words, "null")
		default:
			words = append(words, "a "+name)
		}
	}
	if len(words) == 0 {
		return "another value"
	}
	text := either(words)
	if examples, ok := node["examples"].([]any); ok && len(examples) > 0 {
		text += fmt.Sprintf(", such as %v", examples[0])
	}
	return text
}

func typesOf(node map[string]any) []string {
	switch t := node["type"].(type) {
	case string:
		return []string{t}
	case []any:
		var names []string
		for _, name := range t {
			names = append(names, fmt.Sprint(name))
		}
		return names
	}
	return nil
}

// either joins words to "a, b or c".
func either(words []string) string {
	shown := make([]string, len(words))
	for i, word := range words {
		shown[i] = word
		if word == "" {
			shown[i] = `""`
		}
	}
	if len(shown) < 2 {
		return strings.Join(shown, "")
	}
	last := len(shown) - 1
	return strings.Join(shown[:last], ", ") + " or " + shown[last]
}

// show names a value: scalars as they are, a list and a map as such.
func show(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	case string:
		if runes := []rune(v); len(runes) > 60 {
			v = string(runes[:60]) + "..."
		}
		return fmt.Sprintf("the string %q", v)
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}

// subject says what a path of the values is about: the entry, by its name where it has
// one, and the field. The field of what is no entry's, or of one without a name, is the
// whole path.
func subject(values map[string]any, part []string, path []any) (entry, field string) {
	whole := fieldPath(append(prefix(part), path...))
	if len(path) < 2 {
		return "", whole
	}
	switch path[0] {
	case "services":
		if name, ok := lookup(values, []any{"services", path[1], "name"}).(string); ok && name != "" {
			return name, fieldPath(path[2:])
		}
	case "overrides":
		if name, ok := path[1].(string); ok && len(path) > 2 {
			return name, whole
		}
	case "namespaceOverrides":
		if name, ok := path[min(2, len(path)-1)].(string); ok && len(path) > 3 {
			return name, whole
		}
	}
	return "", whole
}

// subject of a path of a file, which need not be what the templates see.
func (l *linter) subject(path []any, root *yaml.Node) (entry, field string) {
	if len(path) > 2 && path[0] == "services" {
		file := layer{root: root}
		if n, depth, _ := file.walk([]any{"services", path[1], "name"}, false); depth == 3 && n.Kind == yaml.ScalarNode && n.Value != "" {
			return n.Value, fieldPath(path[2:])
		}
	}
	return subject(nil, nil, path)
}

func prefix(part []string) []any {
	path := make([]any, len(part))
	for i, key := range part {
		path[i] = key
	}
	return path
}

// valuePath reads an instance location with the help of the values: a number is the
// index of an item where there is a list.
func valuePath(values any, location []string) []any {
	path := make([]any, len(location))
	for i, step := range location {
		path[i] = step
		switch v := values.(type) {
		case map[string]any:
			values = v[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n >= len(v) {
				return path[:i]
			}
			path[i], values = n, v[n]
		}
	}
	return path
}

// lookup finds a value, or nil.
func lookup(values any, path []any) any {
	for _, step := range path {
		switch v := values.(type) {
		case map[string]any:
			key, _ := step.(string)
			values = v[key]
		case []any:
			i, ok := step.(int)
			if !ok || i < 0 || i >= len(v) {
				return nil
			}
			values = v[i]
		default:
			return nil
		}
	}
	return values
}
