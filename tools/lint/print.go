package lint

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Formats are the forms in which a report can be printed.
func Formats() []string { return []string{"text", "json", "github"} }

// Print writes the report: as text, a finding a line; as json, one object with faults and
// hints; as github, in the commands by which GitHub marks lines of a pull request.
func (r *Report) Print(w io.Writer, format string) error {
	var out strings.Builder
	switch format {
	case "text":
		for _, f := range r.Faults {
			fmt.Fprintln(&out, line(f, ""))
		}
		for _, f := range r.Hints {
			fmt.Fprintln(&out, line(f, "hint: "))
		}
	case "json":
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(r); err != nil {
			return fmt.Errorf("encode the report: %w", err)
		}
	case "github":
		for _, f := range r.Faults {
			fmt.Fprintln(&out, command("error", f))
		}
		for _, f := range r.Hints {
			fmt.Fprintln(&out, command("notice", f))
		}
	default:
		return fmt.Errorf("format %q is none of %s", format, strings.Join(Formats(), ", "))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func line(f Finding, kind string) string {
	if f.Entry == "" && f.Field == f.Key {
		f.Field = "" // the position says it
	}
	text := kind + f.Message()
	if position := f.Position.String(); position != "" {
		text = position + ": " + text
	}
	return text
}

// command prints a finding as a workflow command of GitHub Actions, see
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
func command(kind string, f Finding) string {
	var properties []string
	property := func(name, value string) {
		properties = append(properties, name+"="+inProperty.Replace(value))
	}
	message := f.Message()
	if f.File != "" {
		property("file", f.File)
		if f.Line > 0 {
			property("line", fmt.Sprint(f.Line))
			property("col", fmt.Sprint(f.Column))
		}
	} else if position := f.Position.String(); position != "" {
		message = position + ": " + message
	}
	title := "values"
	if f.Entry != "" {
		title = fmt.Sprintf("entry %q", f.Entry)
	}
	property("title", title)
	return fmt.Sprintf("::%s %s::%s", kind, strings.Join(slices.Clip(properties), ","), inMessage.Replace(message))
}

// What GitHub decodes again in a message and in a property.
var (
	inMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	inProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
