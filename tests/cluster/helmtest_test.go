package cluster

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tools/helm"
)

// The Pod of helm test, where the Pod Security Standard restricted is enforced. On kind helm
// runs it. The embedded cluster runs no containers: its API server admits the Pod, and the
// Pod's command runs with a real BusyBox in the network of a pod, with what the image
// would bring.
func TestHelmTest(t *testing.T) {
	const namespace = "tested"
	restricted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), restricted, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	const entries = `services:
- {name: web, addresses: [192.168.65.1], ports: [{name: http, port: 80, targetPort: 8080}, {name: udp, port: 53, protocol: UDP}]}
- {name: alias, externalName: helm-test.example, ports: [{port: 8080}]}
- {name: nothing-ready, addresses: [{ip: 192.168.65.9, ready: false}], ports: [{port: 80}]}
`
	files := values(t, entries)
	t.Run("restricted", func(t *testing.T) {
		pod := rendered(t, "tested", helm.Values{ValueFiles: files}, namespace).Pods[0]
		eventually(t, defaultWait, "the Pod is admitted", func() error { // when its service account is there
			_, err := client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err
		})
		pod.Spec.SecurityContext, pod.Spec.Containers[0].SecurityContext = nil, nil
		if _, err := client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); !apierrors.IsForbidden(err) {
			t.Errorf("without its security context the Pod is to be refused: %v", err)
		}
	})
	t.Run("run", func(t *testing.T) {
		needDataPlane(t)
		makePod(t, "tester", namespace)
		if err := cluster.AddOutside(t.Context(), "tested", []string{"192.168.65.1"}, "helm-test.example"); err != nil {
			t.Fatal(err)
		}
		serving, stop := context.WithCancel(t.Context())
		if err := cluster.Serve(serving, "tested", "tcp", "192.168.65.1:8080"); err != nil {
			t.Fatal(err)
		}
		o := options(namespace)
		o.ValuesFiles = files
		o.SetValues = map[string]string{"tests.timeoutSeconds": "10"}
		if kindCluster != nil {
			repository, tag := kindCluster.BusyBoxImage()
			o.SetValues["tests.image.repository"], o.SetValues["tests.image.tag"] = repository, tag
		}
		install(t, "tested", o)
		wantHosts(t, "tester", "web:80", "tested")
		wantAddresses(t, "tester", "alias", "192.168.65.1")
		wantAddresses(t, "tester", "nothing-ready", clusterIPOf(t, namespace, "nothing-ready"))

		out, err := runTestPod(t, "tested", namespace, files)
		if err != nil {
			t.Errorf("every mapping works, and the test fails: %v\n%s", err, out)
		}
		wantText(t, out,
			"web.tested 80 connects, resolves to 10.96.",
			"alias.tested 8080 connects, resolves to 192.168.65.1",
			"nothing-ready.tested - resolves to 10.96.",
			"All 3 mappings work.",
		)

		// One that does not resolve, and one that nobody answers.
		o.ValuesFiles = values(t, entries+`- {name: gone, externalName: gone.example}
- {name: closed, addresses: [192.168.65.1], ports: [{port: 81}]}
`)
		upgrade(t, "tested", o)
		wantHosts(t, "tester", "web:80", "tested")
		wantAddresses(t, "tester", "closed", clusterIPOf(t, namespace, "closed"))
		out, err = runTestPod(t, "tested", namespace, o.ValuesFiles)
		if err == nil {
			t.Errorf("two mappings are broken, and the test passes:\n%s", out)
		}
		wantText(t, out,
			"gone.tested - FAILED: does not resolve",
			"closed.tested 81 FAILED: resolves to 10.96.",
			"web.tested 80 connects",
			"2 of 5 mappings failed.",
		)

		// The server outside is stopped.
		o.ValuesFiles = files
		upgrade(t, "tested", o)
		stop()
		eventually(t, defaultWait, "the server is stopped", func() error {
			if reach(t, "tester", "web:80", "tested") == nil {
				return errors.New("it answers")
			}
			return nil
		})
		out, err = runTestPod(t, "tested", namespace, files)
		if err == nil {
			t.Errorf("the server is stopped, and the test passes:\n%s", out)
		}
		wantText(t, out,
			"web.tested 80 FAILED: resolves to 10.96.",
			"alias.tested 8080 FAILED: resolves to 192.168.65.1",
			"2 of 3 mappings failed.",
		)
	})
}

// wantText fails for each text that a table does not hold, whatever its columns' width.
func wantText(t *testing.T, table string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(strings.Join(strings.Fields(table), " "), text) {
			t.Errorf("want %q in\n%s", text, table)
		}
	}
}

// runTestPod runs the Pod of a release's test and returns what it says: by both programs on
// kind, and on the embedded cluster as the Pod's command in the network of the pod tester,
// with nothing in its PATH but BusyBox.
func runTestPod(t *testing.T, name, namespace string, files []string) (string, error) {
	t.Helper()
	if kindCluster != nil {
		three, failed := releaseOf(t, "helm", name, namespace).Output("test", name, "--logs")
		four, alsoFailed := releaseOf(t, "helm4", name, namespace).Output("test", name, "--logs")
		if (failed == nil) != (alsoFailed == nil) {
			t.Errorf("helm test ends with %v, and with Helm 4 with %v:\n%s", failed, alsoFailed, four)
		}
		t.Logf("helm test:\n%s", three)
		return three, errors.Join(failed, alsoFailed)
	}
	pod := rendered(t, name, helm.Values{ValueFiles: files, Values: []string{"tests.timeoutSeconds=10"}}, namespace).Pods[0]
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal("busybox is not installed: install the Debian package busybox")
	}
	bin := t.TempDir()
	if out, err := exec.Command(busybox, "--install", "-s", bin).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	container := pod.Spec.Containers[0]
	command := append([]string{"env", "-i", "PATH=" + bin, bin + "/sh"}, container.Command[1:]...)
	cmd := cluster.Command(context.WithoutCancel(t.Context()), "tester", append(command, container.Args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
