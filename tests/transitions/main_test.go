// Package transitions takes an entry from each of its states to each other one with the real
// helm programs, and looks at the endpoints that are there afterwards.
package transitions

import (
	"context"
	"errors"
	"flag"
	"os"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"external-services/tests/internal/testenv"
)

// testCluster is a cluster of one version of Kubernetes.
type testCluster struct {
	*testenv.Embedded
	version string
	client  kubernetes.Interface
}

// node is the name of the node of every cluster.
const node = "transitions-node"

var (
	clusters []*testCluster
	programs = []string{"helm", "helm4"}
	pinned   map[string]string // ci/versions.env
)

func TestMain(m *testing.M) { testenv.Main(m, startAll) }

func startAll(ctx context.Context) (started []*testenv.Embedded, err error) {
	// A run waits for controllers most of its time.
	if err := flag.Set("test.parallel", "10"); err != nil {
		return nil, err
	}
	if pinned, err = testenv.Versions(); err != nil {
		return nil, err
	}
	for _, c := range []struct{ name, version string }{{"transitions", pinned["KUBERNETES_VERSION"]}, {"transitions-oldest", pinned["KUBERNETES_OLDEST_VERSION"]}} {
		cluster, err := start(ctx, c.name, c.version)
		if err != nil {
			return started, err
		}
		clusters, started = append(clusters, cluster), append(started, cluster.Embedded)
	}
	return started, nil
}

// start starts a cluster without a data plane, with a Node object for the pods to be on.
func start(ctx context.Context, name, version string) (*testCluster, error) {
	started, err := testenv.Start(ctx, name, os.Stderr, testenv.Kubernetes(version), testenv.WithoutDataPlane())
	if err != nil {
		return nil, err
	}
	c := &testCluster{Embedded: started, version: version}
	if c.client, err = started.Client(); err == nil {
		_, err = c.client.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, metav1.CreateOptions{})
	}
	if err == nil {
		err = c.denyPolicy(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, started.Stop(context.WithoutCancel(ctx)))
	}
	return c, nil
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
			Validations:      []admissionv1.Validation{{Expression: "false", Message: kind + " are denied"}},
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
