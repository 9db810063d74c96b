package permissions

import (
	"fmt"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"external-services/tests/internal/release"
)

// routing is the Role that entries with something in front take, in addition to release and entries.
var routing = []string{"routes"}

// inFront are entries with each kind of route.
func inFront(namespace string) string {
	return fmt.Sprintf(`
- {name: g, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}], ingress: {hosts: [g.example]}, route: {parentRefs: [{name: p}]}, backendTLS: {hostname: g.example, wellKnown: System}}
- {name: h, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}], route: {kind: TLSRoute, parentRefs: [{name: p}], hostnames: [g.example]}}
- {name: i, namespace: %[1]s, addresses: [10.60.0.1], ports: [{port: 80}], route: {kind: TCPRoute, parentRefs: [{name: p}]}}
`, namespace)
}

// lifeOfRoutes takes a release with each kind of route through its life: the upgrade changes each of them.
func (s server) lifeOfRoutes(t *testing.T, program, home, entries, kubeconfig string, environment ...string) error {
	t.Helper()
	before := "tests: {enabled: false}\nservices:\n" + inFront(entries)
	after := strings.NewReplacer("g.example", "other.example", "{name: p}", "{name: q}").Replace(before)
	return s.take(t, program, home, kubeconfig, environment, []step{
		{"install", release.Values(t, before), nil},
		{"upgrade", release.Values(t, after), []string{"--wait", "--timeout", "20s"}},
		{"uninstall", nil, []string{"r", "--wait", "--timeout", "20s"}},
	})
}

// Who has the Roles of the guide, and nothing else, takes a release with routes through its life.
func TestRolesOfRoutes(t *testing.T) {
	roles := withRelease(t, map[string][]rbacv1.PolicyRule{"routes": rules(t, "routes")})
	for _, s := range servers {
		for _, program := range programs {
			t.Run(s.Version+"/"+program, func(t *testing.T) {
				t.Parallel()
				home, entries, kubeconfig := s.installer(t, "routes-"+program, roles)
				if err := s.lifeOfRoutes(t, program, home, entries, kubeconfig); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Each verb of it is needed, by Helm 3 or by Helm 4.
func TestEachVerbOfTheRolesOfRoutesIsNeeded(t *testing.T) {
	s := servers[0]
	eachVerb(t, routing, func(t *testing.T, id string, roles map[string][]rbacv1.PolicyRule) error {
		for _, program := range programs {
			home, entries, kubeconfig := s.installer(t, id+"-"+program, withRelease(t, roles))
			if err := s.lifeOfRoutes(t, program, home, entries, kubeconfig, olderClient); err != nil {
				return err
			}
		}
		return nil
	})
}
