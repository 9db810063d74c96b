package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"external-services/tests/internal/article"
	"external-services/tests/internal/mariadb"
	"external-services/tests/internal/traffic"
)

// The first act: the two entries of values-examples/article.yaml.
const (
	installArticle = "install outside charts/external-services -f values-examples/article.yaml"
	query          = "SELECT note, @@version FROM shop.orders"
)

// callBoth calls both names from a pod.
func (d *demo) callBoth(ctx context.Context) error {
	d.say("The web server %s and MariaDB at %s:%d are outside the cluster.\nA pod in the namespace %s calls both by their Service names.\n\n",
		article.WebName, article.MySQLIP, article.MySQLPort, article.Namespace)
	if err := article.Setup(ctx, &d.cluster.Cluster); err != nil {
		return err
	}
	if _, err := d.helm(ctx, installArticle); err != nil {
		return err
	}
	if _, err := d.cluster.Await(ctx, article.App, fmt.Sprintf("%s:%d", article.MySQL, article.MySQLPort)); err != nil {
		return err
	}
	calls := []struct {
		name, text, want string
		call             func() (string, error)
	}{
		{article.SVC1, "GET http://" + article.SVC1 + "/", article.Web, func() (string, error) {
			return d.cluster.Get(ctx, article.App, "http://"+article.SVC1+"/")
		}},
		{article.MySQL, query, "first\t", func() (string, error) {
			return mariadb.Query(ctx, &d.cluster.Cluster, article.App, article.MySQL, article.MySQLPort, query)
		}},
	}
	rows, failures := []string{"NAME\tRESOLVES TO\tCALL\tANSWER\tTIME"}, []error{}
	for _, c := range calls {
		resolution, err := d.cluster.Resolve(ctx, article.App, c.name)
		if err != nil {
			return err
		}
		start := time.Now()
		answer, err := c.call()
		took := time.Since(start)
		if err == nil && !strings.HasPrefix(answer, c.want) {
			err = fmt.Errorf("%s answered %q, expected %q", c.name, answer, c.want)
		}
		if err != nil {
			answer, failures = "failed", append(failures, err)
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%d ms", c.name, target(resolution), c.text, strings.ReplaceAll(answer, "\t", ", "), took.Milliseconds()))
	}
	if err := d.table(rows...); err != nil {
		return err
	}
	d.say("%d calls, %d failed.", len(calls), len(failures))
	return errors.Join(failures...)
}

// target is what a name leads to: another name, or the Service's own address.
func target(r traffic.Resolution) string {
	addresses := strings.Join(r.Addresses, ", ")
	if strings.HasSuffix(r.CNAME, ".svc.cluster.local.") {
		return addresses + " (ClusterIP)"
	}
	return fmt.Sprintf("%s (%s)", strings.TrimSuffix(r.CNAME, "."), addresses)
}
