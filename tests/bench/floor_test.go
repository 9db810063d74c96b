package bench

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tools/helm"
)

type valuesFile struct{ name, text string }

// valuesFiles are what charts are measured with.
func valuesFiles() []valuesFile {
	var files []valuesFile
	for _, n := range Sizes {
		files = append(files, valuesFile{fmt.Sprintf("entries=%d", n), Entries(n)})
	}
	return append(files, valuesFile{"addresses=10000", Addresses(10_000)})
}

// The floor is one as long as it prints the very same objects as the chart.
func TestFloor(t *testing.T) {
	for _, values := range valuesFiles() {
		t.Run(values.name, func(t *testing.T) {
			want, got := objects(t, Chart, values.text), objects(t, Floor, values.text)
			if len(want) < 4 {
				t.Fatalf("the chart prints %d objects", len(want))
			}
			for key, object := range want {
				if !equality.Semantic.DeepEqual(object, got[key]) {
					t.Fatalf("%s differs (-chart +floor):\n%s", key, cmp.Diff(object, got[key]))
				}
			}
			for key := range got {
				if want[key] == nil {
					t.Fatalf("the floor prints %s, which the chart does not", key)
				}
			}
		})
	}
}

// objects are what a chart prints, by kind, namespace and name.
func objects(t *testing.T, chart, text string) map[string]metav1.Object {
	t.Helper()
	result, err := helm.Render(load(t, chart), helm.Release{Name: "bench"}, parse(t, text))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]metav1.Object{}
	add := func(object metav1.Object) {
		key := fmt.Sprintf("%T %s/%s", object, object.GetNamespace(), object.GetName())
		if all[key] != nil {
			t.Fatalf("%s prints %s twice", chart, key)
		}
		all[key] = object
	}
	for _, o := range result.Services {
		add(o)
	}
	for _, o := range result.EndpointSlices {
		add(o)
	}
	for _, o := range result.Endpoints {
		add(o)
	}
	for _, o := range result.Pods {
		add(o)
	}
	return all
}

func load(t testing.TB, path string) *helm.Chart {
	t.Helper()
	c, err := helm.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parse(t testing.TB, text string) map[string]any {
	t.Helper()
	vals, err := helm.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return vals
}

// BenchmarkRender renders in process, as helm template does once it has read the chart and
// the values: go test ./tests/bench -run '^$' -bench Render/chart/entries=1000$ -cpuprofile cpu.out
func BenchmarkRender(b *testing.B) {
	for _, chart := range []struct{ name, path string }{{"chart", Chart}, {"floor", Floor}, {"empty", Empty}} {
		for _, values := range valuesFiles() {
			b.Run(chart.name+"/"+values.name, func(b *testing.B) {
				b.ReportAllocs()
				c, vals := load(b, chart.path), parse(b, values.text)
				for b.Loop() {
					if _, _, err := helm.Manifests(c, helm.Release{Name: "bench"}, vals); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
