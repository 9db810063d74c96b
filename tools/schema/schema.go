// Package schema generates the chart's values.schema.json from the Go types of
// package values.
//
// Helm 3.18.5 and later, and Helm 4, read the schema with
// santhosh-tekuri/jsonschema, older ones with xeipuuv/gojsonschema. The schema
// keeps to the keywords that both know and declares draft-07, which both know. In
// draft-07 nothing counts beside a $ref, so a $ref stands alone.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"external-services/tools/values"
)

// draft is the JSON Schema draft that every Helm which can install the chart reads.
const draft = "http://json-schema.org/draft-07/schema#"

// Generate returns the text of values.schema.json. The same types give the same
// bytes: properties stand in the order of the struct fields.
func Generate() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	root := Reflect()
	shorten(root)
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("encode the schema: %w", err)
	}
	return out.Bytes(), nil
}

// Reflect returns the schema of values.Values: closed objects, a description on
// every property, the defaults of values.Default.
func Reflect() *jsonschema.Schema {
	reflector := jsonschema.Reflector{
		Anonymous:                  true, // no $id: Helm resolves none
		DoNotReference:             true,
		RequiredFromJSONSchemaTags: true,
		LookupComment:              values.Comment,
		Mapper:                     mapped,
	}
	root := reflector.ReflectFromType(reflect.TypeFor[values.Values]())
	root.Version = draft
	root.Title = "Values of the chart external-services"

	// Helm hands the globals of every parent chart to a subchart, and a parent's
	// condition is a value in here: see https://github.com/helm/helm/issues/10392.
	// Both are ordinary fields of values.Values; losing one would break subcharts.
	for _, key := range []string{"global", "enabled"} {
		property(root, key)
	}

	for _, entry := range append(patches(root), property(root, "services").Items) {
		address := property(entry, "addresses").Items
		address.Type, address.Extras = "", types("string", "object").Extras
	}

	// null takes away what a values file before has
	for _, holder := range []*jsonschema.Schema{property(root, "overrides"), property(root, "namespaceOverrides"), property(root, "namespaceOverrides").AdditionalProperties} {
		patch := holder.AdditionalProperties
		patch.Type, patch.Extras = "", types("object", "null").Extras
	}

	addDefaults(root, reflect.ValueOf(values.Default()))
	addFormats(root, reflect.TypeFor[values.Values]())

	return root
}

// Property is a property of the schema, at any depth.
type Property struct {
	*jsonschema.Schema

	// Key is its path, with [] for the items of a list: services[].ports[].port.
	Key string

	// Required says whether whatever holds it must have it.
	Required bool
}

// Group says whether the property only holds others: a map with keys of its own.
func (p Property) Group() bool { return p.Properties != nil }

// Properties lists the properties of the values, each before those that it holds.
func Properties() []Property {
	return appendProperties(nil, "", Reflect())
}

func appendProperties(list []Property, prefix string, s *jsonschema.Schema) []Property {
	for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
		p := Property{Schema: pair.Value, Key: prefix + pair.Key, Required: slices.Contains(s.Required, pair.Key)}
		list = append(list, p)
		if p.Group() {
			list = appendProperties(list, p.Key+".", p.Schema)
		}
		if p.Items != nil && p.Items.Properties != nil {
			list = appendProperties(list, p.Key+"[].", p.Items)
		}
	}
	return list
}

// patches are the partial entries.
func patches(root *jsonschema.Schema) []*jsonschema.Schema {
	return []*jsonschema.Schema{
		property(root, "overrides").AdditionalProperties,
		valuesOf(property(root, "namespaceOverrides")).AdditionalProperties,
	}
}

// valuesOf is the schema of the values of a map.
func valuesOf(s *jsonschema.Schema) *jsonschema.Schema {
	for _, values := range s.PatternProperties {
		return values
	}
	return s.AdditionalProperties
}

// shorten makes the properties of the partial entries refer to those of an entry, which they repeat.
func shorten(root *jsonschema.Schema) {
	entry := property(root, "services").Items
	for _, patch := range patches(root) {
		for pair := patch.Properties.Oldest(); pair != nil; pair = pair.Next() {
			property(entry, pair.Key) // has to be there
			pair.Value = &jsonschema.Schema{Ref: ofEntry + pair.Key}
		}
	}
}

