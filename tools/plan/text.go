package plan

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

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
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ENTRY\tBEFORE\tAFTER\tCHANGE")
	for _, c := range p.Changes {
		counts[c.Action]++
		items := c.Changes
		switch c.Action {
		case Add:
			items = []string{"added"}
		case Remove:
			items = []string{"removed"}
		}
		for i, item := range items {
			if i == 0 {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.Key, c.Before, c.After, item)
			} else {
				fmt.Fprintf(table, "\t\t\t%s\n", item)
			}
		}
	}
	table.Flush() // a strings.Builder takes everything
	fmt.Fprintf(w, "\n%d added, %d changed, %d removed.\n", counts[Add], counts[Modify], counts[Remove])
}
