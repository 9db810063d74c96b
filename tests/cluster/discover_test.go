package cluster

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tools/discover"
)

// manyConfigMaps is how many ConfigMaps TestDiscoverInManyConfigMaps makes.
const manyConfigMaps = 5000

// makeConfigMaps makes ConfigMaps with a reference and 8 KiB of other text each.
func makeConfigMaps(t *testing.T, namespace string) {
	t.Helper()
	ctx := context.Background()
	makeNamespace(t, namespace)
	t.Cleanup(func() { // the controllers finish it
		if err := client.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	work := make(chan int, manyConfigMaps)
	for i := range manyConfigMaps {
		work <- i
	}
	close(work)
	text := strings.Repeat("x", 8<<10)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for i := range work {
				properties := fmt.Sprintf("# of the application %d\nspring.datasource.url=jdbc:mysql://db-%d.corp.example:3306/app\n", i, i)
				_, err := client.CoreV1().ConfigMaps(namespace).Create(ctx, &corev1.ConfigMap{
					ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("app-%d", i)},
					Data:       map[string]string{"application.properties": properties, "text": text},
				}, metav1.CreateOptions{})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// heapAfterGC is the size of what is kept.
func heapAfterGC() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// Many ConfigMaps are listed in pages, their text is not kept, and each reference is found.
func TestDiscoverInManyConfigMaps(t *testing.T) {
	needEmbedded(t, "it is about calls of the API")
	const namespace = "discover-many"
	makeConfigMaps(t, namespace)
	counted, count := counted(t)
	scan := discover.NewScan()
	before, start := heapAfterGC(), time.Now()
	var err error
	memory := peak(func() { err = scan.ReadCluster(t.Context(), counted, namespace) })
	kept := heapAfterGC() - before
	if err != nil {
		t.Fatal(err)
	}
	report := scan.Report(discover.ReportOptions{})
	t.Logf("%d objects, %d hosts, %d calls in %s, at most %d MiB of heap, of which %d MiB are kept", report.Read.Objects, len(report.Endpoints),
		count.calls.Load(), time.Since(start).Round(time.Millisecond), memory>>20, kept>>20)
	if report.Read.Objects != manyConfigMaps || len(report.Endpoints) != manyConfigMaps || len(report.Findings) > 0 {
		t.Errorf("%s %v", report.Summary(), report.Findings)
	}
	// Pages of 500 ConfigMaps, of which Kubernetes has one more in each namespace, and a call for each of seven other kinds.
	if most := int64(manyConfigMaps/500 + 1 + 7); count.calls.Load() > most || count.gets.Load() > 0 {
		t.Errorf("%d calls, want at most %d; %d without a limit", count.calls.Load(), most, count.gets.Load())
	}
	if kept > 20<<20 { // the texts alone are 40 MiB
		t.Errorf("%d MiB are kept", kept>>20)
	}
}
