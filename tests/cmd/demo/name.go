package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/dnsserver"
)

// The second act: the entry of values-examples/resolver.yaml, and what is outside.
const (
	zone         = "corp.example"
	outsideName  = "orders-db." + zone
	nameServerIP = "10.0.9.53"
	ttl          = 5 * time.Second
)

var databases = []struct{ host, ip string }{{"db-a", "10.0.6.11"}, {"db-b", "10.0.6.12"}}

// followName changes the address of a name under load.
func (d *demo) followName(ctx context.Context) (err error) {
	const service = "orders-db:3306"
	d.say("%s, port 3307, is outside the cluster. Its address changes\nwhile a pod in the namespace %s connects to %s.\n\n", outsideName, shop, service)
	dns, err := d.startDatabases(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dns.Close()) }()
	answer := func(ip string) { dns.Set(outsideName, dnsserver.A(ip).TTL(ttl)) }
	before, after := databases[0], databases[1]
	answer(before.ip)
	if _, err := d.helm(ctx, "install names charts/external-services -n "+shop+" -f values-examples/resolver.yaml"); err != nil {
		return err
	}
	if err := d.startResolver(ctx); err != nil {
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
		{what: "DNS answers " + before.ip, servers: []string{before.host}},
		{what: "DNS answers " + after.ip, servers: []string{after.host}, change: func() error {
			answer(after.ip)
			return nil
		}},
	}, fmt.Sprintf("New ones left the old address within %%.1f s of the change in DNS (TTL %.0f s).", ttl.Seconds()))
}

// startDatabases starts the name server and the two databases, of which the name leads to one.
func (d *demo) startDatabases(ctx context.Context) (dns *dnsserver.Server, err error) {
	for _, database := range databases {
		if err := d.serveOutside(ctx, database.host, database.ip, 3307); err != nil {
			return nil, err
		}
	}
	if err := d.cluster.AddOutside(ctx, "ns", []string{nameServerIP}); err != nil {
		return nil, err
	}
	err = d.cluster.Inside("ns", func() error {
		dns, err = dnsserver.Start(nameServerIP + ":53")
		return err
	})
	return dns, err
}

// startResolver starts the resolver of the release, which a kubelet would do.
func (d *demo) startResolver(ctx context.Context) error {
	list, err := d.api.AppsV1().Deployments(shop).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if len(list.Items) != 1 {
		return fmt.Errorf("the namespace %s has %d Deployments, expected that of the resolver", shop, len(list.Items))
	}
	const pod = "shop-resolver"
	if err := d.cluster.AddPod(ctx, pod, shop); err != nil {
		return err
	}
	process, err := d.cluster.Process(ctx, d.api, &list.Items[0], pod, "resolver")
	if err != nil {
		return err
	}
	log, err := os.Create(d.cluster.Directory + "/resolver.log")
	if err != nil {
		return err
	}
	process.Stdout, process.Stderr = log, log
	return errors.Join(process.Start(), log.Close())
}
