package findings

import (
	"fmt"
	"io"
	"strings"
)

// WriteText writes findings as paragraphs: what each is about, its message, its cause and the
// steps of its fix. Paint colours a severity for a terminal.
func WriteText(w io.Writer, list []Finding, paint func(text string, severity Severity) string) {
	for i, f := range list {
		if i == 0 {
			fmt.Fprint(w, "\nFINDINGS\n")
		}
		kind := string(f.Severity)
		if f.Effect != "" {
			kind = string(f.Effect)
		}
		fmt.Fprintf(w, "\n%s: %s (%s)\n", f.Subject(), paint(kind, f.Severity), f.Code)
		fmt.Fprintf(w, "  Problem  %s\n", f.Message)
		if f.Cause != "" {
			fmt.Fprintf(w, "  Cause    %s\n", f.Cause)
		}
		for i, step := range f.Fix {
			label := "Fix"
			if i > 0 {
				label = ""
			}
			fmt.Fprintf(w, "  %-7s  %s\n", label, step)
		}
	}
}

// Some joins a list and cuts off a long one, saying so.
func Some(list []string, separator string) string {
	const maxListed = 8
	if len(list) > maxListed {
		return strings.Join(list[:maxListed], separator) + fmt.Sprintf("%sand %d more", separator, len(list)-maxListed)
	}
	return strings.Join(list, separator)
}
