// Package argocd has the chart applied by the real Argo CD: application-controller and repo-server. make test-gitops
// runs it.
package argocd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/clients"
	"external-services/tests/internal/guides"
	"external-services/tests/internal/testenv"
)

var (
	cluster *testenv.Embedded
	client  kubernetes.Interface
	argocd  *clients.ArgoCD
)

func TestMain(m *testing.M) { testenv.Main(m, start) }

func start(ctx context.Context) (started []testenv.Started, err error) {
	if cluster, err = testenv.Start(ctx, "argocd", os.Stderr); err != nil {
		return nil, err
	}
	started = []testenv.Started{cluster}
	if client, err = cluster.Client(); err != nil {
		return started, err
	}
	if argocd, err = clients.StartArgoCD(ctx, cluster); err != nil {
		return started, err
	}
	return []testenv.Started{argocd, cluster}, nil
}

// application is one of the cluster.
type application struct {
	t               *testing.T
	namespace, name string // where it applies its objects, and its own name
}

var resource = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}

// How an Application syncs: by itself as the guide recommends, and as it does by default, by itself but without prune.
const (
	recommended = "automated: {prune: true, selfHeal: true}\nsyncOptions: [ServerSideApply=true, PruneLast=true]\n"
	byDefault   = "automated: {}\n"
)

// apply makes an Application of the name of the namespace that it applies to, or changes it.
func apply(t *testing.T, namespace, values, policy string) application {
	t.Helper()
	return applyAnnotated(t, namespace, values, policy, nil)
}

