// Command generate writes the generated files of the chart: values.schema.json, values.yaml, the
// tables in README.md and the annotations in Chart.yaml. Their sources are tools/values, entries.yaml
// and CHANGELOG.md. Run it in the root of the repository, or with make generate.
//
// With -image REPOSITORY@DIGEST the default image of the resolver is that one: ci/package.sh writes it to the
// copy of the chart that a release packages. So does -repository URL, which writes the URL of the repository.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"external-services/tools/schema"
	"external-services/tools/values"
)

func main() {
	check := flag.Bool("check", false, "write nothing, and fail if a file is out of date")
	image := flag.String("image", "", "default image of the resolver, as REPOSITORY@DIGEST")
	repository := flag.String("repository", "", "URL of the repository, for the copy of the chart that is packaged")
	flag.Parse()
	chart := filepath.Join("charts", "external-services")
	defaults, err := withImage(values.Default(), *image)
	if err == nil {
		err = generate(chart, defaults, *check)
	}
	if err == nil && *repository != "" {
		err = updateFile(filepath.Join(chart, "Chart.yaml"), *check, func(old []byte) ([]byte, error) {
			return withRepository(old, *repository)
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// generate writes or checks the generated files of a chart.
func generate(chart string, defaults values.Values, check bool) error {
	changelog, err := os.ReadFile(filepath.Join(chart, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	update := func(name string, content func(old []byte) ([]byte, error)) error {
		return updateFile(filepath.Join(chart, name), check, content)
	}
	return errors.Join(
		update("values.schema.json", func([]byte) ([]byte, error) { return schema.Generate(defaults) }),
		update("values.yaml", func([]byte) ([]byte, error) { return valuesYAML(defaults), nil }),
		update("README.md", func(old []byte) ([]byte, error) { return insertTables(old, tables(defaults)) }),
		update("Chart.yaml", func(old []byte) ([]byte, error) { return annotate(old, changelog, defaults) }),
	)
}

// updateFile writes a file if its content changes, or returns an error if check is set.
func updateFile(path string, check bool, content func(old []byte) ([]byte, error)) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text, err := content(old)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case bytes.Equal(old, text):
		return nil
	case check:
		return fmt.Errorf("%s is out of date: run make generate and commit what it changes", path)
	}
	return os.WriteFile(path, text, 0o644)
}

// insert replaces the text between two markers.
func insert(file []byte, begin, end, text string) ([]byte, error) {
	before, rest, hasBegin := bytes.Cut(file, []byte(begin))
	_, after, hasEnd := bytes.Cut(rest, []byte(end))
	if !hasBegin || !hasEnd {
		return nil, fmt.Errorf("add the lines %q and %q: the generated text goes between them", begin, end)
	}
	return fmt.Appendf(nil, "%s%s%s%s%s", before, begin, text, end, after), nil
}
