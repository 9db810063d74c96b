package testenv

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/client-go/kubernetes"

	"external-services/tests/internal/account"
)

// Process is the container of a Deployment as a process in the network of a pod of AddPod, since the cluster has no
// kubelet: a program of .bin in place of the image, with the container's arguments and the token of its account.
func (c *Embedded) Process(ctx context.Context, client kubernetes.Interface, d *appsv1.Deployment, pod, program string) (*exec.Cmd, error) {
	path, err := Binary(program)
	if err != nil {
		return nil, err
	}
	template, kubeconfig := d.Spec.Template.Spec, filepath.Join(c.Directory, pod+".kubeconfig")
	if err := account.Write(ctx, client, c.Kubeconfig, d.Namespace, template.ServiceAccountName, kubeconfig); err != nil {
		return nil, err
	}
	return c.Command(ctx, pod, slices.Concat([]string{path}, template.Containers[0].Args, []string{"--kubeconfig", kubeconfig})...), nil
}
