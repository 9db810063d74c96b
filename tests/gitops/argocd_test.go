package gitops

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"external-services/tests/internal/advice"
	"external-services/tests/internal/manifests"
	"external-services/tests/internal/release"
	"external-services/tests/internal/testenv"
	"external-services/tools/findings"
)

// tracking is how Argo CD marks what it applies: by an annotation, or by a label that the chart sets too.
type tracking string

const (
	byAnnotation tracking = "annotation"
	byLabel      tracking = "label"
)

// sync applies values as the Application shop does, without pruning.
func sync(t *testing.T, s *testenv.APIServer, namespace, text string, how tracking) (files []string) {
	t.Helper()
	files = release.Values(t, text)
	for _, o := range manifests.Template(t, release.Of(t, "helm4", "shop", namespace, s.Kubeconfig), files) {
		if how == byAnnotation {
			kind := o.GroupVersionKind()
			id := "shop:" + kind.Group + "/" + kind.Kind + ":" + namespace + "/" + o.GetName()
			if err := unstructured.SetNestedField(o.Object, id, "metadata", "annotations", "argocd.argoproj.io/tracking-id"); err != nil {
				t.Fatal(err)
			}
		}
		apply(t, s, o)
	}
	return files
}

// The advice on objects of Argo CD names its command, for both ways of tracking.
func TestArgoCDAdvice(t *testing.T) {
	for how, want := range map[tracking]string{
		byAnnotation: "Run argocd app sync shop, which creates what is missing.",
		byLabel:      "Apply the values again, with Argo CD by argocd app sync shop.",
	} {
		t.Run(string(how), func(t *testing.T) {
			s := servers[0]
			namespace := "argocd-by-" + string(how)
			s.MakeNamespace(t, namespace)
			files := sync(t, s, namespace, fluxValues, how)
			args := []string{"-n", namespace, "-f", files[0]}
			wantFindings(t, s, args)
			if err := s.API.CoreV1().Services(namespace).Delete(t.Context(), "alias", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			report := wantFindings(t, s, args, findings.ServiceMissing)
			if fix := report.Findings[0].Fix; !slices.Equal(fix, []string{want}) {
				t.Errorf("the advice is %q, want %q", fix, want)
			}
		})
	}
}

// plan of a release that there is not, while the objects are there: it says so and names the way to compare values.
func TestPlanWithoutARelease(t *testing.T) {
	for how, want := range map[tracking]string{
		byAnnotation: "the Application shop of Argo CD applies its Services",
		byLabel:      "somebody applies its Services without Helm, such as argocd-plan-label/alias",
	} {
		t.Run(string(how), func(t *testing.T) {
			s := servers[0]
			namespace := "argocd-plan-" + string(how)
			s.MakeNamespace(t, namespace)
			files := sync(t, s, namespace, fluxValues, how)
			_, code, said := planOf(t, s, "shop", "-n", namespace, "-f", files[0])
			for _, text := range []string{`there is no release "shop" in namespace ` + namespace, want, "extsvc plan --from OLD.yaml -f NEW.yaml"} {
				if code != findings.ExitFailed || !strings.Contains(said, text) {
					t.Errorf("exit code %d, want %q in %s", code, text, said)
				}
			}
		})
	}
}

// What Argo CD leaves of an earlier state: Endpoints, which it never prunes, and slices where prune is off. check knows
// the cause, and its advice mends it.
func TestArgoCDLeaves(t *testing.T) {
	const entry = "services:\n- {name: orders, ports: [{name: http, port: 80, podPort: 8080}], "
	for _, c := range []struct{ name, before, after, message, cause, fix string }{
		{
			"endpoints-to-slices", "addresses: [10.0.4.11], endpointsKind: Endpoints}", "addresses: [10.0.4.12]}",
			"The Endpoints object argocd-endpoints-to-slices/orders is left from when the entry had endpointsKind: Endpoints",
			"argoproj/argo-cd#12238", "kubectl delete endpoints orders",
		},
		{
			"both-to-cluster", "addresses: [10.0.4.11], backend: both, selector: {app: orders}}", "backend: cluster, selector: {app: orders}}",
			"EndpointSlices of the chart are left at argocd-both-to-cluster/orders that it no longer has (orders-ipv4-0)",
			"unless prune is on", "argocd app sync shop --prune",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := servers[0]
			namespace := "argocd-" + c.name
			s.MakeNamespace(t, namespace)
			makePod(t, s, namespace, map[string]string{"app": "orders"})
			text := func(rest string) string {
				if !strings.Contains(rest, "selector") {
					return strings.Replace(entry, ", podPort: 8080", "", 1) + rest
				}
				return entry + rest
			}
			files := sync(t, s, namespace, text(c.before), byAnnotation)
			wantFindings(t, s, []string{"-n", namespace, "-f", files[0]})
			files = sync(t, s, namespace, text(c.after), byAnnotation)
			args := []string{"-n", namespace, "-f", files[0]}
			report := wantFindings(t, s, args, findings.StaleEndpoints)
			f := report.Findings[0]
			if !strings.Contains(f.Message, c.message) || !strings.Contains(f.Cause, c.cause) || !strings.Contains(strings.Join(f.Fix, "\n"), c.fix) || f.Severity != findings.Error {
				t.Errorf("%+v", f)
			}
			advice.Follow(t, s.Kubeconfig, f.Fix)
			wantFindings(t, s, args)
		})
	}
}
