// Package bench measures what the chart and the tools cost, beside the least that the
// same objects can cost.
package bench

import (
	"fmt"
	"strings"

	"external-services/tests/internal/testenv"
)

// Sizes are the numbers of entries that everything is measured with.
var Sizes = []int{10, 100, 1_000, 10_000}

// Namespaces is how many namespaces the entries of Entries land in at most.
const Namespaces = 20

// The charts that are measured: the chart, the floor chart, which prints the very same
// objects with a bare range, and one that has nothing in it.
var (
	Chart = testenv.Chart()
	Floor = testenv.Path("tests", "bench", "floor")
	Empty = testenv.Path("tests", "bench", "empty")
)

// Entries is a values file with that many entries, a mix as a company may have it: of
// twenty, eight are DNS aliases, two of these with a port, eleven have one to three IPv4
// addresses, and one has both families; one in four has a label. They are in the order in
// which the chart goes through them, so that the test Pod of the floor has it too.
func Entries(n int) string { return entries(n, -1) }

// ChangedEntries is Entries with other addresses in one entry.
func ChangedEntries(n int) string { return entries(n, 9) }

func entries(n, changed int) string {
	var out strings.Builder
	out.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&out, "- name: service-%05d\n  namespace: %s\n", i, Namespace(i, n))
		kind, first := i%20, 0
		if i == changed {
			first = 100
		}
		switch {
		case kind < 8:
			fmt.Fprintf(&out, "  externalName: host-%d.corp.example\n", i)
			if kind < 2 {
				out.WriteString("  ports:\n  - {name: https, port: 443}\n")
			}
		case kind < 19:
			out.WriteString("  addresses:\n")
			for j := range 1 + kind%3 {
				fmt.Fprintf(&out, "  - 10.%d.%d.%d\n", first+j, i/250, i%250+1)
			}
			ports(&out, kind)
		default:
			fmt.Fprintf(&out, "  addresses:\n  - 10.0.%d.%d\n  - 2001:db8::%x\n", i/250, i%250+1, i+1)
			ports(&out, kind)
		}
		if i%4 == 3 {
			fmt.Fprintf(&out, "  labels: {team: team-%d}\n", i%30)
		}
	}
	return out.String()
}

func ports(out *strings.Builder, kind int) {
	switch kind % 4 {
	case 0, 1:
		out.WriteString("  ports:\n  - port: 5432\n")
	case 2:
		out.WriteString("  ports:\n  - {name: http, port: 80, targetPort: 8080}\n")
	default:
		out.WriteString("  ports:\n  - {name: http, port: 80, targetPort: 8080}\n  - {name: metrics, port: 9100}\n")
	}
}

// Namespace is where an entry of Entries lands.
func Namespace(i, n int) string {
	return fmt.Sprintf("bench-%02d", i*Namespaces/n)
}

// Addresses is a values file with one entry that has that many addresses.
func Addresses(n int) string {
	var out strings.Builder
	out.WriteString("services:\n- name: service-00000\n  namespace: bench-00\n  ports:\n  - {name: http, port: 80, targetPort: 8080}\n  addresses:\n")
	for i := range n {
		fmt.Fprintf(&out, "  - 10.0.%d.%d\n", i/250, i%250+1)
	}
	return out.String()
}
