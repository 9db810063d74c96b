package schema

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"

	"external-services/tools/values"
)

// readComments returns the comments of the types and fields of package values, each on one line, by
// the names under which jsonschema looks them up: PACKAGE.TYPE and PACKAGE.TYPE.FIELD.
func readComments() map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "values.go", values.Source, parser.ParseComments)
	if err != nil {
		panic(err) // the source was compiled
	}
	comments := map[string]string{}
	add := func(name string, comment *ast.CommentGroup) {
		comments[name] = strings.Join(strings.Fields(comment.Text()), " ")
	}
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		spec := gen.Specs[0].(*ast.TypeSpec)
		name := reflect.TypeFor[values.Values]().PkgPath() + "." + spec.Name.Name
		add(name, gen.Doc)
		if typ, ok := spec.Type.(*ast.StructType); ok {
			for _, field := range typ.Fields.List {
				for _, id := range field.Names {
					add(name+"."+id.Name, field.Doc)
				}
			}
		}
	}
	return comments
}
