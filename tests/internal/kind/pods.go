package kind

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/clientcmd"

	"external-services/tests/internal/testenv"
)

const (
	// podTimeout is what a pod gets to be ready, or to be gone.
	podTimeout = time.Minute

	// deploymentLabel is the label of the pods of AddServer that their Deployment has them by.
	deploymentLabel = "external-services/server"
)

// restricted is what the Pod Security Standard restricted asks of a container.
func restricted() *corev1.SecurityContext {
	yes, no := true, false
	return &corev1.SecurityContext{
		RunAsNonRoot: &yes, AllowPrivilegeEscalation: &no,
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// AddPod makes a Pod of the client's image and waits until it is ready.
func (c *Cluster) AddPod(ctx context.Context, pod, namespace string) error {
	no, now := false, int64(0)
	object := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: pod},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no, TerminationGracePeriodSeconds: &now,
			Containers: []corev1.Container{{Name: "client", Image: c.made.Client, ImagePullPolicy: corev1.PullNever, SecurityContext: restricted()}},
		},
	}
	err := wait(ctx, "the Pod "+pod+" is made", func() error {
		_, err := c.client.CoreV1().Pods(namespace).Create(ctx, object, metav1.CreateOptions{})
		return err // until the namespace has its service account
	})
	if err != nil {
		return err
	}
	c.setNamespace(pod, namespace)
	return wait(ctx, "the Pod "+pod+" is ready", func() error {
		object, err := c.client.CoreV1().Pods(namespace).Get(ctx, pod, metav1.GetOptions{})
		if err != nil {
			return err
		}
		return ready(object)
	})
}

func ready(pod *corev1.Pod) error {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("it is %s: %+v", pod.Status.Phase, pod.Status.ContainerStatuses)
}

// AddServer makes a Deployment of one pod, with a container for each port, and waits until
// that pod is ready.
func (c *Cluster) AddServer(ctx context.Context, server testenv.Server) error {
	probe, err := testenv.Binary("probe")
	if err != nil {
		return err
	}
	labels := map[string]string{deploymentLabel: server.Name}
	selector := &metav1.LabelSelector{MatchLabels: maps.Clone(labels)}
	maps.Copy(labels, server.Labels)
	no, now, one := false, int64(0), int32(1)
	var containers []corev1.Container
	for _, name := range slices.Sorted(maps.Keys(server.Ports)) {
		port := server.Ports[name]
		containers = append(containers, corev1.Container{
			Name: name, Image: c.made.Server, ImagePullPolicy: corev1.PullNever, SecurityContext: restricted(),
			Command: []string{probe, "serve", port.Protocol, fmt.Sprintf(":%d", port.Number), server.Name},
			Ports:   []corev1.ContainerPort{{Name: name, ContainerPort: int32(port.Number)}},
			ReadinessProbe: &corev1.Probe{
				ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString(name)}},
				PeriodSeconds: 1,
			},
		})
	}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: server.Name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &one, Selector: selector,
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{AutomountServiceAccountToken: &no, TerminationGracePeriodSeconds: &now, Containers: containers},
			},
		},
	}
	if _, err := c.client.AppsV1().Deployments(server.Namespace).Create(ctx, deployment, metav1.CreateOptions{}); err != nil {
		return err
	}
	c.setNamespace(server.Name, server.Namespace)
	return wait(ctx, "the Deployment "+server.Name+" is ready", func() error {
		pods, err := c.podsOf(ctx, server.Name, server.Namespace)
		if err != nil {
			return err
		}
		if len(pods) != 1 {
			return fmt.Errorf("it has %d pods", len(pods))
		}
		return ready(&pods[0])
	})
}

func (c *Cluster) podsOf(ctx context.Context, deployment, namespace string) ([]corev1.Pod, error) {
	list, err := c.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: deploymentLabel + "=" + deployment})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// RemovePod removes a Pod of AddPod, or a Deployment of AddServer, and waits until its pod
// is gone.
func (c *Cluster) RemovePod(ctx context.Context, pod string) error {
	namespace, err := c.namespaceOf(pod)
	if err != nil {
		return err
	}
	foreground := metav1.DeletePropagationForeground
	options := metav1.DeleteOptions{PropagationPolicy: &foreground}
	err = c.client.AppsV1().Deployments(namespace).Delete(ctx, pod, options)
	if apierrors.IsNotFound(err) {
		err = c.client.CoreV1().Pods(namespace).Delete(ctx, pod, options)
	}
	if err != nil {
		return err
	}
	return wait(ctx, pod+" is gone", func() error {
		pods, err := c.podsOf(ctx, pod, namespace)
		if err != nil {
			return err
		}
		if len(pods) > 0 {
			return fmt.Errorf("it has %d pods", len(pods))
		}
		if _, err := c.client.CoreV1().Pods(namespace).Get(ctx, pod, metav1.GetOptions{}); err == nil {
			return fmt.Errorf("the Pod is there")
		} else if !apierrors.IsNotFound(err) {
			return err
		}
		return nil
	})
}

// wait waits until a condition holds, and fails with what it last said.
func wait(ctx context.Context, what string, condition func() error) error {
	deadline := time.Now().Add(podTimeout)
	for {
		err := condition()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s, not within %s: %w", what, podTimeout, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", what, ctx.Err(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// clientConfig reads a kubeconfig and makes it one for a pod.
func clientConfig(path string) ([]byte, error) {
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		return nil, err
	}
	for _, cluster := range config.Clusters {
		cluster.Server = "https://kubernetes.default.svc"
	}
	return clientcmd.Write(*config)
}
