package walls

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/testenv"
)

// What the guides show as YAML is what it says: values that the chart takes, or objects
// that the API server takes. Those of kinds that it does not know are named here.
func TestGuides(t *testing.T) {
	foreign := map[string]bool{"HelmRelease": true}
	c := clusters[0]
	c.namespace(t, "shop")
	for _, guide := range []string{"security.md", "walls.md"} {
		text := document(t, guide)
		blocks := 0
		for _, part := range strings.Split("\n"+text, "\n```yaml\n")[1:] {
			content, _, _ := strings.Cut(part, "\n```")
			blocks++
			var root any
			if err := yaml.UnmarshalStrict([]byte(content), &root); err != nil {
				t.Errorf("%s: %v\n%s", guide, err, content)
				continue
			}
			fields, isMap := root.(map[string]any)
			switch {
			case !isMap: // the item of Argo CD's settings, which TestArgoCDExclusions reads
			case fields["apiGroups"] != nil: // a rule
			case fields["kind"] != nil:
				for _, o := range objects(t, content) {
					resource, err := c.resource(t, o)
					if meta.IsNoMatchError(err) && foreign[o.GetKind()] {
						spec, _ := fields["spec"].(map[string]any)
						text, err := yaml.Marshal(spec["values"])
						if err != nil {
							t.Fatal(err)
						}
						c.template(t, "helm", "shop", values(t, string(text)))
						continue
					}
					if err != nil {
						t.Errorf("%s: %v", guide, err)
						continue
					}
					if _, err := resource.Create(t.Context(), o, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}); err != nil {
						t.Errorf("%s: %v\n%s", guide, err, content)
					}
				}
			default:
				c.template(t, "helm", "shop", values(t, content))
			}
		}
		if blocks == 0 {
			t.Errorf("%s shows no YAML", guide)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)[^):]*\)`).FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(testenv.Chart(), "docs", link[1])); err != nil {
				t.Errorf("%s links to %s: %v", guide, link[1], err)
			}
		}
	}
	// Each Role is spoken of, and has the name of its file.
	files, err := filepath.Glob(filepath.Join(testenv.Chart(), "docs", "rbac", "*.yaml"))
	if err != nil || len(files) != len(installing)+len(reading) {
		t.Errorf("docs/rbac has %q (%v), and the tests know %q and %q", files, err, installing, reading)
	}
	for _, file := range files {
		var role rbacv1.Role
		short := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if err := yaml.UnmarshalStrict([]byte(document(t, "rbac", short+".yaml")), &role); err != nil {
			t.Fatal(err)
		}
		if role.Kind != "Role" || role.Namespace != "" || role.Name != "external-services-"+short {
			t.Errorf("%s has the %s %s/%s, want the Role external-services-%s without a namespace", file, role.Kind, role.Namespace, role.Name, short)
		}
		if name := "rbac/" + filepath.Base(file); !strings.Contains(document(t, "security.md"), "("+name+")") {
			t.Errorf("security.md does not link to %s", name)
		}
	}
}
