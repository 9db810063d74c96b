// Package mariadb runs a real MariaDB server on a host outside a
// cluster, and queries it with the real client.
package mariadb

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"external-services/tests/internal/testenv"
)

// user and password are those of the only account that may connect from a pod.
const user, password = "app", "app"

// Check says which program is missing, and which Debian package has it.
func Check() error {
	for program, debian := range map[string]string{
		"mariadbd":           "mariadb-server-core",
		"mariadb-install-db": "mariadb-server-core",
		"mariadb":            "mariadb-client-core",
	} {
		if _, err := lookPath(program); err != nil {
			return fmt.Errorf("%s is not installed: install the Debian package %s", program, debian)
		}
	}
	return nil
}

// lookPath also finds servers, which the PATH of a user may leave out.
func lookPath(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return exec.LookPath(filepath.Join("/usr/sbin", program))
	}
	return path, nil
}

// Start starts a server on a host, listening at an address (host:port) of it. It
// holds the table shop.orders with the row (1, "first"), and runs until the cluster
// is stopped, with which its data goes, or ctx is done.
func Start(ctx context.Context, cluster *testenv.Cluster, host, address string) error {
	if err := Check(); err != nil {
		return err
	}
	ip, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	dir := filepath.Join(cluster.Directory, "mariadb-"+host)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	data, start := filepath.Join(dir, "data"), filepath.Join(dir, "start.sql")
	installDB, err := lookPath("mariadb-install-db")
	if err != nil {
		return err
	}
	install := exec.CommandContext(ctx, installDB, "--no-defaults", "--datadir="+data, "--user=root",
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("install the system tables of MariaDB: %w\n%s", err, out)
	}
	// The server reads a statement a line.
	statements := []string{
		"CREATE DATABASE shop;",
		"CREATE TABLE shop.orders (id INT PRIMARY KEY, note VARCHAR(20));",
		"INSERT INTO shop.orders VALUES (1, 'first');",
		fmt.Sprintf("CREATE USER %s@'%%' IDENTIFIED BY '%s';", user, password),
		fmt.Sprintf("GRANT ALL ON shop.* TO %s@'%%';", user),
	}
	if err := os.WriteFile(start, []byte(strings.Join(statements, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	server, err := lookPath("mariadbd")
	if err != nil {
		return err
	}
	return cluster.Background(ctx, host, "ready for connections", server, "--no-defaults", "--user=root",
		"--datadir="+data, "--socket="+filepath.Join(dir, "socket"), "--pid-file="+filepath.Join(dir, "pid"),
		"--bind-address="+ip, "--port="+port, "--report-host="+host,
		"--init-file="+start, "--skip-name-resolve", "--skip-log-bin", "--innodb-buffer-pool-size=8M")
}

// Query runs a statement from a pod against the server that a name and port reach,
// and returns its rows, with tabs between columns.
func Query(ctx context.Context, cluster *testenv.Cluster, pod, name string, port int, statement string) (string, error) {
	client, err := lookPath("mariadb")
	if err != nil {
		return "", err
	}
	out, err := cluster.Output(ctx, pod, client, "--no-defaults", "--protocol=tcp", "--connect-timeout=5",
		"--host="+name, fmt.Sprintf("--port=%d", port), "--user="+user, "--password="+password,
		"--batch", "--skip-column-names", "--execute="+statement)
	return strings.TrimSpace(out), err
}
