package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// control measures, while a test runs, how long a change takes from the API server to the
// connections of a pod, by the cluster's DNS and by kube-proxy: again and again it makes a
// Service, and asks for its name until a connection comes off. So what is promised for a
// time after helm's return is compared with what this machine does at that time.
type control struct {
	stop func()

	mu     sync.Mutex
	ways   []time.Duration
	failed error
}

// startControl begins to measure from a pod, to a server at an address outside. It ends at
// the end of the test, or when its result is asked for.
func startControl(t *testing.T, pod, namespace, ip string, port int32) *control {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	c := &control{stop: func() { cancel(); group.Wait() }}
	t.Cleanup(c.stop)
	group.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			way, err := measureWay(ctx, pod, namespace, fmt.Sprintf("control-%d", i), ip, port)
			c.mu.Lock()
			switch {
			case err == nil:
				c.ways = append(c.ways, way)
			case ctx.Err() == nil:
				c.failed = err
				cancel()
			}
			c.mu.Unlock()
		}
	})
	return c
}

// longest is the longest time until now.
func (c *control) longest(t *testing.T) time.Duration {
	t.Helper()
	eventually(t, defaultWait, "the control is measured", func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.ways) == 0 && c.failed == nil {
			return errors.New("not once")
		}
		return nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	var longest time.Duration
	for _, way := range c.ways {
		longest = max(longest, way)
	}
	if c.failed != nil {
		t.Fatalf("the control was measured %d times: %v", len(c.ways), c.failed)
	}
	return longest
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// measureWay makes a Service with an endpoint and measures from then to the beginning of
// the first connection that comes off.
func measureWay(ctx context.Context, pod, namespace, name, ip string, port int32) (way time.Duration, err error) {
	type result struct {
		began time.Time
		err   error
	}
	done := make(chan result, 1)
	go func() {
		began, err := cluster.Await(ctx, pod, fmt.Sprintf("%s.%s:%d", name, namespace, port))
		done <- result{began, err}
	}()
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: port}}},
	}
	empty := ""
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{ip}}},
		Ports:       []discoveryv1.EndpointPort{{Name: &empty, Port: &port}},
	}
	defer func() {
		background := context.WithoutCancel(ctx)
		err = errors.Join(err,
			ignoreNotFound(client.CoreV1().Services(namespace).Delete(background, name, metav1.DeleteOptions{})),
			ignoreNotFound(client.DiscoveryV1().EndpointSlices(namespace).Delete(background, name, metav1.DeleteOptions{})))
	}()
	if _, err := client.CoreV1().Services(namespace).Create(ctx, service, metav1.CreateOptions{}); err != nil {
		return 0, err
	}
	if _, err := client.DiscoveryV1().EndpointSlices(namespace).Create(ctx, slice, metav1.CreateOptions{}); err != nil {
		return 0, err
	}
	made := time.Now()
	r := <-done
	if r.err != nil {
		return 0, r.err
	}
	return max(r.began.Sub(made), time.Millisecond), nil
}
