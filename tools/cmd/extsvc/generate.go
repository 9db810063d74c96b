package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"external-services/tools/docs"
	"external-services/tools/schema"
)

func newSchemaCommand() *cobra.Command {
	return newGenerateCommand(
		"schema", "Print the chart's values.schema.json",
		func() ([]byte, error) { return schema.Generate() },
		generatedFile{"values.schema.json", func(string, []byte) ([]byte, error) { return schema.Generate() }},
	)
}

func newDocsCommand() *cobra.Command {
	cmd := newGenerateCommand(
		"docs", "Print the tables of values in the chart's README",
		func() ([]byte, error) { return []byte(docs.Tables()), nil },
		generatedFile{"README.md", func(_ string, old []byte) ([]byte, error) { return docs.Insert(old, docs.Tables()) }},
		generatedFile{"values.yaml", func(string, []byte) ([]byte, error) { return docs.ValuesYAML(), nil }},
		generatedFile{"Chart.yaml", func(dir string, old []byte) ([]byte, error) {
			changelog, err := os.ReadFile(filepath.Join(dir, "CHANGELOG.md"))
			if err != nil {
				return nil, err
			}
			return docs.ChartYAML(old, changelog)
		}},
	)
	cmd.Long += "\nThe changes that Chart.yaml tells Artifact Hub are those of CHANGELOG.md."
	return cmd
}

// generatedFile is a file of the chart and how to make its text from the old one, and
// from what else is in the chart's folder.
type generatedFile struct {
	name     string
	generate func(dir string, old []byte) ([]byte, error)
}

// newGenerateCommand makes a command that prints a text, or writes or checks the
// chart's files that hold it. Writing and checking go through the same code, so
// that they cannot disagree.
func newGenerateCommand(use, short string, text func() ([]byte, error), files ...generatedFile) *cobra.Command {
	var (
		dir          string
		write, check bool
	)
	names := ""
	for _, file := range files {
		names += "\n  " + file.name
	}
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  short + ", made from the Go types of the values API. With --write or --check it goes\nthrough the files of the chart that hold it:" + names,
		Example: fmt.Sprintf(`  extsvc %[1]s
  extsvc %[1]s --write --chart charts/external-services
  extsvc %[1]s --check`, use),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !write && !check {
				out, err := text()
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(out)
				return err
			}
			var faults []error
			for _, file := range files {
				faults = append(faults, file.update(dir, check))
			}
			return errors.Join(faults...)
		},
	}
	cmd.Flags().StringVar(&dir, "chart", filepath.Join("charts", "external-services"), "folder of the chart, for --write and --check")
	cmd.Flags().BoolVarP(&write, "write", "w", false, "write the files of the chart")
	cmd.Flags().BoolVar(&check, "check", false, "write nothing and fail when a file of the chart is out of date")
	cmd.MarkFlagsMutuallyExclusive("write", "check")
	return cmd
}

// update writes the file where its text changes, or with check reports that it
// would.
func (f generatedFile) update(dir string, check bool) error {
	path := filepath.Join(dir, f.name)
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	text, err := f.generate(dir, old)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if bytes.Equal(old, text) {
		return nil
	}
	if check {
		return fmt.Errorf("%s is out of date: run make generate and commit what it changes", path)
	}
	return os.WriteFile(path, text, 0o644)
}