// applyAnnotated is apply with annotations.
func applyAnnotated(t *testing.T, namespace, values, policy string, annotations map[string]string) application {
	t.Helper()
	argocd.Log(t)
	text, err := json.Marshal(map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
		"metadata": map[string]any{
			"namespace": clients.ArgoCDNamespace, "name": namespace, "annotations": annotations,
			"finalizers": []string{"resources-finalizer.argocd.argoproj.io"},
		},
		"spec": map[string]any{
			"project":     "default",
			"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": namespace},
			"source": map[string]any{
				"repoURL": argocd.Charts.Address(), "chart": "external-services", "targetRevision": argocd.Charts.Version,
				"helm": map[string]any{"valuesObject": clients.Fields(t, values)},
			},
			"syncPolicy": clients.Fields(t, policy),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	clients.Kubectl(t, cluster, string(text), "apply", "--server-side", "--force-conflicts", "-f", "-")
	return application{t, namespace, namespace}
}

// install is apply in a namespace that is made for the test, waits until the Application is synced, and deletes it at
// the end.
func install(t *testing.T, namespace, values, policy string) application {
	t.Helper()
	clients.MakeNamespace(t, cluster, namespace)
	a := apply(t, namespace, values, policy)
	t.Cleanup(a.remove)
	a.synced()
	return a
}

// status is what Argo CD says of an Application.
type status struct {
	metav1.TypeMeta
	metav1.ObjectMeta `json:"metadata"`

	Spec struct{ Source map[string]any }

	Status struct {
		Sync struct {
			Status     string
			ComparedTo struct{ Source map[string]any }
		}
		Health         struct{ Status string }
		OperationState struct {
			Phase, Message string
			Operation      struct {
				Sync struct{ Source map[string]any }
			}
		}
		Conditions []struct{ Type, Message string }
		Resources  []struct{ Kind, Name, Status string }
	}
}

func (a application) status() (s status, err error) {
	client, err := cluster.Dynamic()
	if err != nil {
		return s, err
	}
	o, err := client.Resource(resource).Namespace(clients.ArgoCDNamespace).Get(context.WithoutCancel(a.t.Context()), a.name, metav1.GetOptions{})
	if err != nil {
		return s, err
	}
	text, err := o.MarshalJSON()
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, err
}

// compared says whether the status is of the spec as it is now.
func (s status) compared() bool {
	return reflect.DeepEqual(s.Spec.Source, s.Status.Sync.ComparedTo.Source)
}

func (a application) eventually(what string, holds func(status) error) {
	a.t.Helper()
	testenv.Eventually(a.t, what, func() error {
		s, err := a.status()
		if err != nil {
			return err
		}
		return holds(s)
	})
}

// synced waits until Argo CD has applied what the Application says, and sees no difference.
func (a application) synced() {
	a.t.Helper()
	a.eventually("the Application is synced", func(s status) error {
		if !s.compared() || s.Status.Sync.Status != "Synced" || s.Status.OperationState.Phase != "Succeeded" {
			return fmt.Errorf("%+v", s.Status)
		}
		return nil
	})
}

// refresh asks Argo CD to compare now, and waits until it has, which it says by taking the annotation away.
func (a application) refresh() status {
	a.t.Helper()
	clients.Kubectl(a.t, cluster, "", "annotate", "application", a.name, "-n", clients.ArgoCDNamespace, "--overwrite", "argocd.argoproj.io/refresh=normal")
	var after status
	a.eventually("the Application is refreshed", func(s status) error {
		if after = s; s.Annotations["argocd.argoproj.io/refresh"] != "" {
			return errors.New("it is not yet")
		}
		return nil
	})
	return after
}

// sync has Argo CD apply the Application once, as argocd app sync does.
func (a application) sync() {
	a.t.Helper()
	clients.Kubectl(a.t, cluster, "", "patch", "application", a.name, "-n", clients.ArgoCDNamespace, "--type", "merge", "-p", `{"operation":{"sync":{}}}`)
}

// remove deletes the Application with what it applied.
func (a application) remove() {
	a.t.Helper()
	clients.Kubectl(a.t, cluster, "", "delete", "application", a.name, "-n", clients.ArgoCDNamespace, "--ignore-not-found", "--timeout=2m")
}

func (a application) live() clients.Objects {
	a.t.Helper()
	return clients.Live(a.t, cluster, a.namespace)
}

const exclusions = "resource.exclusions"

// deleteKeys deletes those that the guide shows.
func deleteKeys(t *testing.T, data map[string]string) {
	t.Helper()
	for key := range strings.Lines(guides.Block(t, guide, "text", "ignoreResourceUpdates")) {
		if key = strings.TrimSpace(key); data[key] == "" {
			t.Errorf("argocd-cm has no %s", key)
		}
		delete(data, key)
	}
}

// settings changes the ConfigMap of Argo CD's settings for the length of a test.
func settings(t *testing.T, change func(data map[string]string)) {
	t.Helper()
	configMaps := client.CoreV1().ConfigMaps(clients.ArgoCDNamespace)
	ctx := context.WithoutCancel(t.Context())
	get := func() *corev1.ConfigMap {
		t.Helper()
		object, err := configMaps.Get(ctx, "argocd-cm", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return object
	}
	object := get()
	before := maps.Clone(object.Data)
	change(object.Data)
	if _, err := configMaps.Update(ctx, object, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		object := get()
		object.Data = before
		if _, err := configMaps.Update(ctx, object, metav1.UpdateOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// withEndpoints takes out of the settings that Argo CD ships what keeps it from applying endpoints, and from seeing
// at once that somebody changes them: what the guide says.
func withEndpoints(t *testing.T) {
	t.Helper()
	settings(t, func(data map[string]string) {
		takeOutExclusion(t, data)
		deleteKeys(t, data)
	})
}

// takeOutExclusion takes out the item that the guide shows.
func takeOutExclusion(t *testing.T, data map[string]string) {
	t.Helper()
	read := func(text string) (items []map[string][]string) {
		t.Helper()
		if err := yaml.Unmarshal([]byte(text), &items); err != nil {
			t.Fatal(err)
		}
		return items
	}
	items, shown := read(data[exclusions]), read(guides.Block(t, guide, "yaml", "- EndpointSlice"))
	others := slices.DeleteFunc(slices.Clone(items), func(item map[string][]string) bool { return reflect.DeepEqual(item, shown[0]) })
	if len(others) != len(items)-1 {
		t.Fatalf("%d of %d items are that of the guide", len(items)-len(others), len(items))
	}
	text, err := yaml.Marshal(others)
	if err != nil {
		t.Fatal(err)
	}
	data[exclusions] = string(text)
}
