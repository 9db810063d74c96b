package transitions

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"external-services/tests/internal/testenv"
)

var update = flag.Bool("update", false, "write the tables to the chart's docs/transitions.md")

// The lines of the page between which the tables stand.
const (
	begin = "<!-- made by make transitions: begin -->\n"
	end   = "<!-- made by make transitions: end -->\n"
)

// results are what was measured.
type results struct {
	mu   sync.Mutex
	runs []measured
}

type measured struct{ step, version, program, from, to, result string }

func (r *results) add(step string, t trial, from, to state, result string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs = append(r.runs, measured{step, t.server.Version, t.program, from.name, to.name, result})
	if len(r.runs)%100 == 0 {
		steps := allSteps()
		if !*all {
			steps /= 2
		}
		fmt.Printf("%d of %d steps are as expected\n", len(r.runs), steps)
	}
}

// allSteps is the number of steps of all versions and programs.
func allSteps() int { return 3 * len(servers) * len(programs) * len(states) * (len(states) - 1) }

// compare holds the tables in the documentation against the results, and prints them.
func (r *results) compare(t *testing.T) {
	path := testenv.Path("charts", "external-services", "docs", "transitions.md")
	tables := r.tables()
	fmt.Println(tables)
	if *update && len(r.runs) != allSteps() {
		t.Fatalf("%d of %d steps were run: write the page with -all", len(r.runs), allSteps())
	}
	testenv.Section(t, path, begin, end, tables, *update, "make transitions")
}

func (r *results) tables() string {
	var text strings.Builder
	var versions []string
	for _, s := range servers {
		versions = append(versions, s.Version)
	}
	fmt.Fprintf(&text, "Kubernetes %s, %s: %d runs.\n", strings.Join(versions, " and "), strings.Join(helmVersions(), " and "), allSteps())
	for _, table := range []struct{ step, title string }{
		{"upgrade", "An upgrade from the state of the row to that of the column"},
		{"rollback", "A rollback after that upgrade"},
		{"retry", "That upgrade, after it failed in the middle"},
	} {
		fmt.Fprintf(&text, "\n**%s**\n\n| |", table.title)
		for _, to := range states {
			fmt.Fprintf(&text, " %s |", to.name)
		}
		text.WriteString("\n| --- |" + strings.Repeat(" --- |", len(states)) + "\n")
		for _, from := range states {
			fmt.Fprintf(&text, "| **%s** |", from.name)
			for _, to := range states {
				fmt.Fprintf(&text, " %s |", r.cell(table.step, from.name, to.name))
			}
			text.WriteString("\n")
		}
	}
	return text.String()
}

// cell is the result that all versions and programs have, or that of each.
func (r *results) cell(step, from, to string) string {
	byProgram := map[string][]string{}
	var all []string
	for _, run := range r.runs {
		if run.step == step && run.from == from && run.to == to {
			all = append(all, run.result)
			byProgram[run.program] = append(byProgram[run.program], run.result)
		}
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) <= 1 {
		return strings.Join(all, "")
	}
	var parts []string
	for _, program := range programs {
		slices.Sort(byProgram[program])
		parts = append(parts, fmt.Sprintf("%s with %s", strings.Join(slices.Compact(byProgram[program]), " or "), map[string]string{"helm": "Helm 3", "helm4": "Helm 4"}[program]))
	}
	return strings.Join(parts, ", ")
}

// helmVersions are those of the programs, from ci/versions.env.
func helmVersions() []string {
	var versions []string
	for _, key := range []string{"HELM_VERSION", "HELM4_VERSION"} {
		versions = append(versions, "Helm "+strings.TrimPrefix(pinned[key], "v"))
	}
	return versions
}
