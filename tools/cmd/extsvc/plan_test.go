package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"external-services/tools/findings"
	"external-services/tools/plan"
)

func TestPlan(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		write(t, path, text)
		return path
	}
	now := file("now.yaml", "services: [{name: orders, addresses: [10.0.4.11], ports: [{port: 80}], selector: {app: orders}}]")
	prod := file("prod.yaml", "overrides: {orders: {addresses: [10.0.4.12]}}")
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nothing", []string{"--from", now, "-f", now}, findings.ExitOK, "No entry changes.\n"},
		{"a change", []string{"--from", now, "-f", now, "-f", prod}, findings.ExitNotice, "addresses: +10.0.4.12, -10.0.4.11\n"},
		{"a change that --exit-zero allows", []string{"--from", now, "-f", now, "-f", prod, "--exit-zero"}, 0, "addresses: +10.0.4.12, -10.0.4.11\n"},
		{"a setting", []string{"--from", now, "-f", now, "--set", "overrides.orders.backend=both"}, findings.ExitNotice, "backend: external -> both\n"},
		{"a setting to compare with", []string{"--from", now, "--from-set", "overrides.orders.backend=both", "-f", now}, findings.ExitNotice, "backend: both -> external\n"},
		{"an error", []string{"--from", now, "-f", now, "--set", "overrides.orders.headless=true"}, findings.ExitErrors, "default/orders: refused (clusterip-to-headless)\n"},
		{"an error that --exit-zero allows", []string{"--from", now, "-f", now, "--set", "overrides.orders.headless=true", "--exit-zero"}, 0, "default/orders: refused (clusterip-to-headless)\n"},
		{"a release namespace", []string{"outside", "-n", "shop", "--from", now}, findings.ExitErrors, "shop/orders: lost (entry-removed)\n"},
		{"the chart of the repository", []string{"--from", now, "-f", now, "--chart", filepath.Join("..", "..", "..", "charts", "external-services")}, 0, "No entry changes.\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, err := run(t, append([]string{"plan"}, c.args...)...)
			if got := exitStatus(err); got != c.code {
				t.Errorf("exit code %d, want %d", got, c.code)
			}
			if stderr != "" || !strings.Contains(stdout, c.want) {
				t.Errorf("want %q in\n%s\nerrors: %q", c.want, stdout, stderr)
			}
		})
	}

	stdout, _, err := run(t, "plan", "--from", now, "-f", now, "--set", "overrides.orders.headless=true", "-o", "json")
	var p plan.Plan
	decoder := json.NewDecoder(strings.NewReader(stdout))
	decoder.DisallowUnknownFields()
	if jsonErr := decoder.Decode(&p); jsonErr != nil {
		t.Fatalf("%v in\n%s", jsonErr, stdout)
	}
	if exitStatus(err) != findings.ExitErrors || !findings.Has(p.Findings, findings.ClusterIPToHeadless, "default", "orders") || len(p.Changes) != 1 {
		t.Errorf("exit code %d with\n%s", exitStatus(err), stdout)
	}
}

func TestPlanSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	write(t, good, "services: [{name: orders, externalName: a.example}]")
	write(t, bad, "services: [{name: orders}]")
	kubeconfig := filepath.Join(dir, "kubeconfig")
	// Nothing listens on port 1 of this host.
	write(t, kubeconfig, `{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a}}], clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]}`)
	for want, args := range map[string][]string{
		"name the release to upgrade, or set the values to compare with: --from FILE":                       {"-f", good},
		`unknown output format "yaml" (text, json)`:                                                         {"--from", good, "-o", "yaml"},
		"if any flags in the group [from reuse-values] are set none of the others can be":                   {"--from", good, "--reuse-values"},
		"if any flags in the group [from context] are set none of the others can be":                        {"--from", good, "--kube-context", "a"},
		`values to compare with: execution error`:                                                           {"--from", bad, "-f", good},
		`new values: execution error`:                                                                       {"--from", good, "-f", bad},
		`services[0] "orders": addresses or externalName is missing`:                                        {"--from", good, "-f", bad},
		"open no/such/file: no such file or directory":                                                      {"--from", "no/such/file"},
		`load the chart "no/such/chart"`:                                                                    {"--from", good, "--chart", "no/such/chart"},
		"accepts at most 1 arg(s)":                                                                          {"a", "b"},
		"if any flags in the group [reuse-values reset-then-reuse-values reset-values] are set none of the": {"a", "--reuse-values", "--reset-values"},
		"stat no/such/kubeconfig: no such file or directory":                                                {"outside", "--kubeconfig", "no/such/kubeconfig"},
		`context "other" does not exist`:                                                                    {"outside", "--kubeconfig", kubeconfig, "--context", "other"},
		`read release "outside": `:                                                                          {"outside", "--kubeconfig", kubeconfig},
		`connect: connection refused`:                                                                       {"outside", "--kubeconfig", kubeconfig},
		`release name "Outside": invalid release name`:                                                      {"Outside", "--kubeconfig", kubeconfig},
	} {
		code := findings.ExitFailed
		if slices.Contains(args, bad) {
			code = findings.ExitErrors // refused values
		}
		stdout, stderr, err := run(t, append([]string{"plan"}, args...)...)
		if exitStatus(err) != code || !strings.Contains(stderr, want) {
			t.Errorf("%q gives the exit code %d and prints %q, want %q", args, exitStatus(err), stderr, want)
		}
		if stdout != "" {
			t.Errorf("%q prints %q", args, stdout)
		}
	}
}
