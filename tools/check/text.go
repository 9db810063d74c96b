package check

import (
	"cmp"
	"fmt"
	"io"
	"strings"

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
		rows := [][]string{{"ENTRY", "DESIRED", "ROUTES TO", "RESULT"}}
		for _, e := range r.Entries {
			result := paint(string(e.Result), e.Result.severity())
			rows = append(rows, []string{e.Key.String(), e.Desired.String(), e.RoutesTo(), result})
		}
		findings.WriteTable(&out, rows)
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

// RoutesTo says in a few words what connections of the entry go to.
func (e *Entry) RoutesTo() string {
	var parts []string
	for _, class := range []service.Class{service.Own, service.Followed, service.Pods, service.Left, service.Stale, service.Foreign} {
		all, ready := e.count(class)
		switch {
		case all > ready:
			parts = append(parts, fmt.Sprintf("%s (%d not ready)", counted(all, class), all-ready))
		case all > 0:
			parts = append(parts, counted(all, class))
		}
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
	return cmp.Or(strings.Join(parts, ", "), "-")
}

// counted says how many endpoints of a class there are: "2 own", "1 pod".
func counted(number int, class service.Class) string {
	if number == 1 && class == service.Pods {
		return "1 pod"
	}
	return fmt.Sprintf("%d %s", number, class)
}

func latency(millis float64) string { return fmt.Sprintf("%.1f ms", millis) }

func (r *Report) writeProbes(out *strings.Builder, paint findings.Paint) {
	rows := [][]string{{"ENTRY", "ADDRESS", "PORT", "LATENCY", "RESULT"}}
	for _, e := range r.Entries {
		for _, p := range e.Probes {
			took, severity := latency(p.Millis), findings.Severity("")
			switch {
			case p.Skipped != "":
				took, severity = "-", findings.Warning
			case p.code != "":
				severity = p.code.Severity()
			}
			port := fmt.Sprintf("%d/%s", p.Port, p.Protocol)
			rows = append(rows, []string{e.Key.String(), p.Address, port, took, paint(p.text(), severity)})
		}
	}
	if len(rows) > 1 {
		fmt.Fprintln(out)
		findings.WriteTable(out, rows)
	}
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
