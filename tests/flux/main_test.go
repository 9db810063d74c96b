// Package flux has the chart installed by the real Flux: source-controller and helm-controller. make test-gitops runs it.
package flux

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"

	"external-services/tests/internal/clients"
	"external-services/tests/internal/testenv"
)

var (
	cluster *testenv.Embedded
	client  kubernetes.Interface
	flux    *clients.Flux
)

func TestMain(m *testing.M) { testenv.Main(m, start) }

func start(ctx context.Context) (started []testenv.Started, err error) {
	if cluster, err = testenv.Start(ctx, "flux", os.Stderr); err != nil {
		return nil, err
	}
	started = []testenv.Started{cluster}
	if client, err = cluster.Client(); err != nil {
		return started, err
	}
	if flux, err = clients.StartFlux(ctx, cluster); err != nil {
		return started, err
	}
	return []testenv.Started{flux, cluster}, nil
}

// helmRelease is one of the cluster.
type helmRelease struct {
	t               *testing.T
	namespace, name string
}

var resource = schema.GroupVersionResource{Group: "helm.toolkit.fluxcd.io", Version: "v2", Resource: "helmreleases"}

// fromOCI and fromRepository are where a HelmRelease has the chart from.
const (
	fromOCI        = "chartRef: {kind: OCIRepository, name: external-services, namespace: " + clients.FluxNamespace + "}\n"
	fromRepository = "chart: {spec: {chart: external-services, sourceRef: {kind: HelmRepository, name: external-services, namespace: " + clients.FluxNamespace + "}}}\n"
)

// withoutKubelet keeps Flux from waiting for the Pods of the resolver, which nothing starts here.
const withoutKubelet = "install: {disableWait: true}\nupgrade: {disableWait: true}\n"

// apply makes a HelmRelease with drift detection, or changes it, and the fields of its spec, in YAML, in addition.
func apply(t *testing.T, namespace, name, values, fields string) helmRelease {
	t.Helper()
	flux.Log(t)
	spec := clients.Fields(t, fields)
	if spec["chart"] == nil && spec["chartRef"] == nil {
		maps.Copy(spec, clients.Fields(t, fromOCI))
	}
	spec["interval"] = "15m"
	if spec["driftDetection"] == nil {
		spec["driftDetection"] = map[string]any{"mode": "enabled"}
	}
	spec["values"] = clients.Fields(t, values)
	text, err := json.Marshal(map[string]any{
		"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
		"metadata": map[string]any{"namespace": namespace, "name": name}, "spec": spec,
	})
	if err != nil {
		t.Fatal(err)
	}
	clients.Kubectl(t, cluster, string(text), "apply", "--server-side", "--force-conflicts", "-f", "-")
	return helmRelease{t, namespace, name}
}

// install is apply in a namespace that is made for the test, waits until the release is ready, and uninstalls it at the
// end.
func install(t *testing.T, namespace, name, values, fields string) helmRelease {
	t.Helper()
	clients.MakeNamespace(t, cluster, namespace)
	r := apply(t, namespace, name, values, fields)
	t.Cleanup(r.remove)
	r.ready()
	return r
}

func (r helmRelease) get() (*unstructured.Unstructured, error) {
	client, err := cluster.Dynamic()
	if err != nil {
		return nil, err
	}
	return client.Resource(resource).Namespace(r.namespace).Get(context.WithoutCancel(r.t.Context()), r.name, metav1.GetOptions{})
}

// status is what Flux says of a HelmRelease.
type status struct {
	metav1.TypeMeta
	metav1.ObjectMeta `json:"metadata"`

	Status struct {
		ObservedGeneration     int64
		LastHandledReconcileAt string
		Conditions             []metav1.Condition
		History                []struct{ Version int }
	}
}

func (r helmRelease) status() (s status, err error) {
	o, err := r.get()
	if err != nil {
		return s, err
	}
	text, err := o.MarshalJSON()
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, err
}

func (s status) condition(kind string) metav1.Condition {
	for _, c := range s.Status.Conditions {
		if c.Type == kind && c.ObservedGeneration == s.Generation {
			return c
		}
	}
	return metav1.Condition{}
}

// ready waits until Flux has brought about what the HelmRelease says.
func (r helmRelease) ready() {
	r.t.Helper()
	r.eventually("the HelmRelease is ready", func(s status) error {
		if s.condition("Ready").Status != metav1.ConditionTrue || s.Status.ObservedGeneration != s.Generation {
			return fmt.Errorf("%+v", s.Status)
		}
		return nil
	})
}

// fails waits until Flux says that it has failed, with a text, and returns all that it says.
func (r helmRelease) fails(with string) (message string) {
	r.t.Helper()
	r.eventually("the HelmRelease fails", func(s status) error {
		c := s.condition("Ready")
		if message = c.Message; c.Status != metav1.ConditionFalse || !strings.Contains(message, with) {
			return fmt.Errorf("want %q: %+v", with, s.Status)
		}
		return nil
	})
	return message
}

func (r helmRelease) eventually(what string, holds func(status) error) {
	r.t.Helper()
	testenv.Eventually(r.t, what, func() error {
		s, err := r.status()
		if err != nil {
			return err
		}
		return holds(s)
	})
}

// reconcile asks Flux to look at the HelmRelease now, waits until it has, and for more annotations with the same value.
func (r helmRelease) reconcile(more ...string) {
	r.t.Helper()
	now := time.Now().Format(time.RFC3339Nano)
	args := []string{"annotate", "helmrelease", r.name, "-n", r.namespace, "--overwrite"}
	for _, name := range append(more, "requestedAt") {
		args = append(args, "reconcile.fluxcd.io/"+name+"="+now)
	}
	clients.Kubectl(r.t, cluster, "", args...)
	r.eventually("the HelmRelease is reconciled", func(s status) error {
		if s.Status.LastHandledReconcileAt != now {
			return errors.New("it is not yet")
		}
		return nil
	})
}

// remove deletes the HelmRelease, which uninstalls the release.
func (r helmRelease) remove() {
	r.t.Helper()
	clients.Kubectl(r.t, cluster, "", "delete", "helmrelease", r.name, "-n", r.namespace, "--ignore-not-found", "--timeout=2m")
}

func (r helmRelease) live() clients.Objects {
	r.t.Helper()
	return clients.Live(r.t, cluster, r.namespace)
}
