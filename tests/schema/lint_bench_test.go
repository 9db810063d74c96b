package schema

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"external-services/tests/internal/testenv"
)

// BenchmarkLint runs extsvc lint and helm template by turns on one file of 10,000 entries,
// and prints how long lint takes for one second of helm: by the clock, and in seconds of
// the processors, which other programs disturb less.
func BenchmarkLint(b *testing.B) {
	var values strings.Builder
	values.WriteString("services:\n")
	for i := range 10_000 {
		fmt.Fprintf(&values, "- name: svc-%d\n  namespace: ns-%d\n", i, i%50)
		if i%4 == 0 {
			fmt.Fprintf(&values, "  externalName: host-%d.corp.example\n", i)
			continue
		}
		fmt.Fprintf(&values, "  addresses: [10.1.%d.%d, 10.2.%d.%d]\n  ports: [{name: http, port: 80, targetPort: 8080}, {name: admin, port: 9000}]\n  labels: {team: shop}\n",
			i/250, i%250+1, i/250, i%250+1)
	}
	file := filepath.Join(b.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	commands := map[string][]string{
		"lint": {"extsvc", "lint", "-f", file},
		"helm": {"helm", "template", "x", testenv.Chart(), "-f", file},
	}
	clock, processor := map[string]time.Duration{}, map[string]time.Duration{}
	for b.Loop() {
		for name, args := range commands {
			program, err := testenv.Binary(args[0])
			if err != nil {
				b.Fatal(err)
			}
			cmd := exec.Command(program, args[1:]...)
			var errs strings.Builder
			cmd.Stderr = &errs
			start := time.Now()
			if err := cmd.Run(); err != nil {
				b.Fatalf("%s: %v\n%s", name, err, errs.String())
			}
			clock[name] += time.Since(start)
			processor[name] += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
	}
	ratio := processor["lint"].Seconds() / processor["helm"].Seconds()
	b.ReportMetric(clock["lint"].Seconds()/clock["helm"].Seconds(), "lint/helm")
	b.ReportMetric(ratio, "lint/helm-cpu")
	b.ReportMetric(clock["lint"].Seconds()/float64(b.N), "lint-s")
	b.ReportMetric(clock["helm"].Seconds()/float64(b.N), "helm-s")
	if ratio >= 1 {
		b.Errorf("lint takes %.2f of the processor time of helm template", ratio)
	}
}
