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
	line, err := c.container(ctx, client, d, pod, program)
	if err != nil {
		return nil, err
	}
	return c.Command(ctx, pod, line...), nil
}

// HostProcess is the same on the machine itself, with arguments that come after those of the container.
func (c *Embedded) HostProcess(ctx context.Context, client kubernetes.Interface, d *appsv1.Deployment, program string, more ...string) (*exec.Cmd, error) {
	line, err := c.container(ctx, client, d, d.Namespace+"-"+d.Name, program)
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, line[0], slices.Concat(line[1:], more)...), nil
}

// container is the command line of the container, with a kubeconfig of that name.
func (c *Embedded) container(ctx context.Context, client kubernetes.Interface, d *appsv1.Deployment, name, program string) ([]string, error) {
	path, err := Binary(program)
	if err != nil {
		return nil, err
	}
	template, kubeconfig := d.Spec.Template.Spec, filepath.Join(c.Directory, name+".kubeconfig")
	if err := account.Write(ctx, client, c.Kubeconfig, d.Namespace, template.ServiceAccountName, kubeconfig); err != nil {
		return nil, err
	}
	return slices.Concat([]string{path}, template.Containers[0].Args, []string{"--kubeconfig", kubeconfig}), nil
}
