package discover

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"external-services/charts"
	"external-services/tools/discover/syntax"
	"external-services/tools/service"
)

// The resources that are read, besides those of package service.
var (
	deployments  = service.Resource{Name: "deployments", Group: "apps", Kind: "Deployments"}
	statefulSets = service.Resource{Name: "statefulsets", Group: "apps", Kind: "StatefulSets"}
	daemonSets   = service.Resource{Name: "daemonsets", Group: "apps", Kind: "DaemonSets"}
	cronJobs     = service.Resource{Name: "cronjobs", Group: "batch", Kind: "CronJobs"}
	jobs         = service.Resource{Name: "jobs", Group: "batch", Kind: "Jobs"}
)

// ReadCluster reads the settings of a namespace, or of all namespaces but those of Kubernetes itself if it is empty:
// the containers of workloads, ConfigMaps, and Secrets if they are asked for. It lists each kind in pages, and keeps
// only the references. Whatever the user may not list is a finding; the error is that of the context.
func (s *Scan) ReadCluster(ctx context.Context, client kubernetes.Interface, namespace string) error {
	r := &liveReader{Scan: s, ctx: ctx, namespace: namespace, where: cmp.Or(namespace, "all namespaces")}
	s.sources = append(s.sources, r.where)
	core, apps, batch := client.CoreV1(), client.AppsV1(), client.BatchV1()
	list(r, service.Services, core.Services(namespace).List, func(o *corev1.Service) {
		s.namespaces[o.Namespace] = true
		s.services[service.KeyOf(o)] = o.Spec.ClusterIP
	})
	list(r, deployments, apps.Deployments(namespace).List, func(o *appsv1.Deployment) { r.pods("Deployment", o, &o.Spec.Template.Spec) })
	list(r, statefulSets, apps.StatefulSets(namespace).List, func(o *appsv1.StatefulSet) { r.pods("StatefulSet", o, &o.Spec.Template.Spec) })
	list(r, daemonSets, apps.DaemonSets(namespace).List, func(o *appsv1.DaemonSet) { r.pods("DaemonSet", o, &o.Spec.Template.Spec) })
	list(r, cronJobs, batch.CronJobs(namespace).List, func(o *batchv1.CronJob) {
		r.pods("CronJob", o, &o.Spec.JobTemplate.Spec.Template.Spec)
	})
	list(r, jobs, batch.Jobs(namespace).List, func(o *batchv1.Job) { r.pods("Job", o, &o.Spec.Template.Spec) })
	list(r, service.PodObjects, core.Pods(namespace).List, func(o *corev1.Pod) { r.pods("Pod", o, &o.Spec) })
	list(r, service.ConfigMaps, core.ConfigMaps(namespace).List, func(o *corev1.ConfigMap) {
		if o.Name != "kube-root-ca.crt" { // in every namespace
			r.read("ConfigMap", o, map[string]any{"data": o.Data})
		}
	})
	if s.Secrets {
		list(r, service.Secrets, core.Secrets(namespace).List, func(o *corev1.Secret) {
			r.read("Secret", o, map[string]any{"type": o.Type, "data": o.Data})
		})
	}
	return ctx.Err()
}

type liveReader struct {
	*Scan
	ctx              context.Context
	namespace, where string
}

// list calls a function with each object of a resource. An error is a finding.
func list[T any, L runtime.Object](r *liveReader, resource service.Resource, lister service.Lister[L], each func(*T)) {
	if r.ctx.Err() != nil {
		return
	}
	r.Progress("list " + resource.Kind)
	seen := 0
	err := service.List(r.ctx, lister, func(object *T) {
		if seen++; seen%service.PageSize == 0 {
			r.Progress(fmt.Sprintf("list %s: %d so far", resource.Kind, seen))
		}
		each(object)
	})
	if err == nil {
		return
	}
	unread := service.Live{Unread: []service.Unread{{Resource: resource, Verb: "list", Namespaces: []string{r.where}, Err: err}}}
	for _, f := range unread.Findings() {
		f.Namespace = r.namespace
		r.findings = append(r.findings, f)
	}
}

// pods reads the containers of a workload, unless another object made it.
func (r *liveReader) pods(kind string, o metav1.Object, spec *corev1.PodSpec) {
	if metav1.GetControllerOf(o) == nil {
		r.read(kind, o, map[string]any{"spec": spec})
	}
}

// read reads an object as it would be in a manifest. Objects of Kubernetes itself, when all namespaces are read, and
// of this chart are left out.
func (r *liveReader) read(kind string, o metav1.Object, parts map[string]any) {
	isSystem := r.namespace == "" && strings.HasPrefix(o.GetNamespace(), "kube-")
	if isSystem || o.GetLabels()["app.kubernetes.io/name"] == charts.Dir {
		return
	}
	parts["apiVersion"], parts["kind"] = "v1", kind
	parts["metadata"] = map[string]string{"name": o.GetName(), "namespace": o.GetNamespace()}
	text, err := json.Marshal(parts)
	if err == nil {
		var documents []*syntax.Node
		if documents, err = syntax.Parse(string(text), syntax.JSON); err == nil {
			r.Scan.read.Objects++
			r.readDocument(Place{}, documents[0])
		}
	}
	if err != nil {
		panic(err) // an object of the API is JSON
	}
}
