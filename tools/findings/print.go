package findings

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Paint colours a text by a severity, in which empty is that nothing was found.
type Paint func(text string, severity Severity) string

// Plain leaves texts as they are.
func Plain(text string, _ Severity) string { return text }

// Colour colours texts for a terminal.
func Colour(text string, severity Severity) string {
	code := map[Severity]int{Error: 31, Warning: 33, Hint: 36, "": 32}[severity]
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", code, text)
}

// WriteText writes findings as paragraphs: what each is about, its message, its cause and the
// steps of its fix.
func WriteText(w io.Writer, list []Finding, paint Paint) {
	for i, f := range list {
		if i == 0 {
			fmt.Fprint(w, "\nFINDINGS\n")
		}
		fmt.Fprintf(w, "\n%s: %s (%s)\n", f.Subject(), paint(f.kind(), f.Severity), f.Code)
		fmt.Fprintf(w, "  Problem  %s\n", f.Message)
		if f.Cause != "" {
			fmt.Fprintf(w, "  Cause    %s\n", f.Cause)
		}
		if len(f.Fix) > 0 {
			fmt.Fprintf(w, "  Fix      %s\n", strings.Join(f.Fix, "\n           "))
		}
	}
}

// WriteTable writes rows of cells. Colours may be in the last column only, because their characters count.
func WriteTable(w *strings.Builder, rows [][]string) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	table.Flush() // a strings.Builder takes everything
}

// Some joins a list and cuts off a long one, saying so.
func Some(list []string, separator string) string {
	const maxListed = 8
	if len(list) > maxListed {
		return strings.Join(list[:maxListed], separator) + fmt.Sprintf("%sand %d more", separator, len(list)-maxListed)
	}
	return strings.Join(list, separator)
}
