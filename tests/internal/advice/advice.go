// Package advice runs what findings and guides tell people to run.
package advice

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"external-services/tests/internal/testenv"
)

// Command is what a fix tells people to run, in a sentence.
var Command = regexp.MustCompile(`kubectl (?:'[^']*'|,\S|[^,'])*`)

// Follow runs the commands of kubectl that the steps of a fix tell people to run, one after the other, up to a step that
// is an alternative.
func Follow(t testing.TB, kubeconfig string, fix []string) {
	t.Helper()
	ran := 0
	for _, step := range fix {
		if strings.HasPrefix(step, "Or ") && ran > 0 {
			break
		}
		for _, line := range Command.FindAllString(step, -1) {
			Run(t, kubeconfig, strings.TrimSuffix(line, "."))
			ran++
		}
	}
	if ran == 0 {
		t.Errorf("nothing to run in %q", fix)
	}
}

// Run runs lines of a shell with the programs of .bin and returns what they print. The first one that fails ends them.
func Run(t testing.TB, kubeconfig, lines string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", lines)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "PATH="+testenv.Path(".bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", lines, err, out)
	}
	return string(out)
}
