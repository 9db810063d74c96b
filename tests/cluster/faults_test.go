package cluster

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"external-services/tests/internal/release"
	"external-services/tests/internal/traffic"
)

// The steps of the migration, each with whether hosts outside and pods are reached.
var migrationSteps = []struct {
	name          string
	outside, pods bool
}{
	{"both", true, true}, {"cluster", false, true}, {"both", true, true}, {"external", true, false},
}

// Each step of the migration is broken off in the middle by a kill of helm, and one by a
// restart of the API server, and then taken again: it converges and no mapping is lost.
// What traffic is lost meanwhile is logged.
func TestBrokenOffUpgrades(t *testing.T) {
	needDataPlane(t)
	const kill, restart = "helm is killed", "the API server is restarted"
	for _, program := range []string{"helm", "helm4"} {
		for _, fault := range []string{kill, restart} {
			t.Run(program+"/"+fault, func(t *testing.T) {
				if fault == restart {
					needEmbedded(t, "a kind node restarts its API server when it wants to")
				}
				unlessShort(t, program)
				namespace := map[string]string{kill: "killed-", restart: "restarted-"}[fault] + program
				pod, r, load := startMigration(t, program, namespace)

				// how long helm takes, to break it off at different moments
				started := time.Now()
				r.Do("upgrade", migrationStep("external"))
				usual := time.Since(started)

				for i, step := range migrationSteps {
					// Controllers wait the longer for an API server the more often it goes: a
					// minute at the third time.
					if fault == restart && step.name != "cluster" {
						r.Do("upgrade", migrationStep(step.name))
						continue
					}
					load.Mark(fmt.Sprintf("%d %s, broken off", i+1, step.name))
					command := r.Command(r.WithChart("upgrade", migrationStep(step.name))...)
					if err := command.Start(); err != nil {
						t.Fatal(err)
					}
					time.Sleep(usual * time.Duration(i+2) / time.Duration(len(migrationSteps)+2))
					switch fault {
					case kill:
						if err := command.Process.Kill(); err != nil {
							t.Error(err)
						}
					case restart:
						if err := embeddedCluster.Restart(t.Context(), "kube-apiserver", time.Second); err != nil {
							t.Fatal(err)
						}
					}
					var exit *exec.ExitError
					if err := command.Wait(); err != nil && !errors.As(err, &exit) {
						t.Fatal(err)
					}
					wantBothMappings(t, namespace)
					// enough to be looked at, however soon it was broken off
					if err := load.WaitFor(30); err != nil {
						t.Fatal(err)
					}

					load.Mark(fmt.Sprintf("%d %s, again", i+1, step.name))
					again(t, r, step.name)
					wantBothMappings(t, namespace)
					wantBackends(t, namespace, "orders", "7000", step.outside, "7001", step.pods)
					if err := load.WaitFor(300); err != nil {
						t.Fatal(err)
					}
				}
				report, err := load.Stop()
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%s, %s: %d connections failed of %d\n%s", program, fault, len(report.Failures()), len(report.Events), report)
				wantHosts(t, pod, "orders:7000", "orders-out-1", "orders-out-2")
			})
		}
	}
}

// again takes a step that was broken off. A release that helm left pending, because it was
// killed or lost the API server, is rolled back first, as the guide says.
func again(t *testing.T, r release.Release, step string) {
	t.Helper()
	out, err := r.Try("upgrade", migrationStep(step))
	if err != nil && strings.Contains(out, "another operation") {
		t.Logf("%s: the release is pending, and rolled back first", step)
		r.Run("rollback", r.Name)
		out, err = r.Try("upgrade", migrationStep(step))
	}
	if err != nil {
		t.Fatalf("the step %s, taken again: %v\n%s", step, err, out)
	}
}

// wantBothMappings fails when a Service of the example is gone.
func wantBothMappings(t *testing.T, namespace string) {
	t.Helper()
	wantServices(t, namespace, "orders", "reports")
}

// startMigration installs the example and starts a load on orders.
func startMigration(t *testing.T, program, namespace string) (pod string, r release.Release, load *traffic.Load) {
	t.Helper()
	pod = namespace + "-client"
	makePod(t, pod, namespace)
	if err := makeOrders(); err != nil {
		t.Fatal(err)
	}
	makeOrdersPods(t, namespace)
	r = releaseOf(t, program, "migration", namespace)
	t.Cleanup(r.Uninstall)
	r.Do("install", migrationStep("external"))
	wantHosts(t, pod, "orders:7000", "orders-out-1", "orders-out-2")
	load, err := cluster.Load(t.Context(), pod, traffic.Options{Address: "orders:7000", LongLived: 4, Interval: 4 * time.Millisecond, Duration: 30 * time.Minute, Count: 200_000, AtLeast: 20})
	if err != nil {
		t.Fatal(err)
	}
	// the control period
	if err := load.WaitFor(500); err != nil {
		t.Fatal(err)
	}
	return pod, r, load
}

// kube-proxy and CoreDNS are killed and started again under load, at every backend: new
// connections work afterwards, and what is lost meanwhile is logged.
func TestRestartedDataPlane(t *testing.T) {
	needDataPlane(t)
	needEmbedded(t, "a kind node restarts kube-proxy and CoreDNS when it wants to")
	const namespace = "dataplane"
	pod, r, load := startMigration(t, "helm4", namespace)
	hosts := map[string][]string{"external": {"orders-out-1", "orders-out-2"}, "both": {"orders-0", "orders-1", "orders-out-1", "orders-out-2"}, "cluster": {"orders-0", "orders-1"}}
	for _, step := range []string{"external", "both", "cluster"} {
		r.Do("upgrade", migrationStep(step))
		wantHosts(t, pod, "orders:7000", hosts[step]...)
		for _, component := range []string{"kube-proxy", "coredns"} {
			load.Mark(step + ": " + component + " is away")
			if err := embeddedCluster.Restart(t.Context(), component, time.Second); err != nil {
				t.Fatal(err)
			}
			load.Mark(step + ": " + component + " is back")
			if err := load.WaitFor(300); err != nil {
				t.Fatal(err)
			}
			wantHosts(t, pod, "orders:7000", hosts[step]...)
		}
	}
	report, err := load.Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d connections failed of %d\n%s", len(report.Failures()), len(report.Events), report)
	for _, f := range report.Failures() {
		if strings.HasSuffix(f.Mark.Name, "kube-proxy is away") || f.Kind == traffic.LongLived {
			t.Errorf("without kube-proxy, its rules stay, and connections stay without DNS: %s", f)
		}
	}
}
