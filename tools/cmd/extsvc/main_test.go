package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"external-services/charts"
	"external-services/tools/helm"
)

// run starts the program with arguments and gives what it prints.
func run(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := newRootCommand()
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(args)
	err = cmd.Execute()
	return out.String(), errs.String(), err
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTemplate(t *testing.T) {
	dir := t.TempDir()
	base, prod := filepath.Join(dir, "base.yaml"), filepath.Join(dir, "prod.yaml")
	write(t, base, "services: [{name: orders, externalName: a.example}]")
	write(t, prod, "commonLabels: {stage: prod}")
	for _, chart := range []string{"", filepath.Join("..", "..", "..", "charts", charts.Dir)} {
		args := []string{"template", "outside", "-n", "shop", "-f", base, "-f", prod, "--set", "commonLabels.team=a", "--set-string", "commonLabels.cost=1", "--set-json", `commonAnnotations={"b":"c"}`}
		if chart != "" {
			args = append(args, "--chart", chart)
		}
		stdout, stderr, err := run(t, args...)
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr)
		}
		result, err := helm.Decode(stdout)
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Services) != 1 {
			t.Fatalf("%d Services, want 1, in\n%s", len(result.Services), stdout)
		}
		service := result.Services[0]
		if service.Namespace != "shop" || service.Labels["app.kubernetes.io/instance"] != "outside" || service.Labels["stage"] != "prod" ||
			service.Labels["team"] != "a" || service.Labels["cost"] != "1" || service.Annotations["b"] != "c" {
			t.Errorf("a value is lost in\n%s", stdout)
		}
	}
}

func TestTemplateSaysWhatIsWrong(t *testing.T) {
	values := filepath.Join(t.TempDir(), "values.yaml")
	write(t, values, "services: [{name: orders}]")
	for want, args := range map[string][]string{
		`services[0] "orders": addresses or externalName is missing`: {"template", "-f", values},
		`open no/such/file: no such file or directory`:               {"template", "-f", "no/such/file"},
		`load the chart "no/such/chart"`:                             {"template", "--chart", "no/such/chart"},
		`accepts at most 1 arg(s)`:                                   {"template", "a", "b"},
	} {
		stdout, stderr, err := run(t, args...)
		if err == nil || !strings.Contains(stderr, want) {
			t.Errorf("%q gives the error %v and prints %q, want %q", args, err, stderr, want)
		}
		if stdout != "" {
			t.Errorf("%q prints %q", args, stdout)
		}
	}
}

func TestLint(t *testing.T) {
	dir := t.TempDir()
	base, prod := filepath.Join(dir, "base.yaml"), filepath.Join(dir, "prod.yaml")
	write(t, base, "services:\n- {name: web, externalName: a.example, ports: [{name: https, port: 443}]}\n- {name: six, addresses: ['2001:db8::1'], ports: [{port: 80}]}\n")
	write(t, prod, "overrides:\n  six:\n    addresses: ['2001:DB8::1']\n    ports: [{port: 0}]\n")
	hint := base + ":3:26: hint: entry \"six\": addresses: all of them are IPv6"
	refused := prod + ":3:17: entry \"six\": addresses[0]: \"2001:DB8::1\" is not an IPv6 address in its canonical form: write 2001:db8::1\n"
	for name, c := range map[string]struct {
		args     []string
		stdin    string
		out, err string // what is printed contains it, "" is nothing
		code     int
	}{
		"only hints":     {args: []string{"-f", base}, out: hint},
		"no hints":       {args: []string{"-f", base, "--no-hints"}},
		"errors":         {args: []string{"-f", base, "-f", prod, "-n", "shop"}, out: refused, err: "2 errors\n", code: 3},
		"one error":      {args: []string{"-f", base, "--set", "endpoints.kind=x"}, out: "--set 1: endpoints.kind: \"x\" is unknown: write EndpointSlice or Endpoints\n", err: "1 error\n", code: 3},
		"github":         {args: []string{"-f", base, "-f", prod, "-o", "github"}, out: "::error file=" + prod + ",line=3,col=17,title=entry \"six\"::entry \"six\": addresses[0]: ", err: "2 errors\n", code: 3},
		"json":           {args: []string{"-f", base, "-o", "json"}, out: "{\n  \"findings\": [\n    {\n      \"code\": \"tls-name\",\n      \"severity\": \"hint\",\n"},
		"standard input": {args: []string{"-f", "-"}, stdin: "services: {}\n", out: "<stdin>:1:11: services: is a map: write a list, each item a map with the key name\n", err: "1 error\n", code: 3},
		"a format":       {args: []string{"-o", "xml"}, err: "Error: unknown output format \"xml\" (text, json, github)\n", code: 2},
		"no file":        {args: []string{"-f", "no/such/file"}, err: "Error: open no/such/file: no such file or directory\n", code: 2},
		"no chart":       {args: []string{"--chart", "no/such/chart"}, err: "load the chart \"no/such/chart\"", code: 2},
		"a release name": {args: []string{"Not_A_Release"}, out: "release name \"Not_A_Release\": ", err: "1 error\n", code: 3},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := newRootCommand()
			var out, errs bytes.Buffer
			cmd.SetIn(strings.NewReader(c.stdin))
			cmd.SetOut(&out)
			cmd.SetErr(&errs)
			cmd.SetArgs(append([]string{"lint"}, c.args...))
			err := cmd.Execute()
			if exitStatus(err) != c.code || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.err) ||
				c.out == "" && out.Len() > 0 || c.err == "" && errs.Len() > 0 {
				t.Errorf("%v\nprinted %s\nand %s\nwant %s\nand %s", err, out.String(), errs.String(), c.out, c.err)
			}
		})
	}
}
