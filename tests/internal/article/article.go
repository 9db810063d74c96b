// Package article sets up the world outside the cluster that
// values-examples/article.yaml maps: the web host test.k8s.com and a MySQL server
// at 192.168.50.206.
package article

import (
	"context"

	"external-services/tests/internal/mariadb"
	"external-services/tests/internal/testenv"
)

const (
	// MySQL is the Service of the MySQL server, and SVC1 that of the web host.
	MySQL = "mysql-test"
	SVC1  = "svc1.default"

	// Namespace is where the example puts mysql-test; the pod App runs there.
	Namespace = "test-env"

	// App is the pod that calls the Services.
	App = "app"

	// WebName and WebIP are the web host outside. It answers with its name, Web.
	Web     = "web"
	WebName = "test.k8s.com"
	WebIP   = "192.168.50.80"

	// MySQLIP and MySQLPort are where the MySQL server outside listens.
	MySQLIP   = "192.168.50.206"
	MySQLPort = 3306
)

// Values is the path of the example's values file.
func Values() string { return testenv.Path("values-examples", "article.yaml") }

// Setup adds the two hosts with their servers, and the pod.
func Setup(ctx context.Context, cluster *testenv.Cluster) error {
	if err := cluster.AddPod(ctx, App, Namespace); err != nil {
		return err
	}
	if err := cluster.AddOutside(ctx, Web, []string{WebIP}, WebName); err != nil {
		return err
	}
	if err := cluster.Serve(ctx, Web, "http", WebIP+":80"); err != nil {
		return err
	}
	const mysql = "mysql"
	if err := cluster.AddOutside(ctx, mysql, []string{MySQLIP}); err != nil {
		return err
	}
	return mariadb.Start(ctx, cluster, mysql, MySQLIP+":3306")
}
