package permissions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/release"
)

// following are the Roles that a release with a resolver takes, in addition to release and entries.
var following = []string{"resolver", "resolver-entries"}

// lifeOfResolver takes a release with a resolver through its life, as life does, without helm test: its Role
// would have some of the permissions too.
func (s server) lifeOfResolver(t *testing.T, program, home, entries, kubeconfig string, environment ...string) error {
	t.Helper()
	before := fmt.Sprintf(`
tests: {enabled: false}
resolver: {enabled: true}
services:
- {name: a, namespace: %s, addresses: [a.corp.example], ports: [{port: 80}]}
`, entries)
	after := strings.ReplaceAll(before, "port: 80", "port: 81")
	stop := s.runDeployments(t, home)
	defer stop()
	return s.take(t, program, home, kubeconfig, environment, []step{
		{"install", release.Values(t, before), []string{"--wait", "--timeout", "20s"}},
		{"upgrade", release.Values(t, after), []string{"--wait", "--timeout", "20s"}},
		{"rollback", nil, []string{"r", "1", "--wait", "--timeout", "20s"}},
		{"uninstall", nil, []string{"r", "--wait", "--timeout", "20s"}},
	})
}

// runDeployments plays the part of the controllers and nodes: the Pods of Deployments are ready soon after these
// are there.
func (s server) runDeployments(t *testing.T, namespace string) (stop func()) {
	t.Helper()
	return play(t, func(ctx context.Context) error {
		list, err := s.API.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		var failed []error
		for _, d := range list.Items {
			if d.Status.ObservedGeneration != d.Generation || d.Status.ReadyReplicas < *d.Spec.Replicas {
				failed = append(failed, s.runDeployment(ctx, &d))
			}
		}
		return errors.Join(failed...)
	})
}

// runDeployment makes the ReplicaSet of a generation of a Deployment, and says that all Pods are ready.
func (s server) runDeployment(ctx context.Context, d *appsv1.Deployment) error {
	owner := metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))
	replicaSet, err := s.API.AppsV1().ReplicaSets(d.Namespace).Create(ctx, &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-%d", d.Name, d.Generation), Labels: d.Spec.Template.Labels, OwnerReferences: []metav1.OwnerReference{*owner},
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: d.Spec.Replicas, Selector: d.Spec.Selector, Template: d.Spec.Template},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	n, ready := *d.Spec.Replicas, int32(0) // at first; ready the next time
	if err != nil {
		ready = n
		if replicaSet, err = s.API.AppsV1().ReplicaSets(d.Namespace).Get(ctx, fmt.Sprintf("%s-%d", d.Name, d.Generation), metav1.GetOptions{}); err != nil {
			return err
		}
	}
	replicaSet.Status = appsv1.ReplicaSetStatus{ObservedGeneration: replicaSet.Generation, Replicas: n, ReadyReplicas: ready, AvailableReplicas: ready}
	if _, err := s.API.AppsV1().ReplicaSets(d.Namespace).UpdateStatus(ctx, replicaSet, metav1.UpdateOptions{}); err != nil {
		return err
	}
	d.Status = appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: ready, AvailableReplicas: ready,
		Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, Reason: "MinimumReplicasAvailable"},
			{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable"},
		},
	}
	_, err = s.API.AppsV1().Deployments(d.Namespace).UpdateStatus(ctx, d, metav1.UpdateOptions{})
	return err
}

// withRelease adds the Roles that every release takes.
func withRelease(t *testing.T, roles map[string][]rbacv1.PolicyRule) map[string][]rbacv1.PolicyRule {
	t.Helper()
	for _, file := range []string{"release", "entries"} {
		roles[file] = rules(t, file)
	}
	return roles
}

// Who has the Roles of the guide, and nothing else, takes a release with a resolver through its life.
func TestRolesOfResolver(t *testing.T) {
	roles := map[string][]rbacv1.PolicyRule{}
	for _, file := range following {
		roles[file] = rules(t, file)
	}
	roles = withRelease(t, roles)
	for _, s := range servers {
		for _, program := range programs {
			t.Run(s.Version+"/"+program, func(t *testing.T) {
				t.Parallel()
				home, entries, kubeconfig := s.installer(t, "resolver-"+program, roles)
				if err := s.lifeOfResolver(t, program, home, entries, kubeconfig); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Each verb of them is needed, by Helm 3 or by Helm 4.
func TestEachVerbOfTheRolesOfResolverIsNeeded(t *testing.T) {
	s := servers[0]
	eachVerb(t, following, func(t *testing.T, id string, roles map[string][]rbacv1.PolicyRule) error {
		for _, program := range programs {
			// a namespace has at most 63 characters
			short := "r-" + strings.TrimPrefix(id, "resolver-")
			home, entries, kubeconfig := s.installer(t, short+"-"+program, withRelease(t, roles))
			if err := s.lifeOfResolver(t, program, home, entries, kubeconfig, olderClient); err != nil {
				return err
			}
		}
		return nil
	})
}
