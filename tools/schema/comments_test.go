package schema

import (
	"reflect"
	"strings"
	"testing"

	"external-services/tools/values"
)

func TestEveryTypeAndFieldHasAComment(t *testing.T) {
	comments := readComments()
	for _, typ := range []reflect.Type{
		reflect.TypeFor[values.Values](), reflect.TypeFor[values.Endpoints](), reflect.TypeFor[values.Entry](),
		reflect.TypeFor[values.Patch](), reflect.TypeFor[values.Mapping](), reflect.TypeFor[values.Address](), reflect.TypeFor[values.Port](),
		reflect.TypeFor[values.Pairs](), reflect.TypeFor[values.Tests](), reflect.TypeFor[values.Image](), reflect.TypeFor[values.Resources](),
		reflect.TypeFor[values.LocalReference](), reflect.TypeFor[values.Resolver](), reflect.TypeFor[values.Following](),
		reflect.TypeFor[values.Metrics](), reflect.TypeFor[values.Resolve](), reflect.TypeFor[values.HealthCheck](),
	} {
		for _, field := range append([]string{""}, fieldNames(typ)...) {
			comment := comments[strings.TrimSuffix(typ.PkgPath()+"."+typ.Name()+"."+field, ".")]
			if !strings.HasSuffix(comment, ".") || strings.Contains(comment, "\n") {
				t.Errorf("%s.%s has the comment %q, want whole sentences", typ.Name(), field, comment)
			}
		}
	}
}

// fieldNames are the fields of a struct itself, without those of embedded ones.
func fieldNames(typ reflect.Type) []string {
	var names []string
	for i := 0; typ.Kind() == reflect.Struct && i < typ.NumField(); i++ {
		if field := typ.Field(i); !field.Anonymous {
			names = append(names, field.Name)
		}
	}
	return names
}
