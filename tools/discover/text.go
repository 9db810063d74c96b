package discover

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"external-services/tools/findings"
)

// WriteText writes a table of the hosts with who refers to them, how far the names of entries are in use, and the
// findings.
func (r *Report) WriteText(w io.Writer, paint findings.Paint) error {
	var out strings.Builder
	if len(r.Endpoints) == 0 {
		out.WriteString("No reference to a host outside the cluster.\n")
	} else {
		r.writeEndpoints(&out)
	}
	if r.showAll && len(r.Doubtful) > 0 {
		out.WriteString("\nDOUBTFUL\n\n")
		rows := [][]string{{"HOST", "WHERE", "KEY"}}
		for _, reference := range r.Doubtful {
			rows = append(rows, []string{reference.target(), reference.Place.String(), reference.Key})
		}
		findings.WriteTable(&out, rows)
	}
	fmt.Fprintf(&out, "\n%s\n", r.Summary())
	if r.Progress != nil {
		severity := findings.Severity("")
		if r.Progress.Mapped < r.Progress.Total {
			severity = findings.Warning
		}
		out.WriteString(paint(r.Progress.String(), severity) + "\n")
	}
	findings.WriteText(&out, r.Findings, paint)
	_, err := io.WriteString(w, out.String())
	return err
}

func (r *Report) writeEndpoints(out *strings.Builder) {
	rows := [][]string{{"HOST", "WHERE", "KEY", "WRITE"}}
	var notes []string
	for _, e := range r.Endpoints {
		last := ""
		for _, reference := range e.References {
			target := reference.target()
			if target == last {
				target = ""
			} else {
				last = target
			}
			rows = append(rows, []string{target, reference.Place.String(), reference.Key, cmp.Or(reference.Write, "-")})
		}
		if e.Note != "" {
			notes = append(notes, e.Host+": "+e.Note)
		}
	}
	findings.WriteTable(out, rows)
	if len(notes) > 0 {
		out.WriteString("\n" + strings.Join(notes, "\n") + "\n")
	}
}

// target is the host with its port.
func (r Reference) target() string { return hostAndPort(r.Host, r.Port, true) }

// Summary counts what was found, in a sentence.
func (r *Report) Summary() string {
	references := 0
	for _, e := range r.Endpoints {
		references += len(e.References)
	}
	text := fmt.Sprintf("%s outside, in %s.", count(len(r.Endpoints), "host"), count(references, "reference"))
	if r.Read.Files > 0 {
		text += fmt.Sprintf(" Read %s.", count(r.Read.Files, "file"))
	}
	if r.Read.Objects > 0 {
		text += fmt.Sprintf(" Read %s.", count(r.Read.Objects, "object"))
	}
	if len(r.Doubtful) > 0 && !r.showAll {
		text += fmt.Sprintf(" --all also lists %s.", count(len(r.Doubtful), "doubtful reference"))
	}
	return text
}

func count(number int, what string) string {
	if number == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", number, what)
}
