package plan

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteText writes the plan for a reader: a table of what changes, and the hazards.
func (p *Plan) WriteText(w io.Writer) error {
	var out strings.Builder
	if r := p.Release; r != nil {
		if r.Revision == 0 {
			fmt.Fprintf(&out, "The release %s in %s is not installed yet, so that every entry is added. If it should be, look for its name and namespace with helm list -A.\n", r.Name, r.Namespace)
		} else {
			fmt.Fprintf(&out, "The release %s in %s has the revision %d (%s).\n", r.Name, r.Namespace, r.Revision, r.Status)
		}
	}
	if len(p.Changes) == 0 {
		out.WriteString("No entry changes.\n")
	} else {
		out.WriteString("\n")
		p.writeTable(&out)
		p.writeCounts(&out)
	}
	for i, hazard := range p.Hazards {
		if i == 0 {
			fmt.Fprintf(&out, "\nHAZARDS\n")
		}
		of := hazard.Key.String()
		switch {
		case hazard.Key == Key{}:
			of = "the release"
		case hazard.Name == "":
			of = "the namespace " + hazard.Namespace
		}
		fmt.Fprintf(&out, "\n%s: %s (%s)\n", of, hazard.Effect, hazard.Code)
		fmt.Fprintf(&out, "  What happens  %s\n", hazard.What)
		for i, step := range hazard.SafeWay {
			label := ""
			if i == 0 {
				label = "The safe way"
			}
			fmt.Fprintf(&out, "  %-12s  %s\n", label, step)
		}
	}
	for i, part := range p.NotChecked {
		if i == 0 {
			fmt.Fprintf(&out, "\nNOT CHECKED\n\n")
		}
		fmt.Fprintf(&out, "%s: %s\n", part.What, part.Why)
	}
	_, err := io.WriteString(w, strings.TrimPrefix(out.String(), "\n"))
	return err
}

// writeTable writes a line for each item that changes. What stands in the lines above
// is not repeated.
func (p *Plan) writeTable(w *strings.Builder) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ENTRY\tNOW\tTHEN\tCHANGE")
	for _, c := range p.Changes {
		items := c.Changes
		switch c.Action {
		case Add:
			items = []string{"added"}
		case Remove:
			items = []string{"removed"}
		}
		for i, item := range items {
			if i == 0 {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.Key, c.Now, c.Then, item)
			} else {
				fmt.Fprintf(table, "\t\t\t%s\n", item)
			}
		}
	}
	table.Flush() // a strings.Builder takes everything
}

func (p *Plan) writeCounts(w *strings.Builder) {
	counts := map[Action]int{}
	for _, c := range p.Changes {
		counts[c.Action]++
	}
	fmt.Fprintf(w, "\n%d added, %d changed, %d removed.\n", counts[Add], counts[Modify], counts[Remove])
}
