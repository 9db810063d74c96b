package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/testenv"
	"external-services/tools/helm"
)

// tools measures plan, import and check of extsvc; lint is a part of its own.
func (r *Runner) tools(ctx context.Context, rounds int) ([]Row, error) {
	var rows []Row
	add := func(size int, contenders ...contender) error {
		some, err := r.compare(ctx, size, rounds, contenders...)
		for i := range some {
			delete(some[i].Values, "ratio") // they are no alternatives to each other
		}
		rows = append(rows, some...)
		return err
	}
	for _, size := range r.sizes(1, 10_000) {
		before, err := r.file("before.yaml", Entries(size))
		if err != nil {
			return nil, err
		}
		after, err := r.file("after.yaml", ChangedEntries(size))
		if err != nil {
			return nil, err
		}
		result, err := rendered(Entries(size))
		if err != nil {
			return nil, err
		}
		byHand, text, err := handWritten(result)
		if err != nil {
			return nil, err
		}
		manifests, err := r.file("by-hand.yaml", text)
		if err != nil {
			return nil, err
		}
		if err := add(size,
			contender{"extsvc plan, of two files", []string{"extsvc", "plan", "--from", before, "-f", after, "--exit-zero"}},
			contender{"extsvc import, of manifests", []string{"extsvc", "import", "-f", manifests}},
		); err != nil {
			return nil, err
		}
		err = r.withCluster(ctx, func(c cluster) error {
			if err := errors.Join(c.create(ctx, owned(result)), c.store(ctx, Entries(size))); err != nil {
				return err
			}
			return add(size,
				contender{"extsvc plan, of a release", []string{"extsvc", "plan", "bench", "-n", "default", "-f", after, "--exit-zero", "--kubeconfig", c.Kubeconfig}},
				contender{"extsvc check", []string{"extsvc", "check", "bench", "-n", "default", "--no-resolve", "--kubeconfig", c.Kubeconfig}},
			)
		}, testenv.WithoutDataPlane())
		if err != nil {
			return nil, err
		}
		err = r.withCluster(ctx, func(c cluster) error {
			if err := c.create(ctx, byHand); err != nil {
				return err
			}
			return add(size, contender{"extsvc import, of a cluster", []string{"extsvc", "import", "-A", "--kubeconfig", c.Kubeconfig}})
		}, testenv.WithoutDataPlane())
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// handWritten are objects without the labels of the chart, by which import would know a
// release, and their manifests.
func handWritten(from *helm.Result) (*helm.Result, string, error) {
	result := &helm.Result{}
	var text strings.Builder
	write := func(object metav1.Object) error {
		object.SetLabels(map[string]string{discoveryv1.LabelServiceName: object.GetLabels()[discoveryv1.LabelServiceName]})
		if object.GetLabels()[discoveryv1.LabelServiceName] == "" {
			object.SetLabels(nil)
		}
		document, err := yaml.Marshal(object)
		fmt.Fprintf(&text, "---\n%s", document)
		return err
	}
	for _, o := range from.Services {
		result.Services = append(result.Services, o.DeepCopy())
		if err := write(result.Services[len(result.Services)-1]); err != nil {
			return nil, "", err
		}
	}
	for _, o := range from.EndpointSlices {
		result.EndpointSlices = append(result.EndpointSlices, o.DeepCopy())
		if err := write(result.EndpointSlices[len(result.EndpointSlices)-1]); err != nil {
			return nil, "", err
		}
	}
	return result, text.String(), nil
}

// owned are objects as helm install makes them.
func owned(result *helm.Result) *helm.Result {
	annotations := map[string]string{"meta.helm.sh/release-name": "bench", "meta.helm.sh/release-namespace": "default"}
	for _, o := range result.Services {
		o.Annotations = annotations
	}
	for _, o := range result.EndpointSlices {
		o.Annotations = annotations
	}
	return result
}

// store stores a release of the chart as helm install does, whose objects are there
// already: the installation of the most entries takes minutes.
func (c cluster) store(ctx context.Context, text string) error {
	chart, err := helm.Load(Chart)
	if err != nil {
		return err
	}
	vals, err := helm.Parse([]byte(text))
	if err != nil {
		return err
	}
	version, err := testenv.Version("KUBERNETES_VERSION")
	if err != nil {
		return err
	}
	install := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	install.ReleaseName, install.Namespace, install.DryRun, install.ClientOnly = "bench", "default", true, true
	if install.KubeVersion, err = chartutil.ParseKubeVersion(version); err != nil {
		return err
	}
	made, err := install.RunWithContext(ctx, chart, vals)
	if err != nil {
		return err
	}
	made.SetStatus(release.StatusDeployed, "Install complete")
	return storage.Init(driver.NewSecrets(c.client.CoreV1().Secrets("default"))).Create(made)
}

// create creates the objects, many at a time.
func (c cluster) create(ctx context.Context, result *helm.Result) error {
	var tasks []func() error
	for _, o := range result.Services {
		tasks = append(tasks, func() error {
			_, err := c.client.CoreV1().Services(o.Namespace).Create(ctx, o, metav1.CreateOptions{})
			return err
		})
	}
	for _, o := range result.EndpointSlices {
		tasks = append(tasks, func() error {
			_, err := c.client.DiscoveryV1().EndpointSlices(o.Namespace).Create(ctx, o, metav1.CreateOptions{})
			return err
		})
	}
	const atATime = 20
	errs := make([]error, atATime)
	var group sync.WaitGroup
	for worker := range atATime {
		group.Go(func() {
			for i := worker; i < len(tasks) && errs[worker] == nil; i += atATime {
				errs[worker] = tasks[i]()
			}
		})
	}
	group.Wait()
	return errors.Join(slices.Compact(errs)...)
}
