package gitops

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/testenv"
	"external-services/tools/check"
	"external-services/tools/findings"
	"external-services/tools/plan"
)

// extsvc runs a command of extsvc on a server and reads its JSON into a result. It returns the exit code, and what the
// command says if it could not do its work.
func extsvc(t *testing.T, s *testenv.APIServer, result any, args ...string) (code int, said string) {
	t.Helper()
	path, err := testenv.Binary("extsvc")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, append(args, "-o", "json", "--kubeconfig", s.Kubeconfig)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if code = cmd.ProcessState.ExitCode(); code != findings.ExitFailed {
		if err := json.Unmarshal(out, result); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	return code, stderr.String()
}

func checkOf(t *testing.T, s *testenv.APIServer, args ...string) (report check.Report, code int, said string) {
	t.Helper()
	code, said = extsvc(t, s, &report, append([]string{"check", "--no-resolve"}, args...)...)
	return report, code, said
}

func planOf(t *testing.T, s *testenv.APIServer, args ...string) (p plan.Plan, code int, said string) {
	t.Helper()
	code, said = extsvc(t, s, &p, append([]string{"plan"}, args...)...)
	return p, code, said
}

// wantFindings checks until check finds certain codes, in the order of the alphabet: the controllers take their time.
func wantFindings(t *testing.T, s *testenv.APIServer, args []string, want ...findings.Code) (report check.Report) {
	t.Helper()
	testenv.Eventually(t, fmt.Sprintf("check finds %q", want), func() error {
		var codes []findings.Code
		found, code, said := checkOf(t, s, args...)
		if report = found; code == findings.ExitFailed {
			return errors.New(said)
		}
		for _, f := range report.Findings {
			codes = append(codes, f.Code)
		}
		if slices.Sort(codes); !slices.Equal(codes, want) {
			return fmt.Errorf("it finds %+v", report.Findings)
		}
		return nil
	})
	return report
}

// makePod makes a ready pod, on a node that no kubelet serves.
func makePod(t *testing.T, s *testenv.APIServer, namespace string, labels map[string]string) {
	t.Helper()
	const node = "nowhere"
	_, err := s.API.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	pods := s.API.CoreV1().Pods(namespace)
	pod, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "pod", Labels: labels},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "server", Image: "server"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: "10.244.7.7", PodIPs: []corev1.PodIP{{IP: "10.244.7.7"}},
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
	}
	if _, err := pods.UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// driftOf is the only drift of a report.
func driftOf(t *testing.T, report check.Report) findings.Finding {
	t.Helper()
	var found []findings.Finding
	for _, f := range report.Findings {
		if f.Code == findings.Drift {
			found = append(found, f)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d drifts, want 1: %+v", len(found), report.Findings)
	}
	return found[0]
}
