package dataplane

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"external-services/tools/cluster/internal/kube"
	"external-services/tools/cluster/internal/state"
)

// Port is a TCP port that a Pod object names.
type Port struct {
	Name   string
	Number int
}

// CreatePod creates the Pod object of a pod, which is ready at once. There is no kubelet, so its status is what a
// kubelet would write, its image is never pulled, and it is gone as soon as it is deleted. Its namespace must have its
// default ServiceAccount.
func CreatePod(ctx context.Context, client *kube.Client, pod state.Host, ports []Port) error {
	containerPorts := []kube.Object{}
	for _, p := range ports {
		containerPorts = append(containerPorts, kube.Object{"name": p.Name, "containerPort": p.Number})
	}
	err := client.Create(ctx, podsPath(pod.Namespace), kube.Object{
		"metadata": kube.Object{"name": pod.Name, "labels": pod.Labels},
		"spec": kube.Object{
			"nodeName":                      NodeName,
			"terminationGracePeriodSeconds": 0,
			"automountServiceAccountToken":  false,
			"containers":                    []kube.Object{{"name": container, "image": image, "ports": containerPorts}},
		},
	})
	if err != nil {
		return err
	}
	return SetPodStatus(ctx, client, pod, true)
}

// The container of every Pod object. The image is a name alone, so that it belongs to no registry.
const (
	container = "network-namespace"
	image     = "network-namespace"
)

// SetPodStatus writes the status of a Pod object as of a pod that runs, and is ready or is not.
func SetPodStatus(ctx context.Context, client *kube.Client, pod state.Host, ready bool) error {
	now := time.Now().UTC().Format(time.RFC3339)
	var conditions []kube.Object
	for condition, holds := range map[string]bool{"PodScheduled": true, "Initialized": true, "ContainersReady": ready, "Ready": ready} {
		status := "False"
		if holds {
			status = "True"
		}
		conditions = append(conditions, kube.Object{"type": condition, "status": status, "lastTransitionTime": now})
	}
	return client.Patch(ctx, podPath(pod)+"/status", kube.Object{"status": kube.Object{
		"phase":      "Running",
		"podIP":      pod.IPs[0],
		"podIPs":     podIPs(pod.IPs),
		"conditions": conditions,
		"containerStatuses": []kube.Object{{
			"name": container, "image": image, "imageID": "", "restartCount": 0, "ready": ready, "started": true,
			"state": kube.Object{"running": kube.Object{"startedAt": now}},
		}},
	}})
}

func podIPs(ips []netip.Addr) []kube.Object {
	objects := make([]kube.Object, len(ips))
	for i, ip := range ips {
		objects[i] = kube.Object{"ip": ip}
	}
	return objects
}

// RemovePod deletes the Pod object of a pod. One that is gone is no error, and neither is one of the same name that
// CreatePod did not make, which stays.
func RemovePod(ctx context.Context, client *kube.Client, pod state.Host) error {
	data, err := client.Get(ctx, podPath(pod))
	if kube.IsStatus(err, http.StatusNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var object struct{ Spec struct{ NodeName string } }
	if err := json.Unmarshal(data, &object); err != nil {
		return fmt.Errorf("read the Pod object of %q: %w", pod.Name, err)
	}
	// There is no scheduler: only CreatePod puts a Pod on the node.
	if object.Spec.NodeName != NodeName {
		return nil
	}
	return client.Delete(ctx, podPath(pod))
}

func podsPath(namespace string) string { return "/api/v1/namespaces/" + namespace + "/pods" }

func podPath(pod state.Host) string { return podsPath(pod.Namespace) + "/" + pod.Name }
