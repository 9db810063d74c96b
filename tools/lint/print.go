package lint

import (
	"fmt"
	"io"
	"strings"

	"external-services/tools/findings"
)

// Report is what extsvc lint prints.
type Report struct {
	Findings []findings.Finding `json:"findings"`
}

// ExitCode is the exit code of extsvc lint.
func (r *Report) ExitCode() int { return findings.ExitCode(r.Findings) }

// WriteText writes a finding per line.
func (r *Report) WriteText(w io.Writer, _ findings.Paint) error {
	return writeLines(w, r.Findings, Line)
}

// WriteGitHub writes the commands by which GitHub marks lines of a pull request.
func (r *Report) WriteGitHub(w io.Writer) error { return writeLines(w, r.Findings, workflowCommand) }

func writeLines(w io.Writer, list []findings.Finding, line func(findings.Finding) string) error {
	var out strings.Builder
	for _, f := range list {
		fmt.Fprintln(&out, line(f))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// Line is a finding with its position, on one line.
func Line(f findings.Finding) string {
	if f.Entry == "" && f.Field == f.Key {
		f.Field = "" // it is part of the position
	}
	text := Sentence(f)
	if f.Severity == findings.Hint {
		text = "hint: " + text
	}
	if position := f.Position.String(); position != "" {
		text = position + ": " + text
	}
	return text
}

// Sentence is a finding without its position: the entry, the field, what is wrong and what to
// write.
func Sentence(f findings.Finding) string {
	var parts []string
	if f.Entry != "" {
		parts = append(parts, fmt.Sprintf("entry %q", f.Entry))
	}
	if f.Field != "" {
		parts = append(parts, f.Field)
	}
	return strings.Join(append(append(parts, f.Message), f.Fix...), ": ")
}

// workflowCommand is a finding as a workflow command of GitHub Actions, see
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
func workflowCommand(f findings.Finding) string {
	var properties []string
	property := func(name string, value any) {
		properties = append(properties, name+"="+inProperty.Replace(fmt.Sprint(value)))
	}
	message := Sentence(f)
	if f.File != "" {
		property("file", f.File)
		if f.Line > 0 {
			property("line", f.Line)
			property("col", f.Column)
		}
	} else if position := f.Position.String(); position != "" {
		message = position + ": " + message
	}
	title := "values"
	if f.Entry != "" {
		title = fmt.Sprintf("entry %q", f.Entry)
	}
	property("title", title)
	command := "error"
	if f.Severity == findings.Hint {
		command = "notice"
	}
	return fmt.Sprintf("::%s %s::%s", command, strings.Join(properties, ","), inMessage.Replace(message))
}

// What GitHub decodes again in a message and in a property.
var (
	inMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	inProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
