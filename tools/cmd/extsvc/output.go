package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"external-services/tools/findings"
)

// exitCode ends the program with a code and without a message.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// output is how a command prints its result and ends: the flags -o and --exit-zero.
type output struct {
	format   string
	formats  []string
	exitZero bool
}

// add adds -o. The first format is the default.
func (o *output) add(cmd *cobra.Command, formats ...string) {
	o.formats = formats
	cmd.Flags().StringVarP(&o.format, "output", "o", formats[0], "output format: "+strings.Join(formats, ", "))
	complete(cmd, "output", func([]string) ([]string, error) { return formats, nil })
}

// exits says when a command ends with which exit code; notice is empty if it never ends with 1.
type exits struct{ ok, notice, errors string }

// describe adds the exit codes to the help of a command.
func (e exits) describe(cmd *cobra.Command) {
	cmd.Long += "\n\nExit codes:"
	for code, text := range []string{e.ok, e.notice, cmd.Name() + " could not do its work", e.errors} {
		if text != "" {
			cmd.Long += fmt.Sprintf("\n  %d  %s", code, text)
		}
	}
}

// addExits adds the exit codes to the help, and --exit-zero.
func (o *output) addExits(cmd *cobra.Command, e exits) {
	e.describe(cmd)
	cmd.Long += "\nWith --exit-zero, 1 and 3 become 0."
	cmd.Flags().BoolVar(&o.exitZero, "exit-zero", false, "exit with 0 instead of 1 and 3")
}

// validate refuses a format that the command does not have.
func (o *output) validate() error {
	if !slices.Contains(o.formats, o.format) {
		return fmt.Errorf("unknown output format %q (%s)", o.format, strings.Join(o.formats, ", "))
	}
	return nil
}

// printable is what a command prints as text or as JSON.
type printable interface {
	WriteText(w io.Writer, paint findings.Paint) error
	ExitCode() int
}

// write prints a report.
func (o *output) write(w io.Writer, r printable) error {
	if o.format == "json" {
		return writeJSON(w, r)
	}
	paint := findings.Plain
	if isTerminal(w) && os.Getenv("NO_COLOR") == "" {
		paint = findings.Colour
	}
	return r.WriteText(w, paint)
}

func writeJSON(w io.Writer, document any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(document)
}

// exit ends a command that has printed its result.
func (o *output) exit(cmd *cobra.Command, code int) error {
	if code == findings.ExitOK || o.exitZero {
		return nil
	}
	cmd.SilenceErrors = true
	return exitCode(code)
}
