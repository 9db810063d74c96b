// Package importer imports live objects: what the API server stores of random Services
// becomes values that render the same.
package importer

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"external-services/tests/importertest"
	"external-services/tests/internal/testenv"
	"external-services/tools/findings"
	"external-services/tools/helm"
	"external-services/tools/importer"
)

var (
	cluster *testenv.Embedded
	client  kubernetes.Interface
)

func TestMain(m *testing.M) { testenv.Main(m, start) }

func start(ctx context.Context) (clusters []*testenv.Embedded, err error) {
	if cluster, err = testenv.Start(ctx, "import", os.Stderr, testenv.WithoutDataPlane()); err != nil {
		return nil, err
	}
	client, err = cluster.Client()
	return []*testenv.Embedded{cluster}, err
}

func namespace(t testing.TB, name string) {
	t.Helper()
	_, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// create creates the objects of a group. The error is that of the API server.
func create(ctx context.Context, g *importertest.Group) error {
	if _, err := client.CoreV1().Services(g.Service.Namespace).Create(ctx, g.Service, metav1.CreateOptions{}); err != nil {
		return err
	}
	if g.Endpoints != nil {
		if _, err := client.CoreV1().Endpoints(g.Service.Namespace).Create(ctx, g.Endpoints, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	for _, slice := range g.Slices {
		if _, err := client.DiscoveryV1().EndpointSlices(slice.Namespace).Create(ctx, slice, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// stored says what the objects of a namespace mean, as the API server has them.
func stored(t testing.TB, namespace string) map[string]importertest.Meaning {
	t.Helper()
	services, err := client.CoreV1().Services(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	endpoints, err := client.CoreV1().Endpoints(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	slices, err := client.DiscoveryV1().EndpointSlices(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return importertest.Of(pointers(services.Items), pointers(endpoints.Items), pointers(slices.Items))
}

func pointers[T any](items []T) []*T {
	var list []*T
	for i := range items {
		list = append(list, &items[i])
	}
	return list
}

func rendered(t testing.TB, text []byte) map[string]importertest.Meaning {
	t.Helper()
	vals, err := helm.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	chart, err := helm.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	result, err := helm.Render(chart, helm.Release{}, vals)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return importertest.Of(result.Services, result.Endpoints, result.EndpointSlices)
}

// What the API server stores of random objects, and what its controllers make of them,
// becomes values that render the same.
func TestStored(t *testing.T) {
	for name, everything := range map[string]bool{"carried-over": false, "everything": true} {
		t.Run(name, func(t *testing.T) {
			ns := "import-" + name
			namespace(t, ns)
			groups := importertest.Groups(ns, everything)
			const count = 100
			taken := 0
			for i := range count {
				g := groups.Example(i)
				g.Rename(i)
				if err := create(t.Context(), g); err != nil {
					if !everything {
						t.Fatalf("the API server refuses what is to be imported: %v\n%s", err, strings.Join(g.Manifests(), "\n"))
					}
					continue // what stands already of it is imported too
				}
				taken++
			}
			if taken < count/2 {
				t.Fatalf("the API server takes %d of %d", taken, count)
			}
			o := importer.NewObjects()
			o.Strict = true // compared with what the objects do, not with what they mean
			if err := o.ReadCluster(t.Context(), client, ns, nil); err != nil {
				t.Fatal(err)
			}
			result, err := importer.Import(o, importer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			faults, compared := importertest.Compare(stored(t, ns), rendered(t, result.Values), result)
			for _, fault := range faults {
				t.Error(fault)
			}
			for _, f := range result.Findings {
				if !everything && f.Severity != findings.Hint {
					t.Errorf("the chart has a place for it: %s", f)
				}
			}
			t.Logf("%d of %d taken, %d compared: %s", taken, count, compared, result.Summary())

			// Once more, whatever the controllers did in between.
			again := importer.NewObjects()
			again.Strict = true
			if err := again.ReadCluster(t.Context(), client, ns, nil); err != nil {
				t.Fatal(err)
			}
			second, err := importer.Import(again, importer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(faults) == 0 && services(second.Values) != services(result.Values) {
				t.Error("a second import gives another file")
			}
		})
	}
}

// services is a values file without its head, which counts what controllers made.
func services(text []byte) string {
	_, list, _ := strings.Cut(string(text), "\nservices:")
	return list
}

// counting counts the calls of a client.
type counting struct {
	http.RoundTripper
	calls atomic.Int64
	other atomic.Int64 // those that list nothing
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls.Add(1)
	if r.Method != http.MethodGet || !strings.Contains(r.URL.RawQuery, "limit=500") {
		c.other.Add(1)
	}
	return c.RoundTripper.RoundTrip(r)
}

// BenchmarkLive imports 5,000 Services with their EndpointSlices from a real API server.
// It is no part of make test: go test ./tests/importer -run '^$' -bench Live -benchtime 3x
func BenchmarkLive(b *testing.B) {
	const count, ns = 5000, "import-many"
	namespace(b, ns)
	begin := time.Now()
	var creating sync.WaitGroup
	numbers := make(chan int)
	var failed atomic.Value
	for range 8 {
		creating.Go(func() {
			for i := range numbers {
				if err := create(b.Context(), many(ns, i)); err != nil && !apierrors.IsAlreadyExists(err) {
					failed.Store(err)
				}
			}
		})
	}
	for i := range count {
		numbers <- i
	}
	close(numbers)
	creating.Wait()
	if err, ok := failed.Load().(error); ok {
		b.Fatal(err)
	}
	b.Logf("%d Services made in %s", count, time.Since(begin).Round(time.Second))

	config, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig)
	if err != nil {
		b.Fatal(err)
	}
	calls := &counting{}
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { calls.RoundTripper = next; return calls })
	counted, err := kubernetes.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		calls.calls.Store(0)
		o := importer.NewObjects()
		o.Strict = true // as in TestStored
		peak := watchHeap()
		begin := time.Now()
		if err := o.ReadCluster(b.Context(), counted, ns, nil); err != nil {
			b.Fatal(err)
		}
		read := time.Since(begin)
		result, err := importer.Import(o, importer.Options{})
		if err != nil {
			b.Fatal(err)
		}
		total := time.Since(begin)
		heap := peak()
		if len(result.Entries) != count || len(result.Findings) != 0 {
			b.Fatalf("%s, want %d without a finding", result.Summary(), count)
		}
		b.Logf("%d Services, %d calls of the API server (%d of them no list of a page), read in %s, all in %s, heap at most %d MiB, %d KiB of values",
			len(result.Entries), calls.calls.Load(), calls.other.Load(), read.Round(time.Millisecond), total.Round(time.Millisecond), heap>>20, len(result.Values)>>10)
		// Two lists of the objects and one of Endpoints, in pages of 500, that is 10 + 10 + 1,
		// and as many again for slices that controllers add.
		if calls.calls.Load() > 32 || calls.other.Load() > 0 {
			b.Errorf("%d calls, and %d no list of a page", calls.calls.Load(), calls.other.Load())
		}
		b.ReportMetric(float64(calls.calls.Load()), "calls/op")
		b.ReportMetric(float64(heap>>20), "MiB-heap")
	}
}

// many is one of many Services with an EndpointSlice of two addresses.
func many(namespace string, i int) *importertest.Group {
	name, number := fmt.Sprintf("db-%04d", i), int32(3306)
	port := "mysql"
	return &importertest.Group{
		Service: &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: map[string]string{"team": "a"}},
			Spec:       corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Name: port, Port: number}}},
		},
		Slices: []*discoveryv1.EndpointSlice{{
			ObjectMeta:  metav1.ObjectMeta{Name: name + "-ipv4-0", Namespace: namespace, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
			AddressType: discoveryv1.AddressTypeIPv4,
			Ports:       []discoveryv1.EndpointPort{{Name: &port, Port: &number}},
			Endpoints: []discoveryv1.Endpoint{
				{Addresses: []string{fmt.Sprintf("10.1.%d.%d", i/250, i%250+1)}},
				{Addresses: []string{fmt.Sprintf("10.2.%d.%d", i/250, i%250+1)}},
			},
		}},
	}
}

// watchHeap looks at the heap every 20 ms until the function that it returns is called,
// which gives the most that it saw.
func watchHeap() func() uint64 {
	stop, done := make(chan struct{}), make(chan struct{})
	var most uint64
	go func() {
		defer close(done)
		for {
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			most = max(most, stats.HeapAlloc)
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() uint64 { close(stop); <-done; return most }
}
