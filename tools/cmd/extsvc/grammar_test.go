package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"external-services/tools/findings"
	"external-services/tools/importer"
	"external-services/tools/lint"
	"external-services/tools/plan"
)

var update = flag.Bool("update", false, "write the table of the commands in docs/extsvc.md")

// The groups of flags, which every command that has one of them has as a whole.
var (
	valueFlags   = []string{"values", "set", "set-string", "set-json"}
	clusterFlags = []string{"kubeconfig", "context"}
	fileFlags    = []string{"write", "force"}
)

// commands are those of the users: cobra's own, help and completion, are not.
func commands(t *testing.T) []*cobra.Command {
	t.Helper()
	var list []*cobra.Command
	for _, cmd := range newRootCommand().Commands() {
		if cmd.HasSubCommands() {
			t.Fatalf("%s has commands: the test walks one level only", cmd.Name())
		}
		list = append(list, cmd)
	}
	return list
}

// The same flag means the same in every command: one shorthand, and no words of its own.
func TestOneGrammar(t *testing.T) {
	type meaning struct{ shorthand, usage string }
	first := map[string]meaning{}
	for _, cmd := range commands(t) {
		if cmd.Short == "" || cmd.Example == "" || cmd.Flags().Lookup("output") == nil || cmd.Flags().ShorthandLookup("o") == nil {
			t.Errorf("%s: each command has a summary, an example and -o", cmd.Name())
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			m := meaning{f.Shorthand, f.Usage}
			// What differs is the default, and the formats, which the table has.
			m.usage, _, _ = strings.Cut(m.usage, " (default")
			if f.Name == "output" {
				m.usage, _, _ = strings.Cut(m.usage, ":")
			}
			if old, ok := first[f.Name]; ok && old != m {
				t.Errorf("%s --%s: %q, and %q in another command", cmd.Name(), f.Name, m, old)
			}
			first[f.Name] = m
		})
	}
}

const (
	beginTable = "<!-- commands: begin; go test ./tools/cmd/extsvc -update writes this table -->\n"
	endTable   = "<!-- commands: end -->\n"
)

// The table of the guide has every command, with its flags, formats and exit codes.
func TestTableOfCommands(t *testing.T) {
	var out strings.Builder
	groups := [][]string{valueFlags, {"chart"}, {"namespace"}, clusterFlags, fileFlags, {"exit-zero"}}
	header, rule := "| Command |", "| --- |"
	for _, group := range groups {
		header, rule = header+" `--"+strings.Join(group, "` `--")+"` |", rule+" --- |"
	}
	fmt.Fprintf(&out, "%s `-o` | Exit codes |\n%s --- | --- |\n", header, rule)
	for _, cmd := range commands(t) {
		formats := cmd.Flags().Lookup("output").Usage
		_, help, _ := strings.Cut(cmd.Long, "Exit codes:\n")
		var codes []string
		for line := range strings.Lines(help) {
			if strings.HasPrefix(line, "  ") {
				codes = append(codes, strings.Fields(line)[0])
			}
		}
		fmt.Fprintf(&out, "| `extsvc %s` |", cmd.Use)
		for _, group := range groups {
			fmt.Fprintf(&out, " %s |", has(t, cmd, group))
		}
		fmt.Fprintf(&out, " %s | %s |\n", strings.TrimPrefix(formats, "output format: "), strings.Join(codes, ", "))
	}
	path := filepath.Join("..", "..", "..", "charts", "external-services", "docs", "extsvc.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), beginTable)
	old, after, ended := strings.Cut(rest, endTable)
	if !found || !ended {
		t.Fatalf("%s: no lines %q and %q", path, beginTable, endTable)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+beginTable+out.String()+endTable+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(old, out.String()); diff != "" {
		t.Errorf("%s: go test ./tools/cmd/extsvc -update writes it (-page +commands):\n%s", path, diff)
	}
}

// has says whether a command has a group of flags: all of it, or none.
func has(t *testing.T, cmd *cobra.Command, names []string) string {
	t.Helper()
	missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return cmd.Flags().Lookup(name) != nil })
	switch len(missing) {
	case 0:
		return "yes"
	case len(names):
		return "no"
	}
	t.Errorf("%s has some of %q, but not %q", cmd.Name(), names, missing)
	return "some"
}

// Each command prints one JSON document, which its Go type decodes strictly. That of check needs a cluster: see
// tests/cluster.
func TestJSON(t *testing.T) {
	dir := t.TempDir()
	values, manifest := filepath.Join(dir, "values.yaml"), filepath.Join(dir, "service.yaml")
	write(t, values, "services: [{name: web, externalName: a.example, ports: [{port: 443, name: https}]}]")
	write(t, manifest, lossy)
	for command, c := range map[string]struct {
		args []string
		into any
	}{
		"lint":     {[]string{"-f", values}, &lint.Report{}},
		"plan":     {[]string{"--from", values, "-f", values, "--set", "services[0].externalName=b.example"}, &plan.Plan{}},
		"import":   {[]string{"-f", manifest}, &importer.Result{}},
		"template": {[]string{"-f", values}, &list{}},
		"version":  {nil, &versions{}},
	} {
		stdout, stderr, err := run(t, append([]string{command, "-o", "json"}, c.args...)...)
		if exitStatus(err) == findings.ExitFailed {
			t.Errorf("%s: %s", command, stderr)
		}
		decoder := json.NewDecoder(strings.NewReader(stdout))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(c.into); err != nil || decoder.More() {
			t.Errorf("%s: %v in\n%s", command, err, stdout)
		}
	}
}
