package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/lint"
)

func newLintCommand() *cobra.Command {
	var (
		chart   chartFlags
		output  output
		noHints bool
	)
	cmd := &cobra.Command{
		Use:   "lint [RELEASE]",
		Short: "Find the errors in values, and where they are",
		Long: `Find the errors in values files, in one run: the file and line, what is wrong, and what
to write instead. lint merges the files as Helm does, and applies the schema and the
templates of the chart: values that pass lint pass helm template.

Hints are about values that work and may surprise. They do not change the exit code.`,
		Example: `  extsvc lint -f values.yaml
  extsvc lint -n shop -f base.yaml -f prod.yaml --set endpoints.kind=Endpoints
  extsvc lint -f values.yaml -o github`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.validate(); err != nil {
				return err
			}
			if len(args) == 1 {
				chart.release.Name = args[0]
			}
			list, err := runLint(chart, cmd.InOrStdin())
			if err != nil {
				return err
			}
			if noHints {
				list = slices.DeleteFunc(list, func(f findings.Finding) bool { return f.Severity == findings.Hint })
			}
			report := &lint.Report{Findings: list}
			if output.format == "github" {
				err = report.WriteGitHub(cmd.OutOrStdout())
			} else {
				err = output.write(cmd.OutOrStdout(), report)
			}
			if err != nil {
				return err
			}
			if report.ExitCode() != findings.ExitOK {
				fmt.Fprintln(cmd.ErrOrStderr(), countErrors(list))
			}
			return output.exit(cmd, report.ExitCode())
		},
	}
	chart.add(cmd)
	cmd.Flags().BoolVar(&noHints, "no-hints", false, "print errors only")
	output.add(cmd, "text", "json", "github")
	output.addExits(cmd, exits{ok: "no errors", errors: "errors: the chart refuses the values, or Helm does not read all of them"})
	return cmd
}

func runLint(flags chartFlags, stdin io.Reader) ([]findings.Finding, error) {
	options, err := lintOptions(flags, stdin)
	if err != nil {
		return nil, err
	}
	// Helm logs what it ignores in wrong values, which are findings here.
	log.SetOutput(io.Discard)
	// The templates make much garbage, of which little stays.
	debug.SetGCPercent(200)
	return lint.Run(options)
}

// countErrors is the last line that lint prints.
func countErrors(list []findings.Finding) string {
	count := 0
	for _, f := range list {
		if f.Severity == findings.Error {
			count++
		}
	}
	if count == 1 {
		return "1 error"
	}
	return fmt.Sprintf("%d errors", count)
}

// lintOptions reads the chart and the values files.
func lintOptions(flags chartFlags, stdin io.Reader) (lint.Options, error) {
	options := lint.Options{Release: flags.release, Settings: flags.values}
	for _, name := range flags.values.ValueFiles {
		file := lint.File{Name: name}
		var err error
		if strings.TrimSpace(name) == "-" {
			file.Name = "<stdin>"
			file.Text, err = io.ReadAll(stdin)
		} else {
			file.Text, err = os.ReadFile(name)
		}
		if err != nil {
			return options, err
		}
		options.Files = append(options.Files, file)
	}
	var err error
	options.Chart, err = helm.Open(flags.path)
	if flags.path != "" {
		options.ChartName = filepath.Join(flags.path, "values.yaml")
	}
	return options, err
}
