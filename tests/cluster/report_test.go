package cluster

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/testenv"
	"external-services/tools/findings"
	"external-services/tools/report"
)

// extsvc report counts the references in a namespace and in a folder, and prints one document that its type decodes
// strictly.
func TestReport(t *testing.T) {
	onlyAPI(t)
	namespace := ownNamespace("report", "release")
	makeNamespace(t, namespace)
	r := releaseOf(t, "helm", "reported", namespace)
	t.Cleanup(r.Uninstall)
	r.Do("install", values(t, `services:
- {name: db, addresses: [192.168.91.1], ports: [{name: tcp, port: 3306}]}
- {name: pods, ports: [{name: tcp, port: 80, podPort: web}], backend: cluster, selector: {app: reported}}
`))
	makeReadyPod(t, namespace, namespace+"-pod", map[string]string{"app": "reported"}, "10.244.91.1", "web")
	_, err := client.CoreV1().ConfigMaps(namespace).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "app"},
		Data:       map[string]string{"DB_URL": "mysql://db:3306/app", "PODS_URL": "http://pods." + namespace, "OLD_URL": "mysql://192.168.91.1:3306/app"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, ".env"), []byte("MAIL_HOST=smtp.corp.example\nMAIL_PORT=587\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	extsvc, err := testenv.Binary("extsvc")
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (stdout, stderr string, code int) {
		cmd := exec.CommandContext(t.Context(), extsvc, append([]string{"report", r.Name, "-n", namespace, "--kubeconfig", cluster.Kubeconfig, "-o", "json"}, args...)...)
		var problems strings.Builder
		cmd.Stderr = &problems
		out, _ := cmd.Output() // the exit code says what failed
		return string(out), problems.String(), cmd.ProcessState.ExitCode()
	}

	var stdout, stderr string
	var code int
	eventually(t, defaultWait, "the Service has its pod", func() error {
		if stdout, stderr, code = run("--discover-namespace", namespace, "--discover", folder); code != findings.ExitOK {
			return fmt.Errorf("exit code %d: %s%s", code, stdout, stderr)
		}
		return nil
	})
	decoder := json.NewDecoder(strings.NewReader(stdout))
	decoder.DisallowUnknownFields()
	var got report.Report
	if err := decoder.Decode(&got); err != nil || decoder.More() || stderr != "" {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	if len(got.Check.Entries) != 2 || got.Check.Release.Name != r.Name || got.Time.IsZero() || got.Title != "External services of the release "+r.Name {
		t.Errorf("%+v", got)
	}
	var hosts []string
	for _, e := range got.Discover.Endpoints {
		hosts = append(hosts, e.Host+" "+e.References[0].Write)
	}
	want := "192.168.91.1 db." + namespace + ":3306, smtp.corp.example smtp." + namespace
	if progress := got.Discover.Progress.String(); progress != "2 of 4 references use a mapped name (50 %)." || strings.Join(hosts, ", ") != want {
		t.Errorf("%s %q, want 2 of 4 and %s", progress, hosts, want)
	}

	if stdout, _, code = run(); code != findings.ExitOK || !strings.Contains(stdout, `"discover": null`) {
		t.Errorf("without discover: exit code %d\n%s", code, stdout)
	}
	if stdout, stderr, code = run("--discover", filepath.Join(folder, "missing")); code != findings.ExitFailed || !strings.Contains(stderr, "missing") || stdout != "" {
		t.Errorf("with a folder that does not exist: exit code %d, %q", code, stderr)
	}
}
