package plan

import (
	"fmt"
	"io"
	"strings"

	"external-services/tools/findings"
)

// WriteText writes a table of what changes, and the findings.
func (p *Plan) WriteText(w io.Writer, paint findings.Paint) error {
	var out strings.Builder
	if p.Release != nil {
		fmt.Fprintln(&out, p.Release)
	}
	if len(p.Changes) == 0 {
		out.WriteString("No entry changes.\n")
	} else {
		if p.Release != nil {
			out.WriteString("\n")
		}
		p.writeTable(&out)
	}
	findings.WriteText(&out, p.Findings, paint)
	_, err := io.WriteString(w, out.String())
	return err
}

// writeTable writes a line for each difference, and how many mappings change.
func (p *Plan) writeTable(w *strings.Builder) {
	counts := map[Action]int{}
	rows := [][]string{{"ENTRY", "BEFORE", "AFTER", "CHANGE"}}
	for _, c := range p.Changes {
		counts[c.Action]++
		items := map[Action][]string{Add: {"added"}, Remove: {"removed"}, Modify: c.Changes}[c.Action]
		for i, item := range items {
			row := []string{c.Key.String(), c.Before.String(), c.After.String(), item}
			if i > 0 {
				row = []string{"", "", "", item}
			}
			rows = append(rows, row)
		}
	}
	findings.WriteTable(w, rows)
	fmt.Fprintf(w, "\n%d added, %d changed, %d removed.\n", counts[Add], counts[Modify], counts[Remove])
}
