package schema

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"reflect"
	"strings"

	"external-services/tools/values"
)

// readComments returns the comments of the types and fields of package values, each on one line, by
// the names under which jsonschema looks them up: PACKAGE.TYPE and PACKAGE.TYPE.FIELD.
func readComments() map[string]string {
	comments := map[string]string{}
	files, err := fs.Glob(values.Sources, "*.go")
	if err != nil {
		panic(err) // the pattern is valid
	}
	for _, name := range files {
		addComments(comments, name)
	}
	return comments
}

// addComments adds the comments of a file.
func addComments(comments map[string]string, name string) {
	source, err := values.Sources.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments)
	if err != nil {
		panic(err) // the source was compiled
	}
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
}
