package cluster

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tools/render"
)

// The Pod of helm test. The embedded cluster runs no containers: the API server admits
// the Pod where the Pod Security Standard restricted is enforced, and its command runs
// with a real BusyBox in the network of a pod, with what the image would bring.
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
	pod := rendered(t, "tested", render.Values{ValueFiles: files}, namespace).Pods[0]
	t.Run("restricted", func(t *testing.T) {
		eventually(t, defaultWait, "the Pod is admitted", func() error { // when its service account is there
			_, err := client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err
		})
	})
	t.Run("run", func(t *testing.T) {
		needDataPlane(t)
		makePod(t, "tester", namespace)
		if err := cluster.AddOutside(t.Context(), "tested", []string{"192.168.65.1"}, "helm-test.example"); err != nil {
			t.Fatal(err)
		}
		if err := cluster.Serve(t.Context(), "tested", "tcp", "192.168.65.1:8080"); err != nil {
			t.Fatal(err)
		}
		o := options(namespace)
		o.ValuesFiles = files
		install(t, "tested", o)
		wantHosts(t, "tester", "web:80", "tested")

		out, err := runTestPod(t, pod)
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
		broken := values(t, entries+`- {name: gone, externalName: gone.example}
- {name: closed, addresses: [192.168.65.1], ports: [{port: 81}]}
`)
		pod := rendered(t, "tested", render.Values{ValueFiles: broken, Values: []string{"tests.timeoutSeconds=1"}}, namespace).Pods[0]
		o.ValuesFiles = broken
		upgrade(t, "tested", o)
		wantHosts(t, "tester", "web:80", "tested")
		out, err = runTestPod(t, pod)
		if err == nil {
			t.Errorf("two mappings are broken, and the test passes:\n%s", out)
		}
		wantText(t, out,
			"gone.tested - FAILED: does not resolve",
			"closed.tested 81 FAILED: resolves to 10.96.",
			"web.tested 80 connects",
			"2 of 5 mappings failed.",
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

// runTestPod runs the command of the Pod in the network of the pod tester, with
// nothing in its PATH but BusyBox.
func runTestPod(t *testing.T, pod *corev1.Pod) (string, error) {
	t.Helper()
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
