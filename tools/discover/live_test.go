package discover_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"external-services/tools/discover"
	"external-services/tools/findings"
)

// podSpec has a container with the URL of a host.
func podSpec(host string) corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{
		Name: "app", Env: []corev1.EnvVar{{Name: "DB_URL", Value: "mysql://app:planted@" + host + "/app"}, {Name: "STOCK_HOST", Value: "stock"}},
	}}}
}

func meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// objects have a host each, named after their kind.
func objects() []runtime.Object {
	template := func(host string) corev1.PodTemplateSpec { return corev1.PodTemplateSpec{Spec: podSpec(host)} }
	owned := meta("shop", "owned")
	owned.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "app", Controller: ptr.To(true)}}
	resolver := meta("shop", "resolver")
	resolver.Labels = map[string]string{"app.kubernetes.io/name": "external-services"}
	return []runtime.Object{
		&corev1.Service{ObjectMeta: meta("shop", "stock"), Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.9"}},
		&appsv1.Deployment{ObjectMeta: meta("shop", "app"), Spec: appsv1.DeploymentSpec{Template: template("deployment.corp.example")}},
		&appsv1.StatefulSet{ObjectMeta: meta("shop", "app"), Spec: appsv1.StatefulSetSpec{Template: template("statefulset.corp.example")}},
		&appsv1.DaemonSet{ObjectMeta: meta("shop", "app"), Spec: appsv1.DaemonSetSpec{Template: template("daemonset.corp.example")}},
		&batchv1.Job{ObjectMeta: meta("shop", "app"), Spec: batchv1.JobSpec{Template: template("job.corp.example")}},
		&batchv1.CronJob{ObjectMeta: meta("shop", "app"), Spec: batchv1.CronJobSpec{JobTemplate: batchv1.JobTemplateSpec{
			Spec: batchv1.JobSpec{Template: template("cronjob.corp.example")},
		}}},
		&corev1.Pod{ObjectMeta: meta("shop", "bare"), Spec: podSpec("pod.corp.example")},
		&corev1.Pod{ObjectMeta: owned, Spec: podSpec("owned.corp.example")},
		&corev1.ConfigMap{ObjectMeta: meta("shop", "app"), Data: map[string]string{
			"application.properties": "spring.redis.host=configmap.corp.example\nspring.redis.port=6379\n", "STOCK_IP": "10.96.0.9",
		}},
		&corev1.ConfigMap{ObjectMeta: resolver, Data: map[string]string{"config.json": `{"host": "resolver.corp.example"}`}},
		&corev1.ConfigMap{ObjectMeta: meta("kube-system", "app"), Data: map[string]string{"API_URL": "https://system.corp.example"}},
		&corev1.Secret{ObjectMeta: meta("shop", "app"), Data: map[string][]byte{"URL": []byte("amqp://a:planted@secret.corp.example")}},
		&corev1.Secret{ObjectMeta: meta("shop", "release"), Type: "helm.sh/release.v1", Data: map[string][]byte{"release": []byte("https://release.corp.example")}},
	}
}

func hosts(report *discover.Report) string {
	var list []string
	for _, e := range report.Endpoints {
		list = append(list, strings.TrimSuffix(e.Host, ".corp.example"))
	}
	return strings.Join(list, " ")
}

// Of a cluster are read the containers of workloads, ConfigMaps and, if they are asked for, Secrets; not what another
// object or Helm made, what belongs to this chart, and in all namespaces those of Kubernetes itself.
func TestReadCluster(t *testing.T) {
	client := fake.NewClientset(objects()...)
	for _, c := range []struct {
		namespace string
		secrets   bool
		want      string
	}{
		{"shop", false, "configmap cronjob daemonset deployment job pod statefulset"},
		{"", true, "configmap cronjob daemonset deployment job pod secret statefulset"},
		{"kube-system", false, "system"},
	} {
		scan := discover.NewScan()
		scan.Secrets = c.secrets
		for range 2 { // a list may deliver an object twice
			if err := scan.ReadCluster(t.Context(), client, c.namespace); err != nil {
				t.Fatal(err)
			}
		}
		report := scan.Report(discover.ReportOptions{})
		if hosts(report) != c.want || len(report.Findings) > 0 || len(report.Doubtful) > 0 {
			t.Errorf("%q: %s, want %s; %v", c.namespace, hosts(report), c.want, report.Findings)
		}
		for _, e := range report.Endpoints {
			if len(e.References) != 1 {
				t.Errorf("%s has %d references", e.Host, len(e.References))
			}
		}
		if place := report.Endpoints[0].References[0].Place.String(); c.namespace == "shop" && place != "shop/ConfigMap/app" {
			t.Errorf("the first reference is in %s", place)
		}
	}
}

// A resource that may not be listed is a finding with the permission that is missing, and the others are read.
func TestReadClusterWithoutPermission(t *testing.T) {
	client := fake.NewClientset(objects()...)
	client.PrependReactor("list", "*", func(action kubetesting.Action) (bool, runtime.Object, error) {
		resource := action.GetResource()
		isForbidden := resource.Resource == "secrets" || resource.Resource == "deployments"
		return isForbidden, nil, apierrors.NewForbidden(schema.GroupResource{Group: resource.Group, Resource: resource.Resource}, "", errors.New("no"))
	})
	scan := discover.NewScan()
	scan.Secrets = true
	if err := scan.ReadCluster(t.Context(), client, "shop"); err != nil {
		t.Fatal(err)
	}
	report := scan.Report(discover.ReportOptions{})
	if got, want := hosts(report), "configmap cronjob daemonset job pod statefulset"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if len(report.Findings) != 2 {
		t.Fatalf("%v", report.Findings)
	}
	for i, want := range []string{"Allow the verb list on the resource deployments of the API group apps in shop.", `Allow the verb list on the resource secrets of the API group "" in shop.`} {
		if f := report.Findings[i]; f.Code != findings.NotChecked || f.Fix[0] != want || strings.Contains(f.Cause, "view") != (i == 0) {
			t.Errorf("%+v, want %s", f, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := scan.ReadCluster(ctx, client, "shop"); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
