// Package matrix takes an entry from each of its states to each other one with the real
// helm programs, and looks at the endpoints that are there afterwards.
package matrix

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"external-services/tests/internal/embedded"
	"external-services/tests/internal/testenv"
)

// testCluster is a cluster of one version of Kubernetes.
type testCluster struct {
	*embedded.Cluster
	version string
	client  kubernetes.Interface
}

// node is the name of the node of every cluster.
const node = "matrix-node"

var (
	clusters []*testCluster
	programs = []string{"helm", "helm4"}
	pinned   map[string]string // ci/versions.env
)

func TestMain(m *testing.M) {
	flag.Parse()
	// A run waits for controllers most of its time.
	if err := flag.Set("test.parallel", "10"); err != nil {
		panic(err) // a flag of package testing
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if pinned, err = testenv.Versions(); err != nil {
		return 1, err
	}
	defer func() {
		for _, c := range clusters {
			err = errors.Join(err, c.Stop(context.WithoutCancel(ctx)))
		}
	}()
	for name, version := range map[string]string{"matrix": pinned["KUBERNETES_VERSION"], "matrix-oldest": pinned["KUBERNETES_OLDEST_VERSION"]} {
		c, err := start(ctx, name, version)
		if err != nil {
			return 1, err
		}
		clusters = append(clusters, c)
	}
	slices.SortFunc(clusters, func(a, b *testCluster) int { return strings.Compare(b.version, a.version) })
	// An interrupt ends the process without a chance to clean up, unless it waits for the
	// tests here.
	done := make(chan int, 1)
	go func() { done <- m.Run() }()
	select {
	case code = <-done:
		return code, nil
	case <-ctx.Done():
		return 1, ctx.Err()
	}
}

// start starts a cluster without a data plane, with a Node object for the pods to be on.
func start(ctx context.Context, name, version string) (*testCluster, error) {
	started, err := embedded.Start(ctx, name, os.Stderr, embedded.Kubernetes(version), embedded.WithoutDataPlane())
	if err != nil {
		return nil, err
	}
	c := &testCluster{Cluster: started, version: version}
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
