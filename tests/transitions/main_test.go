// Package transitions takes an entry from each of its states to each other one with the real
// helm programs, and looks at the endpoints that are there afterwards.
package transitions

import (
	"context"
	"flag"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"external-services/tests/dnsserver"
	"external-services/tests/internal/testenv"
)

// node is the name of the node of every cluster.
const node = "transitions-node"

var (
	servers  []*testenv.APIServer
	programs = []string{"helm", "helm4"}
	pinned   map[string]string // ci/versions.env
	dns      *dnsserver.Server
)

func TestMain(m *testing.M) { testenv.Main(m, start) }

func start(ctx context.Context) (_ []*testenv.APIServer, err error) {
	// A run waits for controllers most of its time.
	if err := flag.Set("test.parallel", "10"); err != nil {
		return nil, err
	}
	if pinned, err = testenv.Versions(); err != nil {
		return nil, err
	}
	if dns, err = dnsserver.Start("127.0.0.1:0"); err != nil {
		return nil, err
	}
	dns.Set("orders.corp.example", dnsserver.A(outside1, outside2))
	dns.Set("other.corp.example", dnsserver.A("192.168.50.13"))
	if servers, err = testenv.StartAPIServers(ctx, "transitions"); err != nil {
		return servers, err
	}
	for _, s := range servers {
		if err := setUp(ctx, s.API); err != nil {
			return servers, err
		}
	}
	return servers, nil
}

// setUp makes a Node object for the pods to be on, and the policies.
func setUp(ctx context.Context, client kubernetes.Interface) error {
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}
	if _, err := client.CoreV1().Nodes().Create(ctx, object, metav1.CreateOptions{}); err != nil {
		return err
	}
	return denyPolicy(ctx, client)
}

// denyLabel on a namespace is what helm is kept from there: services or endpoints.
const denyLabel = "external-services-tests/deny"

// denyPolicy lets the API server refuse what helm writes and deletes in namespaces that
// say so. Controllers go on.
func denyPolicy(ctx context.Context, client kubernetes.Interface) error {
	for kind, rules := range map[string][]admissionv1.NamedRuleWithOperations{
		"services":  {rule("", "services")},
		"endpoints": {rule("", "endpoints"), rule("discovery.k8s.io", "endpointslices")},
	} {
		meta := metav1.ObjectMeta{Name: "deny-" + kind}
		policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: meta, Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: rules},
			MatchConditions:  []admissionv1.MatchCondition{{Name: "no-controller", Expression: `!request.userInfo.username.startsWith("system:")`}},
			Validations:      []admissionv1.Validation{{Expression: "false", Message: kind + " are denied"}},
		}}
		binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        meta.Name,
			ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			MatchResources:    &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{denyLabel: kind}}},
		}}
		if _, err := client.AdmissionregistrationV1().ValidatingAdmissionPolicies().Create(ctx, policy, metav1.CreateOptions{}); err != nil {
			return err
		}
		if _, err := client.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
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
