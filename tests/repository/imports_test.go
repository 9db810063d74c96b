package repository

import (
	"slices"
	"strings"
	"testing"
)

// The packages of the commands share the packages below them, and not each other: only import renders its
// result with lint, and report shows what check and discover find. Only their program imports plan, and check but for that.
func TestImportsOfTheCommands(t *testing.T) {
	const tools = "external-services/tools/"
	commands := []string{"lint", "plan", "check", "importer", "discover"}
	allowed := map[string][]string{"importer": {"lint"}, "report": {"check", "discover"}}
	seen := 0
	for _, line := range goList(t, "-f", `{{.ImportPath}} {{join .Deps ","}}`, "./tools/...") {
		path, deps, _ := strings.Cut(line, " ")
		name := strings.TrimPrefix(path, tools)
		for _, other := range commands {
			if name == "cmd/extsvc" || slices.Contains(allowed[name], other) || !slices.Contains(strings.Split(deps, ","), tools+other) {
				continue
			}
			if slices.Contains(commands, name) || other == "plan" || other == "check" {
				t.Errorf("tools/%s imports tools/%s, perhaps through another package", name, other)
			}
		}
		if slices.Contains(commands, name) {
			seen++
		}
	}
	if seen != len(commands) {
		t.Errorf("%d of the packages %q exist", seen, commands)
	}
}
