// Package schema generates the chart's values.schema.json from the Go types of package values.
//
// Helm 3.18.5 and later, and Helm 4, validate with santhosh-tekuri/jsonschema, older versions with
// xeipuuv/gojsonschema. The schema is of draft-07 and uses only keywords that both read alike. Draft-07
// ignores keywords next to $ref, so a $ref is alone in its object.
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

// Generate returns the text of values.schema.json. Its properties have the order of the struct fields.
func Generate(defaults values.Values) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(Reflect(defaults)); err != nil {
		return nil, fmt.Errorf("encode the schema: %w", err)
	}
	return out.Bytes(), nil
}

// Reflect returns the schema of values.Values: every object is closed, every property has a
// description, and those that defaults set have a default.
func Reflect(defaults values.Values) *jsonschema.Schema {
	reflector := jsonschema.Reflector{
		Anonymous:                  true, // no $id: Helm resolves none
		DoNotReference:             true,
		RequiredFromJSONSchemaTags: true,
		CommentMap:                 readComments(),
		Mapper:                     schemaOf,
	}
	root := reflector.ReflectFromType(reflect.TypeFor[values.Values]())
	root.Version = "http://json-schema.org/draft-07/schema#"
	root.Title = "Values of the chart external-services"

	entry := property(root, "services").Items
	setTypes(property(entry, "addresses").Items, "string", "object")
	for _, part := range []string{"resolve", "healthCheck", "ingress", "route", "backendTLS"} {
		setTypes(property(entry, part), "object", "null") // null removes that of the entry
	}
	ingress := property(entry, "ingress")
	setTypes(property(ingress, "hosts").Items, "string", "object")
	certificates := property(ingress, "tls")
	certificates.Properties, certificates.AdditionalProperties = certificates.Items.Properties, certificates.Items.AdditionalProperties
	setTypes(certificates, "object", "array") // an item of the list, or the list
	overrides := property(root, "overrides").AdditionalProperties
	namespace := property(root, "namespaceOverrides").AdditionalProperties
	inNamespace := namespace.AdditionalProperties
	for _, s := range []*jsonschema.Schema{overrides, namespace, inNamespace} {
		setTypes(s, "object", "null") // null drops the change of an earlier values file
	}
	// A format depends on the default of the tree, so that a package with another one accepts the same values.
	addDefaults(root, reflect.ValueOf(values.Default()))
	addFormats(root, reflect.TypeFor[values.Values]())
	addDefaults(root, reflect.ValueOf(defaults))

	// A partial entry refers to the properties of an entry, which keeps the schema small.
	for _, patch := range []*jsonschema.Schema{overrides, inNamespace} {
		for pair := patch.Properties.Oldest(); pair != nil; pair = pair.Next() {
			property(entry, pair.Key) // panics if the $ref leads nowhere
			pair.Value = &jsonschema.Schema{Ref: "#/properties/services/items/properties/" + pair.Key}
		}
	}
	return root
}

// Property is a property of the schema, at any depth.
type Property struct {
	*jsonschema.Schema

	// Key is its path, with [] for the items of a list: services[].ports[].port.
	Key string

	// Required is true if the map that holds it must set it.
	Required bool
}

// Group is true for a map with keys of its own.
func (p Property) Group() bool { return p.Properties != nil }

// Properties lists the properties of the values, each before those that it holds.
func Properties(defaults values.Values) []Property {
	return appendProperties(nil, "", Reflect(defaults))
}

func appendProperties(list []Property, prefix string, s *jsonschema.Schema) []Property {
	for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
		p := Property{Schema: pair.Value, Key: prefix + pair.Key, Required: slices.Contains(s.Required, pair.Key)}
		list = append(list, p)
		if p.Group() {
			list = appendProperties(list, p.Key+".", p.Schema)
		} else if p.Items != nil && p.Items.Properties != nil {
			list = appendProperties(list, p.Key+"[].", p.Items)
		}
	}
	return list
}

// schemaOf returns the schema of a type that jsonschema cannot derive, or nil.
func schemaOf(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[values.Pairs]():
		// null removes a pair
		return &jsonschema.Schema{Type: "object", AdditionalProperties: setTypes(&jsonschema.Schema{}, "string", "null")}
	case reflect.TypeFor[values.PodPort]():
		return setTypes(&jsonschema.Schema{Minimum: "1", Maximum: "65535"}, "integer", "string") // limits of the number
	}
	if enum, ok := values.Enums[t]; ok {
		return &jsonschema.Schema{Type: "string", Enum: enum}
	}
	return nil
}

// setTypes allows values of several types.
func setTypes(s *jsonschema.Schema, names ...string) *jsonschema.Schema {
	s.Type, s.Extras = "", map[string]any{"type": names}
	return s
}

// property returns a property. It panics for a missing one: the code that names it is out of date.
func property(s *jsonschema.Schema, name string) *jsonschema.Schema {
	if s != nil && s.Properties != nil {
		if p, ok := s.Properties.Get(name); ok {
			return p
		}
	}
	panic(fmt.Sprintf("schema: no property %q", name))
}

// addDefaults adds the default of every field that always has a value: those without omitempty.
func addDefaults(s *jsonschema.Schema, v reflect.Value) {
	for _, field := range reflect.VisibleFields(v.Type()) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if options == "omitempty" || name == "" {
			continue // optional, or an embedded type, whose fields are visible too
		}
		p, value := property(s, name), v.FieldByIndex(field.Index)
		if field.Type.Kind() == reflect.Struct {
			addDefaults(p, value)
			continue
		}
		p.Default = value.Interface()
	}
}
