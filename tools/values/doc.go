package values

import (
	"embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
)

//go:embed values.go
var source embed.FS

var comments = readComments()

// Comment returns the comment of a type of this package, or of its field when
// field is not empty, as one line per paragraph. It is empty for types of other
// packages.
func Comment(t reflect.Type, field string) string {
	if t.PkgPath() != reflect.TypeFor[Values]().PkgPath() {
		return ""
	}
	key := t.Name()
	if field != "" {
		key += "." + field
	}
	return comments[key]
}

// readComments parses the source this package was built from: comments cannot
// go missing in a binary, nor differ from the types in it.
func readComments() map[string]string {
	const name = "values.go"
	text, err := source.ReadFile(name)
	if err != nil {
		panic(err) // embedded: cannot be missing
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
	if err != nil {
		panic(fmt.Sprintf("parse the embedded %s: %v", name, err)) // it was compiled
	}
	found := map[string]string{}
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		for _, spec := range gen.Specs {
			typ := spec.(*ast.TypeSpec)
			found[typ.Name.Name] = unwrap(gen.Doc.Text())
			fields, ok := typ.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range fields.Fields.List {
				for _, id := range field.Names {
					found[typ.Name.Name+"."+id.Name] = unwrap(field.Doc.Text())
				}
			}
		}
	}
	return found
}

// unwrap joins the lines of each paragraph.
func unwrap(text string) string {
	paragraphs := strings.Split(strings.TrimSpace(text), "\n\n")
	for i, p := range paragraphs {
		paragraphs[i] = strings.Join(strings.Fields(p), " ")
	}
	return strings.Join(paragraphs, "\n")
}
