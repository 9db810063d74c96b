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

	"external-services/tools/helm"
	"external-services/tools/lint"
)

func newLintCommand() *cobra.Command {
	var (
		chart   chartFlags
		format  string
		noHints bool
	)
	cmd := &cobra.Command{
		Use:   "lint [RELEASE]",
		Short: "Say what is wrong with values, and where",
		Long: `Say what is wrong with values files, each fault with its line, the reason and what to
write instead, all in one run. The files are layered as helm layers them, and the chart's
own schema and templates decide, so that what passes here passes helm template.

Hints say what works and may surprise. They do not count as faults. The exit code is 1
where there is a fault.`,
		Example: `  extsvc lint -f values.yaml
  extsvc lint -n shop -f base.yaml -f prod.yaml --set endpoints.kind=Endpoints
  extsvc lint -f values.yaml -o github`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				chart.release.Name = args[0]
			}
			if !slices.Contains(lint.Formats(), format) {
				return fmt.Errorf("%q is no output format: write %s", format, strings.Join(lint.Formats(), ", "))
			}
			options, err := lintOptions(chart, cmd.InOrStdin())
			if err != nil {
				return err
			}
			// Helm logs what it leaves out of wrong values: every such place is a fault here.
			log.SetOutput(io.Discard)
			// The templates make much garbage, and little of what they make stays.
			debug.SetGCPercent(200)
			report, err := lint.Run(options)
			if err != nil {
				return err
			}
			if noHints {
				report.Hints = []lint.Finding{}
			}
			if err := report.Print(cmd.OutOrStdout(), format); err != nil {
				return err
			}
			switch count := len(report.Faults); count {
			case 0:
				return nil
			case 1:
				return fmt.Errorf("1 fault")
			default:
				return fmt.Errorf("%d faults", count)
			}
		},
	}
	chart.add(cmd)
	cmd.Flags().StringVarP(&format, "output", "o", "text", "form of the output: "+strings.Join(lint.Formats(), ", "))
	cmd.Flags().BoolVar(&noHints, "no-hints", false, "say only what is wrong")
	return cmd
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
