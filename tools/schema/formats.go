package schema

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"external-services/tools/values"
)

// addFormats adds the formats that the tags of a type name, at any depth.
func addFormats(s *jsonschema.Schema, t reflect.Type) {
	if t.Kind() != reflect.Struct {
		return
	}
	for _, field := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			continue // an embedded type
		}
		p := property(s, name)
		value, valueType := innermost(p, field.Type)
		if format := field.Tag.Get("format"); format != "" {
			isOptional := field.Type.Kind() == reflect.String && (options == "omitempty" || p.Default == "")
			setFormat(value, formatOf(format), isOptional)
		}
		addFormats(value, valueType)
		if keys := field.Tag.Get("keys"); keys != "" {
			setKeys(p, formatOf(keys))
		}
	}
}

// innermost returns the schema and the type of the items of a list or the values of a map, at any
// depth, or what it is given, without its pointer.
func innermost(s *jsonschema.Schema, t reflect.Type) (*jsonschema.Schema, reflect.Type) {
	switch t.Kind() {
	case reflect.Slice:
		return innermost(s.Items, t.Elem())
	case reflect.Map:
		return innermost(s.AdditionalProperties, t.Elem())
	case reflect.Pointer:
		return innermost(s, t.Elem())
	}
	return s, t
}

// setFormat gives a string a format; an optional one may be empty. A format without a pattern only
// adds the sentence for a value of another type.
func setFormat(s *jsonschema.Schema, format values.Format, optional bool) {
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
	if optional && !strings.HasPrefix(s.Pattern, "^$|") {
		s.Pattern = "^$|" + s.Pattern
	}
	if format.MaxLength > 0 {
		length := uint64(format.MaxLength)
		s.MaxLength = &length
	}
}

// setKeys gives the keys of a map a format. It does not use propertyNames: santhosh-tekuri/jsonschema
// 6.0.3 reports a wrong location for them.
func setKeys(s *jsonschema.Schema, format values.Format) {
	s.PatternProperties = map[string]*jsonschema.Schema{format.Pattern: s.AdditionalProperties}
	s.AdditionalProperties = jsonschema.FalseSchema
	s.Extras = map[string]any{"errorMessage": fmt.Sprintf("Not a map of valid %ss: write %s.", format.Title, format.Write)}
}

// formatOf returns a format. It panics for a missing one: the tag that names it is wrong.
func formatOf(name string) values.Format {
	format, ok := values.Formats[name]
	if !ok {
		panic(fmt.Sprintf("schema: no format %q", name))
	}
	return format
}
