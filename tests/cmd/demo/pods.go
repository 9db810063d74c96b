package main

import (
	"context"
	"fmt"

	"external-services/tests/internal/testenv"
)

// moveToPods takes the entry orders of values-examples/migration to pods under load.
func (d *demo) moveToPods(ctx context.Context) error {
	const service = "orders:7000"
	outside := map[string]string{"outside-1": "10.0.4.11", "outside-2": "10.0.4.12"}
	pods := []string{"pod-1", "pod-2"}
	d.say("orders runs on two hosts outside and moves to two pods\nwhile a pod in the namespace %s connects to %s.\n\n", shop, service)
	for host, ip := range outside {
		if err := d.serveOutside(ctx, host, ip, 7000); err != nil {
			return err
		}
	}
	for _, pod := range pods {
		if err := d.cluster.AddServer(ctx, testenv.Server{
			Name: pod, Namespace: shop, Labels: map[string]string{"app": "orders"},
			Ports: map[string]testenv.Port{"http": {Number: 9090, Protocol: "http"}, "feed": {Number: 7001, Protocol: "tcp"}},
		}); err != nil {
			return err
		}
	}
	backend := func(command, name string) error {
		const files = "values-examples/migration/"
		_, err := d.helm(ctx, fmt.Sprintf("%s outside charts/external-services -n %s -f %sbase.yaml -f %s%s.yaml", command, shop, files, files, name))
		return err
	}
	if err := backend("install", "external"); err != nil {
		return err
	}
	if _, err := d.cluster.Await(ctx, app, service); err != nil {
		return err
	}
	load, err := d.load(ctx, service)
	if err != nil {
		return err
	}
	return d.watch(load, []step{
		{what: "backend: external", servers: []string{"outside-1", "outside-2"}},
		{what: "backend: both", servers: []string{"outside-1", "outside-2", "pod-1", "pod-2"}, change: func() error { return backend("upgrade", "both") }},
		{what: "backend: cluster", servers: pods, change: func() error { return backend("upgrade", "cluster") }},
	}, "New ones left the hosts outside within %.1f s of the start of the last upgrade.")
}
