package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// Shells complete formats, namespaces of the cluster, and nothing if the cluster does not answer.
func TestCompletion(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/namespaces" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"kind": "NamespaceList", "apiVersion": "v1", "items": [{"metadata": {"name": "web"}}, {"metadata": {"name": "shop"}}]}`)
	}))
	t.Cleanup(server.Close)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	write(t, kubeconfig, `{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a}}], clusters: [{name: a, cluster: {server: "`+server.URL+`"}}]}`)
	t.Setenv("KUBECONFIG", kubeconfig)
	for _, c := range []struct{ args, want string }{
		{"plan -o ", "text\njson\n:4\n"},
		{"check -o ", "text\njson\n:4\n"},
		{"plan -n ", "shop\nweb\n:4\n"},
		{"check -n ", "shop\nweb\n:4\n"},
		{"lint -n ", "shop\nweb\n:4\n"},
		{"plan a ", ":4\n"},
		{"check ", ":1\n"},
		{"check a --entry ", ":1\n"},
	} {
		stdout, stderr, err := run(t, append([]string{"__complete"}, strings.Split(c.args, " ")...)...)
		if err != nil || stdout != c.want {
			t.Errorf("%q: %q, want %q: %v\n%s", c.args, stdout, c.want, err, stderr)
		}
	}
}
