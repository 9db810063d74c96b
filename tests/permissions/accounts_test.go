package permissions

import (
	"errors"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/account"
	"external-services/tests/internal/guides"
	"external-services/tests/internal/testenv"
)

// grants are the rules that an account has, by namespace.
type grants map[string][]rbacv1.PolicyRule

// rules are those of a Role in docs/rbac.
func rules(t *testing.T, file string) []rbacv1.PolicyRule {
	t.Helper()
	var role rbacv1.Role
	if err := yaml.UnmarshalStrict([]byte(guides.Read(t, "rbac", file+".yaml")), &role); err != nil {
		t.Fatal(err)
	}
	return role.Rules
}

// kubeconfig is for a service account of a namespace with a token of its own.
func (s server) kubeconfig(t *testing.T, namespace, name string) string {
	t.Helper()
	return account.Kubeconfig(t, s.API, s.Kubeconfig, namespace, name)
}

const deployer = "deployer"

// grant gives the account of a namespace rules, and nothing else.
func (s server) grant(t *testing.T, home string, g grants) {
	t.Helper()
	for namespace, rules := range g {
		if len(rules) == 0 {
			continue
		}
		role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: deployer}, Rules: rules}
		if _, err := s.API.RbacV1().Roles(namespace).Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		s.bind(t, home, namespace, "Role", deployer, rules[len(rules)-1])
	}
}

// bind gives the account of a namespace the rules of a role in a namespace, and waits until
// the API server knows one of them.
func (s server) bind(t *testing.T, home, namespace, kind, role string, rule rbacv1.PolicyRule) {
	t.Helper()
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: deployer + "-" + role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: home, Name: deployer}},
	}
	if _, err := s.API.RbacV1().RoleBindings(namespace).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.waitFor(t, home, namespace, rule, true)
}

// waitFor waits until the account of a namespace may, or may not, do what a rule says.
func (s server) waitFor(t *testing.T, home, namespace string, rule rbacv1.PolicyRule, allowed bool) {
	t.Helper()
	resource, subresource, _ := strings.Cut(rule.Resources[0], "/")
	testenv.WaitForAccess(t, s.API, home, deployer, authorizationv1.ResourceAttributes{
		Namespace: namespace, Group: rule.APIGroups[0], Resource: resource, Subresource: subresource, Verb: rule.Verbs[0],
	}, allowed)
}

// revoke takes back what grant has given in a namespace.
func (s server) revoke(t *testing.T, namespace string) {
	t.Helper()
	if err := errors.Join(
		s.API.RbacV1().RoleBindings(namespace).Delete(t.Context(), deployer+"-"+deployer, metav1.DeleteOptions{}),
		s.API.RbacV1().Roles(namespace).Delete(t.Context(), deployer, metav1.DeleteOptions{}),
	); err != nil {
		t.Fatal(err)
	}
}
