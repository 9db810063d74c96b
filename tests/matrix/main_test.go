// Package matrix takes an entry from each of its states to each other one with the real
// helm programs, and looks at the endpoints that are there afterwards.
package matrix

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"external-services/tests/internal/embedded"
)

// testCluster is a cluster of one version of Kubernetes.
type testCluster struct {
	*embedded.Cluster
	version string
	client  kubernetes.Interface
	node    string // the name of its node
}

var clusters []*testCluster

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	c, err := embedded.Start(ctx, "matrix", os.Stderr)
	if err != nil {
		return 1, err
	}
	defer func() {
		if stopErr := c.Stop(ctx); err == nil {
			err = stopErr
		}
	}()
	t := &testCluster{Cluster: c, version: "v1.37.2"}
	if t.client, err = c.Client(); err != nil {
		return 1, err
	}
	nodes, err := t.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return 1, err
	}
	t.node = nodes.Items[0].Name
	if err := t.denyPolicy(ctx); err != nil {
		return 1, err
	}
	clusters = append(clusters, t)
	return m.Run(), nil
}

// denyLabel on a namespace is what helm is kept from there: services or endpoints.
const denyLabel = "external-services-tests/deny"

// denyPolicy lets the API server refuse what helm writes and deletes in namespaces that
// say so. Controllers go on.
func (c *testCluster) denyPolicy(ctx context.Context) error {
	for kind, rules := range map[string][]admissionv1.NamedRuleWithOperations{
		"services":  {rule("", "services")},
		"endpoints": {rule("", "endpoints"), rule("discovery.k8s.io", "endpointslices")},
	} {
		meta := metav1.ObjectMeta{Name: "deny-" + kind}
		policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: meta, Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: rules},
			MatchConditions:  []admissionv1.MatchCondition{{Name: "no-controller", Expression: `!request.userInfo.username.startsWith("system:")`}},
			Validations:      []admissionv1.Validation{{Expression: "false", Message: "denied by the test"}},
		}}
		binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        meta.Name,
			ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			MatchResources:    &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{denyLabel: kind}}},
		}}
		if _, err := c.client.AdmissionregistrationV1().ValidatingAdmissionPolicies().Create(ctx, policy, metav1.CreateOptions{}); err != nil {
			return err
		}
		if _, err := c.client.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

func rule(group, resource string) admissionv1.NamedRuleWithOperations {
	return admissionv1.NamedRuleWithOperations{RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update, admissionv1.Delete},
		Rule:       admissionv1.Rule{APIGroups: []string{group}, APIVersions: []string{"v1"}, Resources: []string{resource}},
	}}
}
