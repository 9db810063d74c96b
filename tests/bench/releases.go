package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/testenv"
	"external-services/tools/helm"
)

// secret measures how many bytes a revision has in its Secret. The API server takes a
// Secret of 1 MiB.
func (r *Runner) secret(ctx context.Context, _ int) ([]Row, error) {
	var rows []Row
	archive, err := r.pack(ctx)
	if err != nil {
		return nil, err
	}
	err = r.withCluster(ctx, func(c cluster) error {
		for _, size := range append([]int{0}, r.sizes(1, LargestRelease)...) {
			text := "services: []\n"
			if size > 0 {
				text = Entries(size)
			}
			file, err := r.file("values.yaml", text)
			if err != nil {
				return err
			}
			for _, chart := range []struct{ name, path string }{{"package", archive}, {"chart", Chart}, {"floor", Floor}, {"empty", Empty}} {
				if chart.name == "floor" && size == 0 {
					continue // it has no values.yaml and no test for an empty list
				}
				if _, err := r.cost(ctx, "helm", "install", "bench", chart.path, "-f", file, "-n", "default", "--kubeconfig", c.Kubeconfig); err != nil {
					return err
				}
				secret, err := c.client.CoreV1().Secrets("default").Get(ctx, "sh.helm.release.v1.bench.v1", metav1.GetOptions{})
				if err != nil {
					return err
				}
				bytes := float64(len(secret.Data["release"]))
				rows = append(rows, Row{Series: chart.name, Size: size, Rounds: 1, Values: map[string]float64{"bytes": bytes}})
				r.progress("%s, %d entries: %.0f bytes", chart.name, size, bytes)
				if err := r.clear(ctx, c); err != nil {
					return err
				}
			}
		}
		return nil
	}, testenv.WithoutDataPlane())
	return rows, err
}

// pack makes the chart's archive as make package does.
func (r *Runner) pack(ctx context.Context) (archive string, err error) {
	helm4, err := testenv.Binary("helm4")
	if err != nil {
		return "", err
	}
	folder, err := os.MkdirTemp(r.dir, "package-")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, testenv.Path("ci", "package.sh"), helm4, folder)
	cmd.Dir = testenv.Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("ci/package.sh: %w\n%s", err, out)
	}
	archives, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return "", fmt.Errorf("ci/package.sh made %q: %v", archives, err)
	}
	return archives[0], nil
}

// LargestRelease is the most entries that are installed: ten times as many take minutes.
const LargestRelease = 1_000

// clear uninstalls the release bench and waits until its objects are gone.
func (r *Runner) clear(ctx context.Context, c cluster) error {
	if _, err := r.cost(ctx, "helm", "uninstall", "bench", "--ignore-not-found", "--debug", "-n", "default", "--kubeconfig", c.Kubeconfig); err != nil {
		return err
	}
	return c.waitUntilGone(ctx)
}

// waitUntilGone waits until there is no Service and no EndpointSlice of the chart, and none
// that controllers made for one.
func (c cluster) waitUntilGone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		services, err := c.client.CoreV1().Services("").List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		slices, err := c.client.DiscoveryV1().EndpointSlices("").List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		left := 0
		for _, s := range services.Items {
			if strings.HasPrefix(s.Namespace, "bench-") {
				left++
			}
		}
		for _, s := range slices.Items {
			if strings.HasPrefix(s.Namespace, "bench-") {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d objects are left: %w", left, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// release measures the life of a release beside that of the same objects under
// kubectl apply --server-side. kubectl has no flag for a limit of requests, and its
// limit never acts: it makes a client, with a limit of its own, for each object. So
// does helm.
func (r *Runner) release(ctx context.Context, rounds int) ([]Row, error) {
	type step struct {
		name    string
		command []string
	}
	var rows []Row
	err := r.withCluster(ctx, func(c cluster) error {
		for _, size := range r.sizes(100, LargestRelease) {
			before, beforeObjects, err := r.withObjects("before", Entries(size))
			if err != nil {
				return err
			}
			after, afterObjects, err := r.withObjects("after", ChangedEntries(size))
			if err != nil {
				return err
			}
			helm := func(flags ...string) []step {
				do := func(args ...string) []string {
					return slices.Concat([]string{"helm"}, args, []string{"-n", "default", "--kubeconfig", c.Kubeconfig}, flags)
				}
				return []step{
					{"install", do("install", "bench", Chart, "-f", before)},
					{"upgrade without a change", do("upgrade", "bench", Chart, "-f", before)},
					{"upgrade of one entry", do("upgrade", "bench", Chart, "-f", after)},
					{"uninstall", do("uninstall", "bench")},
				}
			}
			kubectl := func(args ...string) []string {
				return slices.Concat([]string{"kubectl", "--kubeconfig", c.Kubeconfig}, args)
			}
			ways := []struct {
				name  string
				steps []step
			}{
				{"kubectl", []step{
					{"install", kubectl("apply", "--server-side", "-f", beforeObjects)},
					{"upgrade without a change", kubectl("apply", "--server-side", "-f", beforeObjects)},
					{"upgrade of one entry", kubectl("apply", "--server-side", "-f", afterObjects)},
					{"uninstall", kubectl("delete", "--wait=false", "-f", afterObjects)},
				}},
				{"helm", helm()},
				{"helm, raised limits", helm("--qps", "1000", "--burst-limit", "2000")},
			}
			costs := map[string][]Cost{}
			for round := range rounds {
				for _, way := range ways {
					for _, step := range way.steps {
						cost, err := r.cost(ctx, step.command...)
						if err != nil {
							return err
						}
						series := step.name + ", " + way.name
						costs[series] = append(costs[series], cost)
						r.progress("%s, %d entries, round %d of %d: %.1f s", series, size, round+1, rounds, cost.Seconds)
					}
					if err := c.waitUntilGone(ctx); err != nil {
						return err
					}
				}
			}
			for i, step := range ways[0].steps {
				for _, way := range ways {
					series := step.name + ", " + way.name
					row := costRow(series, size, costs[series])
					var ratios []float64
					for round, cost := range costs[series] {
						ratios = append(ratios, cost.Seconds/costs[ways[0].steps[i].name+", kubectl"][round].Seconds)
					}
					row.Values["ratio"] = median(ratios)
					rows = append(rows, row)
				}
			}
		}
		return nil
	}, testenv.WithoutDataPlane())
	return rows, err
}

// withObjects writes a values file, and a file of the objects that the chart makes for it.
func (r *Runner) withObjects(name, text string) (values, objects string, err error) {
	result, err := rendered(text)
	if err != nil {
		return "", "", err
	}
	if values, err = r.file(name+".yaml", text); err != nil {
		return "", "", err
	}
	objects, err = r.file(name+"-objects.yaml", result.YAML())
	return values, objects, err
}

// rendered is what the chart makes for a values file, without the Pod of helm test, which
// helm does not install either.
func rendered(text string) (*helm.Result, error) {
	chart, err := helm.Load(Chart)
	if err != nil {
		return nil, err
	}
	vals, err := helm.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	return helm.Mappings(chart, helm.Release{Name: "bench"}, vals)
}
