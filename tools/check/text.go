package check

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteText writes the report for a reader: a table of the entries, the connections that
// were tried, and the findings; with colours, if these are wanted.
func (r *Report) WriteText(w io.Writer, colours bool) error {
	paint := func(text, result string) string {
		if !colours {
			return text
		}
		return "\x1b[" + colourOf[result] + "m" + text + "\x1b[0m"
	}
	var out strings.Builder
	if r.Release != nil {
		fmt.Fprintf(&out, "The release %s in %s has the revision %d (%s).\n\n", r.Release.Name, r.Release.Namespace, r.Release.Revision, r.Release.Status)
	}
	if len(r.Entries) == 0 {
		out.WriteString("There is no entry to check.\n")
	} else {
		table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ENTRY\tWANTED\tROUTES TO\tRESULT")
		for _, e := range r.Entries {
			// The colour is in the last column: tabwriter counts its characters.
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", e.Key, e.Wanted, e.routesTo(), paint(string(e.Result), string(e.Result)))
		}
		table.Flush() // a strings.Builder takes everything
		r.writeProbes(&out, paint)
		r.writeCounts(&out)
	}
	for i, f := range r.Findings {
		if i == 0 {
			fmt.Fprintf(&out, "\nFINDINGS\n")
		}
		fmt.Fprintf(&out, "\n%s: %s (%s)\n", f.of(), paint(string(f.Severity), string(f.Severity)), f.Code)
		fmt.Fprintf(&out, "  What is wrong  %s\n", f.What)
		if f.Cause != "" {
			fmt.Fprintf(&out, "  Likely cause   %s\n", f.Cause)
		}
		for i, step := range f.Fix {
			label := ""
			if i == 0 {
				label = "What to do"
			}
			fmt.Fprintf(&out, "  %-13s  %s\n", label, step)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// colourOf are the terminal's colours of results and severities.
var colourOf = map[string]string{
	string(OK):      "32",
	string(Unknown): "33",
	string(Warned):  "33",
	string(Failed):  "31",
}

// routesTo says in a few words what connections of the entry go to.
func (e *Entry) routesTo() string {
	counts, notReady := map[Class]int{}, map[Class]int{}
	for _, endpoint := range e.Endpoints {
		counts[endpoint.Class]++
		if !endpoint.Ready {
			notReady[endpoint.Class]++
		}
	}
	var parts []string
	for _, class := range []Class{Ours, Pods, Stale, Foreign} {
		if counts[class] == 0 {
			continue
		}
		part := fmt.Sprintf("%d %s", counts[class], class)
		if notReady[class] > 0 {
			part += fmt.Sprintf(" (%d not ready)", notReady[class])
		}
		parts = append(parts, part)
	}
	if len(e.Missing) > 0 {
		parts = append(parts, fmt.Sprintf("%d missing", len(e.Missing)))
	}
	if r := e.Resolution; r != nil {
		switch {
		case r.Error != "":
			parts = append(parts, "does not resolve")
		default:
			parts = append(parts, fmt.Sprintf("%s in %s", some(r.Addresses), latency(r.Millis)))
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

func latency(millis float64) string { return fmt.Sprintf("%.1f ms", millis) }

func (r *Report) writeProbes(out *strings.Builder, paint func(text, result string) string) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	first := true
	for _, e := range r.Entries {
		for _, p := range e.Probes {
			if first {
				fmt.Fprintln(out)
				fmt.Fprintln(table, "ENTRY\tADDRESS\tPORT\tLATENCY\tRESULT")
				first = false
			}
			took, result := latency(p.Millis), paint(p.text(), string(p.result()))
			if p.Skipped != "" {
				took = "-"
			}
			fmt.Fprintf(table, "%s\t%s\t%d/%s\t%s\t%s\n", e.Key, p.Address, p.Port, p.Protocol, took, result)
		}
	}
	table.Flush() // as above
}

func (p *Probe) result() Result {
	switch {
	case p.Skipped != "":
		return Unknown
	case p.Error == "":
		return OK
	case p.severity == Warning:
		return Warned
	}
	return Failed
}

// text is what came of a connection.
func (p *Probe) text() string {
	if p.Skipped != "" {
		return p.Skipped
	}
	parts := []string{"connects"}
	if p.code == Unreachable {
		parts = nil
	}
	if p.TLS != "" {
		parts = append(parts, p.TLS+" for "+p.ServerName)
	}
	if p.Status != 0 {
		parts = append(parts, fmt.Sprintf("HTTP status %d", p.Status))
	}
	if p.Error != "" {
		parts = append(parts, p.Error)
	}
	return strings.Join(parts, ", ")
}

func (r *Report) writeCounts(out *strings.Builder) {
	counts := map[Result]int{}
	for _, e := range r.Entries {
		counts[e.Result]++
	}
	parts := []string{fmt.Sprintf("%d ok", counts[OK])}
	for _, result := range []struct {
		Result
		text string
	}{{Warned, "with warnings"}, {Failed, "with errors"}, {Unknown, "not wholly checked"}} {
		if n := counts[result.Result]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, result.text))
		}
	}
	fmt.Fprintf(out, "\n%d checked: %s.\n", len(r.Entries), strings.Join(parts, ", "))
}
