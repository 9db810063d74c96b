package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func TestPluginName(t *testing.T) {
	for _, c := range []struct{ program, helm, want string }{
		{"/usr/local/bin/extsvc", "", ""},
		{"/usr/local/bin/extsvc", "diff", ""}, // called by another plugin
		{"/plugins/extsvc/extsvc", "extsvc", helmPlugin},
		{"kubectl-extsvc", "", kubectlPlugin},
		{"/bin/kubectl-extsvc.exe", "", kubectlPlugin},
	} {
		t.Setenv("HELM_PLUGIN_NAME", c.helm)
		if got := pluginName(c.program); got != c.want {
			t.Errorf("%s in the plugin %q: %q, want %q", c.program, c.helm, got, c.want)
		}
	}
}

// Every line of the help that names the program says how the user calls it.
func TestHelpOfPlugins(t *testing.T) {
	for _, name := range []string{helmPlugin, kubectlPlugin} {
		for _, command := range commands(t) {
			root := newRootCommand()
			callAs(root, name)
			var out bytes.Buffer
			root.SetOut(&out)
			root.SetArgs([]string{command.Name(), "--help"})
			if err := root.Execute(); err != nil {
				t.Fatal(err)
			}
			help := out.String()
			if !strings.Contains(help, "\n  "+name+" "+command.Name()) {
				t.Errorf("%s %s --help has no example and no usage of it:\n%s", name, command.Name(), help)
			}
			rest := strings.NewReplacer(name, "", "extsvc completion", "").Replace(help)
			for _, other := range commands(t) {
				if strings.Contains(rest, "extsvc "+other.Name()) {
					t.Errorf("%s %s --help names extsvc %s:\n%s", name, command.Name(), other.Name(), help)
				}
			}
		}
	}
}

// The namespace that Helm was called with is that of the command, unless it is the one that nobody named.
func TestNamespaceOfHelm(t *testing.T) {
	values := filepath.Join(t.TempDir(), "values.yaml")
	write(t, values, "services: [{name: orders, externalName: a.example}]")
	for _, c := range []struct{ program, helm, want string }{
		{helmPlugin, "shop", `namespace: "shop"`},
		{helmPlugin, "default", `namespace: "default"`},
		{helmPlugin, "", `namespace: "default"`},
		{kubectlPlugin, "shop", `namespace: "default"`},
	} {
		t.Setenv("HELM_NAMESPACE", c.helm)
		root := newRootCommand()
		callAs(root, c.program)
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetArgs([]string{"template", "-f", values})
		if err := root.Execute(); err != nil || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s with HELM_NAMESPACE=%s: %v, want %s in\n%s", c.program, c.helm, err, c.want, out.String())
		}
	}
	// One that has no such flag.
	t.Setenv("HELM_NAMESPACE", "shop")
	root := newRootCommand()
	callAs(root, helmPlugin)
	root.SetOut(&bytes.Buffer{})
	root.SetArgs([]string{"version"})
	if err := root.Execute(); err != nil {
		t.Error(err)
	}
}
