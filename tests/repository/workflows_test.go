package repository

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"external-services/tests/internal/testenv"
)

// What actionlint leaves open: actions of others are pinned by their commits, with the
// version beside it, nothing may more than it has to, and everything ends.
func TestWorkflows(t *testing.T) {
	files, err := filepath.Glob(testenv.Path(".github", "workflows", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d workflows, %v", len(files), err)
	}
	pinned := regexp.MustCompile(`^ *(- )?uses: ([^@ ]+)@([0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+)$`)
	pins := map[string]string{}
	for _, file := range files {
		name := filepath.Base(file)
		text := read(t, ".github", "workflows", name)
		for line := range strings.Lines(text) {
			if !strings.Contains(line, "uses: ") || strings.Contains(line, "uses: ./") {
				continue
			}
			match := pinned.FindStringSubmatch(strings.TrimRight(line, "\n"))
			if match == nil {
				t.Errorf("%s has %q, want the full commit and its version in a comment", name, strings.TrimSpace(line))
				continue
			}
			if other := pins[match[2]]; other != "" && other != match[3] {
				t.Errorf("%s is pinned to %s and to %s", match[2], other, match[3])
			}
			pins[match[2]] = match[3]
		}
		var workflow struct {
			Permissions *map[string]string `json:"permissions"`
			Concurrency map[string]any     `json:"concurrency"`
			Jobs        map[string]struct {
				Permissions map[string]string `json:"permissions"`
				Timeout     any               `json:"timeout-minutes"`
				Uses        string            `json:"uses"`
			} `json:"jobs"`
		}
		if err := yaml.Unmarshal([]byte(text), &workflow); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if workflow.Permissions == nil || len(*workflow.Permissions) > 0 || workflow.Concurrency["group"] == nil || len(workflow.Jobs) == 0 {
			t.Errorf("%s: want permissions: {}, a concurrency group and jobs", name)
		}
		for id, job := range workflow.Jobs {
			if len(job.Permissions) == 0 || job.Timeout == nil && job.Uses == "" {
				t.Errorf("%s: the job %s has no permissions or no timeout-minutes", name, id)
			}
		}
	}
}
