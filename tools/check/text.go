package check

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"external-services/tools/findings"
	"external-services/tools/service"
)

// WriteText writes a table of the entries, the connections that were tried, and the findings.
func (r *Report) WriteText(w io.Writer, paint findings.Paint) error {
	var out strings.Builder
	if r.Release != nil {
		fmt.Fprintf(&out, "%s\n\n", r.Release)
	}
	if len(r.Entries) == 0 {
		out.WriteString("No entry to check.\n")
	} else {
		table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ENTRY\tDESIRED\tROUTES TO\tRESULT")
		for _, e := range r.Entries {
			// The colour is in the last column, because tabwriter counts its characters.
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", e.Key, e.Desired, e.routesTo(), paint(string(e.Result), e.Result.severity()))
		}
		table.Flush() // a strings.Builder takes everything
		r.writeProbes(&out, paint)
		r.writeCounts(&out)
	}
	findings.WriteText(&out, r.Findings, paint)
	_, err := io.WriteString(w, out.String())
	return err
}

// severity is that of a result, for its colour.
func (r Result) severity() findings.Severity {
	return map[Result]findings.Severity{Unknown: findings.Warning, Warned: findings.Warning, Failed: findings.Error}[r]
}

// routesTo says in a few words what connections of the entry go to.
func (e *Entry) routesTo() string {
	counts, notReady := map[service.Class]int{}, map[service.Class]int{}
	for _, endpoint := range e.Endpoints {
		counts[endpoint.Class]++
		if !endpoint.Ready {
			notReady[endpoint.Class]++
		}
	}
	var parts []string
	for _, class := range []service.Class{service.Own, service.Pods, service.Stale, service.Foreign} {
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
	switch r := e.Resolution; {
	case r == nil:
	case r.Error != "":
		parts = append(parts, "does not resolve")
	default:
		parts = append(parts, fmt.Sprintf("%s in %s", findings.Some(r.Addresses, ", "), latency(r.Millis)))
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

func latency(millis float64) string { return fmt.Sprintf("%.1f ms", millis) }

func (r *Report) writeProbes(out *strings.Builder, paint findings.Paint) {
	if !slices.ContainsFunc(r.Entries, func(e *Entry) bool { return len(e.Probes) > 0 }) {
		return
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ENTRY\tADDRESS\tPORT\tLATENCY\tRESULT")
	for _, e := range r.Entries {
		for _, p := range e.Probes {
			took := latency(p.Millis)
			if p.Skipped != "" {
				took = "-"
			}
			fmt.Fprintf(table, "%s\t%s\t%d/%s\t%s\t%s\n",
				e.Key, p.Address, p.Port, p.Protocol, took, paint(p.text(), p.severity()))
		}
	}
	table.Flush() // as above
}

// severity is that of a connection, for its colour.
func (p *Probe) severity() findings.Severity {
	switch {
	case p.Skipped != "", p.code == findings.TLSCertificate, p.code == findings.HTTPStatus:
		return findings.Warning
	case p.Error != "":
		return findings.Error
	}
	return ""
}

// text is the result of a connection.
func (p *Probe) text() string {
	if p.Skipped != "" {
		return p.Skipped
	}
	var parts []string
	if p.code != findings.Unreachable {
		parts = append(parts, "connects")
	}
	if p.TLS != "" {
		parts = append(parts, p.TLS+" for "+p.ServerName)
	}
	if p.Status != 0 {
		parts = append(parts, fmt.Sprintf("HTTP status %d", p.Status))
	}
	if p.Error != "" && p.code != findings.HTTPStatus {
		parts = append(parts, p.Error)
	}
	return strings.Join(parts, ", ")
}

func (r *Report) writeCounts(out *strings.Builder) {
	counts := map[Result]int{}
	for _, e := range r.Entries {
		counts[e.Result]++
	}
	var parts []string
	for _, result := range []struct {
		Result
		text string
	}{{OK, "ok"}, {Warned, "with warnings"}, {Failed, "with errors"}, {Unknown, "not completely checked"}} {
		if n := counts[result.Result]; n > 0 || result.Result == OK {
			parts = append(parts, fmt.Sprintf("%d %s", n, result.text))
		}
	}
	fmt.Fprintf(out, "\n%d checked: %s.\n", len(r.Entries), strings.Join(parts, ", "))
}
