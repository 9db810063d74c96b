package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"external-services/tools/findings"
)

const settings = `DB_HOST=10.20.0.5
DB_PORT=3306
DB_PASSWORD=planted-secret
LDAP_URL=ldap://cn=app:planted-secret@ldap.corp.example
STOCK_HOST=stock
`

// The way of a migration: find, write the values, replace what the report says, and see that all is mapped.
func TestDiscover(t *testing.T) {
	dir := t.TempDir()
	apps, values := filepath.Join(dir, "apps"), filepath.Join(dir, "values.yaml")
	if err := os.Mkdir(apps, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(apps, "app.env")
	write(t, file, settings)

	stdout, stderr, err := run(t, "discover", apps)
	if exitStatus(err) != findings.ExitNotice || stderr != "" {
		t.Errorf("%v, %q", err, stderr)
	}
	for _, want := range []string{"10.20.0.5:3306 ", file + ":1 ", "DB_HOST", "ldap.corp.example:389", "2 hosts outside, in 2 references. Read 1 file. --all also lists 1 doubtful reference.\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}
	if all, _, _ := run(t, "discover", apps, "--all"); strings.Contains(stdout, "stock") || !strings.Contains(all, "DOUBTFUL") || !strings.Contains(all, "stock") {
		t.Errorf("with --all:\n%s", all)
	}
	if _, _, err := run(t, "discover", apps, "--exit-zero"); err != nil {
		t.Error(err)
	}

	stdout, stderr, err = run(t, "discover", apps, "-n", "shop", "-o", "values", "--write", values)
	if exitStatus(err) != findings.ExitNotice || stdout != "" || !strings.HasPrefix(stderr, "2 hosts outside") {
		t.Errorf("%v, %q, %q", err, stdout, stderr)
	}
	if _, stderr, err := run(t, "discover", apps, "-o", "values", "--write", values); exitStatus(err) != findings.ExitFailed || !strings.Contains(stderr, "values.yaml exists") {
		t.Errorf("without --force: %v, %q", err, stderr)
	}
	if stdout, _, err := run(t, "lint", "-f", values, "--no-hints"); err != nil || stdout != "" {
		t.Errorf("lint: %v\n%s", err, stdout)
	}
	text, err := os.ReadFile(values)
	if err != nil || strings.Contains(string(text), "planted") || !strings.Contains(string(text), "# write: db.shop instead of 10.20.0.5") {
		t.Errorf("%v\n%s", err, text)
	}

	mapped := []string{"discover", apps, "--mapped", "-f", values, "-n", "shop"}
	stdout, _, err = run(t, mapped...)
	if exitStatus(err) != findings.ExitNotice || !strings.Contains(stdout, "0 of 2 references use a mapped name (0 %).\n") {
		t.Errorf("before: %v\n%s", err, stdout)
	}
	write(t, file, strings.NewReplacer("10.20.0.5", "db.shop", "ldap.corp.example", "ldap.shop").Replace(settings))
	stdout, _, err = run(t, mapped...)
	if err != nil || !strings.Contains(stdout, "2 of 2 references use a mapped name (100 %).\n") {
		t.Errorf("after: %v\n%s", err, stdout)
	}
}

func TestDiscoverSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	write(t, good, "services: [{name: orders, externalName: a.example}]")
	write(t, bad, "services: [{name: orders}]")
	for want, args := range map[string][]string{
		"--mapped needs the entries: -f FILE or --release NAME":       {dir, "--mapped"},
		"-f and --release both have entries: use one of them":         {dir, "--mapped", "-f", good, "--release", "outside"},
		"-f, --set, --chart and --release need --mapped":              {dir, "-f", good},
		"-A is for a cluster: leave it out, or the paths":             {dir, "-A"},
		"[namespace all-namespaces] are set none of the others":       {"-n", "shop", "-A"},
		`unknown output format "yaml" (text, json, values)`:           {dir, "-o", "yaml"},
		"no such file or directory":                                   {filepath.Join(dir, "none")},
		`context "none" does not exist`:                               {"--context", "none"},
		"good.yaml exists: overwrite it with --force, or name anothe": {dir, "--write", good},
	} {
		if stdout, stderr, err := run(t, append([]string{"discover"}, args...)...); exitStatus(err) != findings.ExitFailed || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%q: %v, %q, want %q", args, err, stderr, want)
		}
	}
	if _, stderr, err := run(t, "discover", dir, "--mapped", "-f", bad); exitStatus(err) != findings.ExitErrors || !strings.Contains(stderr, `services[0] "orders": addresses or externalName is missing`) {
		t.Errorf("refused values: %v, %q", err, stderr)
	}
}