// ofEntry is where the schema has the properties of an entry.
const ofEntry = "#/properties/services/items/properties/"

// mapped gives the types that have an Enum method their list of values, pairs the null
// that takes one away, and the port of a pod its two types.
func mapped(t reflect.Type) *jsonschema.Schema {
	if t == reflect.TypeFor[values.Pairs]() {
		return &jsonschema.Schema{Type: "object", AdditionalProperties: types("string", "null")}
	}
	if t == reflect.TypeFor[values.PodPort]() {
		port := types("integer", "string")
		port.Minimum, port.Maximum = "1", "65535" // count for numbers only
		return port
	}
	if e, ok := reflect.Zero(t).Interface().(interface{ Enum() []any }); ok {
		return &jsonschema.Schema{Type: "string", Enum: e.Enum()}
	}
	return nil
}

// types is the schema of a value of one of several types.
func types(names ...string) *jsonschema.Schema {
	return &jsonschema.Schema{Extras: map[string]any{"type": names}}
}

// property returns the schema of a property that has to be there: a hook on a
// field that is gone must not rot in silence.
func property(s *jsonschema.Schema, name string) *jsonschema.Schema {
	if s == nil || s.Properties == nil {
		panic(fmt.Sprintf("schema: %q is looked up in a schema without properties", name))
	}
	p, ok := s.Properties.Get(name)
	if !ok {
		panic(fmt.Sprintf("schema: the property %q is gone", name))
	}
	return p
}

// addDefaults writes the default of every field that always has a value: those
// without omitempty.
func addDefaults(s *jsonschema.Schema, v reflect.Value) {
	for _, field := range reflect.VisibleFields(v.Type()) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if options == "omitempty" {
			continue
		}
		p, value := property(s, name), v.FieldByIndex(field.Index)
		if field.Type.Kind() == reflect.Struct {
			addDefaults(p, value)
			continue
		}
		p.Default = value.Interface()
	}
}

// addFormats writes the formats that the tags of a type name, at any depth.
func addFormats(s *jsonschema.Schema, t reflect.Type) {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		if t.Kind() == reflect.Map {
			s = s.AdditionalProperties
		} else {
			s = s.Items
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || s.Properties == nil {
		return
	}
	for _, field := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			continue // an embedded type
		}
		p := property(s, name)
		if format := field.Tag.Get("format"); format != "" {
			switch field.Type.Kind() {
			case reflect.Map:
				setFormat(p.AdditionalProperties, format, false)
			case reflect.Slice:
				setFormat(p.Items, format, false)
			default:
				setFormat(p, format, field.Type.Kind() == reflect.String && options == "omitempty")
			}
		}
		addFormats(p, field.Type)
		if keys := field.Tag.Get("keys"); keys != "" {
			setKeys(p, formatOf(keys))
		}
	}
}

// setFormat gives strings a format, or lets them be empty if the field is optional. A format without
// a pattern only has the sentence for a value of another type.
func setFormat(s *jsonschema.Schema, name string, optional bool) {
	format := formatOf(name)
	s.Title = format.Title
	if s.Extras == nil {
		s.Extras = map[string]any{}
	}
	sentence := fmt.Sprintf("Not a valid %s: write %s.", format.Title, format.Write)
	if format.Pattern == "" {
		s.Extras["errorMessage"] = sentence
		return
	}
	s.Pattern, s.Extras["patternErrorMessage"] = format.Pattern, sentence
	if optional {
		s.Pattern = "^$|" + s.Pattern
	}
	if format.MaxLength > 0 {
		length := uint64(format.MaxLength)
		s.MaxLength = &length
	}
}

// setKeys makes the keys of a map have a format. Not by propertyNames: santhosh-tekuri/jsonschema 6.0.3
// names a place for those that is another error's.
func setKeys(s *jsonschema.Schema, format values.Format) {
	s.PatternProperties = map[string]*jsonschema.Schema{format.Pattern: s.AdditionalProperties}
	s.AdditionalProperties = jsonschema.FalseSchema
	s.Extras = map[string]any{"errorMessage": fmt.Sprintf("Not a map of valid %ss: write %s.", format.Title, format.Write)}
}

func formatOf(name string) values.Format {
	format, ok := values.Formats[name]
	if !ok {
		panic(fmt.Sprintf("schema: there is no format %q", name))
	}
	return format
}
