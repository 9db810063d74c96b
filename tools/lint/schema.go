package lint

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"external-services/tools/findings"
	"external-services/tools/values"
)

// checkSchema finds what the schema of a part refuses. Helm has read the schema.
func (l *linter) checkSchema(p *part) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(p.Schema))
	if err != nil {
		return // there is no schema
	}
	const url = "file:///values.schema.json"
	c := schemaCheck{linter: l, part: p, compiler: jsonschema.NewCompiler()}
	if err := c.compiler.AddResource(url, document); err != nil {
		return
	}
	var invalid *jsonschema.ValidationError
	if c.root, err = c.compiler.Compile(url); err == nil && errors.As(c.root.Validate(p.Values), &invalid) {
		c.explain(invalid)
	}
}

// schemaCheck turns the errors of a validation into findings.
type schemaCheck struct {
	*linter
	part     *part
	compiler *jsonschema.Compiler
	root     *jsonschema.Schema
}

func (c schemaCheck) explain(e *jsonschema.ValidationError) {
	for _, cause := range e.Causes {
		c.explain(cause)
	}
	schema, err := c.compiler.Compile(e.SchemaURL) // has compiled it
	if err != nil || len(e.Causes) > 0 {
		return
	}
	path := instancePath(c.part.Values, e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, key := range slices.Sorted(slices.Values(k.Properties)) {
			c.unknownKey(path, key, schema)
		}
	case *kind.Required:
		for _, key := range k.Missing {
			missing := join(path, key)
			c.part.malformed = append(c.part.malformed, missing)
			c.refuse(missing, "is missing", "write "+describe(schema.Properties[key]))
		}
	case *kind.UniqueItems:
		path = join(path, k.Duplicates[1])
		value, _ := lookup(c.part.Values, path)
		c.refuse(path, fmt.Sprintf("%v is there already", value), "write each one once")
	case *kind.Enum:
		c.unknownChoice(path, texts(k.Want))
	default:
		value, _ := lookup(c.part.Values, path)
		if _, isType := k.(*kind.Type); isType {
			c.part.malformed = append(c.part.malformed, path)
		}
		problem, fix := explainValue(value, k, schema)
		c.refuse(path, problem, fix)
	}
}

// unknownChoice reports a value that is not one of some strings, and sets what is meant, or else
// the first of them, so that no rule is about what follows from it.
func (c schemaCheck) unknownChoice(path []any, choices []string) {
	value, _ := lookup(c.part.Values, path)
	text, ok := value.(string)
	if !ok {
		return // there is an error about its type
	}
	near := findings.Nearest(text, choices)
	c.refuse(path, fmt.Sprintf("%q is unknown", text), "write "+cmp.Or(near, either(choices)))
	c.part.set(path, cmp.Or(near, choices[0]))
}

// refuse adds a finding about a value.
func (c schemaCheck) refuse(path []any, problem, fix string) {
	c.part.refused[printPath(path)] = true
	c.report(c.part, path, false, findings.ValueRefused, findings.Args{"problem": problem, "fix": fix})
}

// explainValue says what is wrong with a value, and what to write instead.
func explainValue(got any, k jsonschema.ErrorKind, schema *jsonschema.Schema) (problem, fix string) {
	problem, fix = "is "+show(got), "write "+describe(schema)
	switch k := k.(type) {
	case *kind.Type:
		isMore := func(kind string) bool { return kind != "string" && kind != "null" }
		_, err := strconv.Atoi(fmt.Sprint(got))
		switch {
		case k.Got == "string" && err == nil && slices.Contains(k.Want, "integer"):
			fix += ", without quotes"
		case (k.Got == "number" || k.Got == "boolean") && !slices.ContainsFunc(k.Want, isMore):
			fix = "write a string: put it in quotes"
		}
	case *kind.Pattern, *kind.MaxLength:
		return explainFormat(fmt.Sprint(got), func(format values.Format) bool { return format.Title == schema.Title })
	case *kind.MinItems:
		problem, fix = "is empty", fmt.Sprintf("write at least %d, or delete it", k.Want)
	case *kind.MaxItems:
		problem, fix = fmt.Sprintf("has %d items", k.Got), fmt.Sprintf("write at most %d", k.Want)
	}
	return problem, fix
}

// explainFormat says that a string does not have a format, and what to write.
func explainFormat(got string, is func(values.Format) bool) (problem, fix string) {
	for _, name := range slices.Concat(values.KeyFormats, slices.Sorted(maps.Keys(values.Formats))) {
		if format := values.Formats[name]; is(format) {
			return fmt.Sprintf("%q is not a valid %s", got, format.Title), "write " + format.Write
		}
	}
	return fmt.Sprintf("%q is not valid", got), "write another one"
}

// unknownKey suggests the key that is meant: one of the map that is spelled like it, or the same
// one elsewhere. A map of labels or of namespaces has any keys of a format.
func (c schemaCheck) unknownKey(path []any, key string, schema *jsonschema.Schema) {
	whole := join(path, key)
	for pattern := range schema.PatternProperties {
		isIt := func(format values.Format) bool { return format.Pattern == pattern.String() }
		problem, fix := explainFormat(key, isIt)
		c.report(c.part, whole, true, findings.ValueRefused, findings.Args{"problem": problem, "fix": fix})
		c.part.malformed = append(c.part.malformed, whole) // its value is not validated
		return
	}
	keys := slices.Sorted(maps.Keys(schema.Properties))
	fix := "write " + either(keys) + ", or delete it"
	if near := findings.Nearest(key, keys); near != "" {
		fix = "write " + near
		c.part.refused[printPath(join(path, near))] = true // which is missing until then
	} else if elsewhere := elsewhere(c.root, key); elsewhere != "" {
		fix = "write it as " + elsewhere
	}
	c.part.refused[printPath(whole)] = true
	c.report(c.part, whole, true, findings.UnknownKey, findings.Args{"fix": fix})
}

// elsewhere is the first path that has a key, such as services[].ports[].targetPort. References
// only repeat other paths.
func elsewhere(schema *jsonschema.Schema, key string) string {
	if _, ok := schema.Properties[key]; ok {
		return key
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		sub := schema.Properties[name]
		if items, ok := sub.Items.(*jsonschema.Schema); ok {
			sub, name = items, name+"[]"
		}
		if below := elsewhere(sub, key); below != "" {
			return name + "." + below
		}
	}
	return ""
}
