package schema

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"external-services/tests/internal/testenv"
)

var update = flag.Bool("update", false, "write the list of docs/validation.md")

// The list of docs/validation.md says who refuses each of the cases: most by a sentence of the chart,
// formats by the schema, and what takes a calculation by the API server.
func TestListOfRefusals(t *testing.T) {
	const begin, end = "<!-- generated from tests/schema by make generate: begin -->\n", "<!-- generated from tests/schema by make generate: end -->\n"
	by := map[string][]string{}
	total := 0
	for _, c := range testenv.InvalidCases(t) {
		who := "the chart"
		if c.Schema != "" {
			who = "the schema"
		} else if c.API != "" {
			who = "the API server"
		}
		by[who] = append(by[who], c.Name)
		total++
	}
	if total < 333 || len(by["the chart"]) < 150 {
		t.Errorf("%d cases, %d of them with a sentence of the chart", total, len(by["the chart"]))
	}
	var list strings.Builder
	fmt.Fprintf(&list, "\nOf %d invalid inputs that the tests keep:\n", total)
	for _, who := range []string{"the chart", "the schema", "the API server"} {
		fmt.Fprintf(&list, "\n- %s refuses %d: %s.\n", strings.ToUpper(who[:1])+who[1:], len(by[who]), strings.Join(by[who], "; "))
	}
	list.WriteString("\n")
	testenv.Section(t, filepath.Join(testenv.Chart(), "docs", "validation.md"), begin, end, list.String(), *update, "make generate")
}
