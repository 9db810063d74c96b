package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"gotest.tools/gotestsum/testjson"
)

// firstLines is how many lines of a failed test the summary repeats. All of them are
// further up, where the test ended.
const firstLines = 4

// maxFailures is how many failed tests the summary names.
const maxFailures = 20

// summary is what became of the parts.
type summary struct {
	execution *testjson.Execution

	// broken says which parts came to no result, and why, and compiler what the compiler
	// said.
	broken, compiler []string
}

// failed are the tests that failed, without those that only have a part that failed.
func (s *summary) failed() []testjson.TestCase {
	return testjson.FilterFailedUnique(s.execution.Failed())
}

// report prints the table of times, what did not run, and last what failed.
func (s *summary) report(out io.Writer, rows []row) error {
	fmt.Fprintln(out, "\nWHAT TOOK HOW LONG")
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ELAPSED\tPROCESSORS\tPART")
	var total row
	for _, r := range rows {
		total.wall, total.cpu = total.wall+r.wall, total.cpu+r.cpu
		name := r.name
		if r.failed {
			name += ": FAILED"
		}
		fmt.Fprintf(table, "%.0f s\t%.0f s\t%s\n", r.wall.Seconds(), r.cpu.Seconds(), name)
	}
	fmt.Fprintf(table, "%.0f s\t%.0f s\tin all\n", total.wall.Seconds(), total.cpu.Seconds())
	if err := table.Flush(); err != nil {
		return err
	}
	passed, skipped := 0, 0
	if s.execution != nil {
		skipped = len(s.execution.Skipped())
		for _, name := range s.execution.Packages() {
			passed += len(s.execution.Package(name).Passed)
		}
		s.slowest(out)
		s.notRun(out)
	}
	failed := s.failed()
	if len(failed)+len(s.broken) == 0 {
		fmt.Fprintf(out, "\n%d passed, 0 failed, %d skipped\n", passed, skipped)
		return nil
	}
	fmt.Fprintf(out, "\nWHAT FAILED (all that a test says is where it ended, further up)\n")
	for i, test := range failed {
		if i == maxFailures {
			fmt.Fprintf(out, "and %d more\n", len(failed)-i)
			break
		}
		fmt.Fprintf(out, "%s\n", strings.TrimSpace(packageName(test.Package)+" "+test.Test.Name()))
		lines := withoutFrame(s.execution.OutputLines(test))
		for _, line := range lines[:min(firstLines, len(lines))] {
			fmt.Fprintf(out, "    %.200s\n", strings.TrimSpace(line))
		}
	}
	for _, text := range slices.Concat(s.compiler[:min(maxFailures, len(s.compiler))], s.broken) {
		fmt.Fprintln(out, strings.TrimSpace(text))
	}
	fmt.Fprintf(out, "\n%d passed, %d failed, %d skipped\n", passed, len(failed)+len(s.broken), skipped)
	return errors.New("make test: failed, see above")
}

// slowest names the packages that took the most time.
func (s *summary) slowest(out io.Writer) {
	const shown = 8
	packages := slices.DeleteFunc(s.execution.Packages(), func(name string) bool { return name == "" })
	elapsed := func(name string) time.Duration { return s.execution.Package(name).Elapsed() }
	slices.SortFunc(packages, func(a, b string) int { return int(elapsed(b) - elapsed(a)) })
	var parts []string
	for _, name := range packages[:min(shown, len(packages))] {
		parts = append(parts, fmt.Sprintf("%s %.0f s", packageName(name), elapsed(name).Seconds()))
	}
	fmt.Fprintf(out, "The longest packages: %s.\n", strings.Join(parts, ", "))
}

// notRun names the tests that were skipped, and why.
func (s *summary) notRun(out io.Writer) {
	skipped := s.execution.Skipped()
	if len(skipped) == 0 {
		return
	}
	fmt.Fprintln(out, "\nWHAT DID NOT RUN")
	for _, test := range skipped {
		fmt.Fprintf(out, "%s %s: %s\n", packageName(test.Package), test.Test, strings.TrimSpace(strings.Join(withoutFrame(s.execution.OutputLines(test)), " ")))
	}
}
