package repository

import (
	"os/exec"
	"testing"

	"external-services/tests/internal/testenv"
)

// make has a rule for each program that the targets of continuous integration need, also where none is built yet.
func TestTargetsFromNothing(t *testing.T) {
	for _, target := range []string{"demo", "test", "test-routes", "test-gitops", "test-kind", "verify", "dist", "bench"} {
		cmd := exec.Command("make", "--dry-run", "BIN=missing", target)
		cmd.Dir = testenv.Root()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("make %s: %v\n%s", target, err, out)
		}
	}
}
