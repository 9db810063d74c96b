package resolver

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"external-services/tests/dnsserver"
	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
	"external-services/tools/findings"
)

// report is what extsvc check and plan say, as far as the tests read it.
type report struct {
	Entries []struct {
		Name      string `json:"name"`
		Result    string `json:"result"`
		Endpoints []struct {
			Address string `json:"address"`
			Class   string `json:"class"`
		} `json:"endpoints"`
	} `json:"entries"`
	Findings []findings.Finding `json:"findings"`
}

// codes are those of the findings, in their order.
func (r *report) codes() string {
	var codes []string
	for _, f := range r.Findings {
		codes = append(codes, string(f.Code))
	}
	return strings.Join(codes, " ")
}

// extsvc runs a command of extsvc on the release, and returns what it says and its exit code.
func (i *installation) extsvc(command string, args ...string) (r report, code int) {
	i.t.Helper()
	path, err := testenv.Binary("extsvc")
	if err != nil {
		i.t.Fatal(err)
	}
	args = append([]string{command, "outside", "-n", i.namespace, "--kubeconfig", cluster.Kubeconfig, "-o", "json"}, args...)
	cmd := exec.CommandContext(i.t.Context(), path, args...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		i.t.Fatal(err)
	}
	if code = cmd.ProcessState.ExitCode(); code == findings.ExitFailed {
		i.t.Fatalf("extsvc %q: %s", args, exit.Stderr)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		i.t.Fatalf("extsvc %q: %v\n%s", args, err, out)
	}
	return r, code
}

// wantCheck waits until extsvc check finds what it should: codes in their order, or nothing, and texts in the message or
// cause of the first one. Texts are waited for too: they come from Events, which the resolver writes later than its Lease.
func (i *installation) wantCheck(what, codes string, texts ...string) (r report) {
	i.t.Helper()
	testenv.Eventually(i.t, what+": extsvc check finds "+codes, func() error {
		found, code := i.extsvc("check")
		if r = found; r.codes() != codes || code != findings.ExitCode(r.Findings) {
			return fmt.Errorf("it finds %q with the exit code %d: %+v", r.codes(), code, r.Findings)
		}
		for _, text := range texts {
			if f := r.Findings[0]; !strings.HasPrefix(f.Message, text) && !strings.HasPrefix(f.Cause, text) {
				return fmt.Errorf("no %q in %+v", text, f)
			}
		}
		return nil
	})
	return r
}

// follow runs the kubectl command of a finding's fix.
func (i *installation) follow(f findings.Finding) {
	i.t.Helper()
	_, command, found := strings.Cut(f.Fix[0], ": kubectl ")
	if !found {
		i.t.Fatalf("no command in %q", f.Fix)
	}
	if out, err := testenv.Run(i.t, "kubectl", append(strings.Fields(command), "--kubeconfig", cluster.Kubeconfig)...); err != nil {
		i.t.Fatalf("kubectl %s: %v\n%s", command, err, out)
	}
}

// TestToolsKnowNames: extsvc check and plan say what is true of names and their resolver, from the installation until
// the names are gone, and the commands that they advise work.
func TestToolsKnowNames(t *testing.T) {
	i := install(t, "helm", entry(nameOf(t, "db"), ""))
	i.wantCheck("without a replica", "resolver-not-running name-unresolved")

	dns.Fail(i.name("db"), dnsserver.NXDomain)
	r := i.startReplica(0)
	i.wantCheck("with a name that never resolved", "name-unresolved", i.name("db")+" (IPv4) was never resolved: ")
	answers(i.name("db"), "10.0.40.1")
	healthy := i.wantCheck("with a name that is resolved", "")
	if e := healthy.Entries[0]; e.Result != "ok" || len(e.Endpoints) != 1 || e.Endpoints[0].Address != "10.0.40.1" || e.Endpoints[0].Class != "followed" {
		t.Errorf("%+v", e)
	}

	dns.Fail(i.name("db"), dnsserver.NXDomain)
	stale := i.wantCheck("with a name that no longer resolves", "name-stale", i.name("db")+" (IPv4) was not resolved: ")
	if stale.Findings[0].Entry != "db" || stale.Entries[0].Result != "warning" {
		t.Errorf("%+v", stale)
	}
	answers(i.name("db"), "10.0.40.1")
	i.wantCheck("with a name that resolves again", "")
	dns.Set(i.name("db"), dnsserver.A("127.0.0.1", "10.0.40.1").TTL(ttl))
	if f := i.wantCheck("with an address that is refused", "address-refused").Findings[0]; !strings.Contains(f.Message, "127.0.0.1 (loopback)") {
		t.Errorf("%+v", f)
	}

	// The Events of a replica do not count when another has taken over: that has its own.
	dns.Fail(i.name("db"), dnsserver.ServFail)
	i.wantCheck("with both", "name-stale address-refused")
	r.kill()
	answers(i.name("db"), "10.0.40.1")
	i.wantCheck("without a replica, when its Lease has ended", "resolver-not-running name-stale address-refused")
	r = i.startReplica(1).waitReady()
	i.wantCheck("with another replica", "")

	addresses := release.Values(t, "services: [{name: db, addresses: [10.0.40.9], ports: [{name: tcp, port: 7000, targetPort: 7001}]}]")
	plan, code := i.extsvc("plan", "-f", addresses[0])
	if plan.codes() != "resolver-removed" || code != findings.ExitErrors {
		t.Fatalf("extsvc plan finds %q with the exit code %d", plan.codes(), code)
	}
	i.helm.Do("upgrade", addresses)
	r.kill() // as the Deployment is gone
	i.wantCheck("after the upgrade to an address", "resolver-slices-left")
	i.follow(plan.Findings[0])
	i.wantCheck("after the command of the plan", "")

	back, code := i.extsvc("plan", "-f", release.Values(t, entry(i.name("db"), ""))[0])
	if back.codes() != "without-overlap rollback-resolver" || code != findings.ExitErrors {
		t.Errorf("extsvc plan of the way back finds %q with the exit code %d", back.codes(), code)
	}
	i.upgrade(entry(i.name("db"), ""))
	r = i.startReplica(2).waitReady()
	i.wantCheck("after the upgrade to a name", "")
	i.helm.Run("rollback", "outside")
	r.kill()
	left := i.wantCheck("after the rollback to the address", "resolver-slices-left")
	i.follow(left.Findings[0])
	i.wantCheck("after the command of check", "")
}
