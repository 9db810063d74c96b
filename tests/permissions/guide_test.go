package permissions

import (
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"external-services/tests/internal/guides"
	"external-services/tests/internal/testenv"
)

// The guide shows what is true, and speaks of each Role, which has the name of its file.
func TestGuide(t *testing.T) {
	servers[0].MakeNamespace(t, "shop")
	guides.Check(t, "security.md", servers[0].Kubeconfig)

	files, err := filepath.Glob(filepath.Join(testenv.Chart(), "docs", "rbac", "*.yaml"))
	if err != nil || len(files) != len(installing)+len(following)+len(routing)+len(reading) {
		t.Errorf("docs/rbac has %q (%v), and the tests know %q, %q, %q and %q", files, err, installing, following, routing, reading)
	}
	for _, file := range files {
		var role rbacv1.Role
		short := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if err := yaml.UnmarshalStrict([]byte(guides.Read(t, "rbac", short+".yaml")), &role); err != nil {
			t.Fatal(err)
		}
		if role.Kind != "Role" || role.Namespace != "" || role.Name != "external-services-"+short {
			t.Errorf("%s has the %s %s/%s, want the Role external-services-%s without a namespace", file, role.Kind, role.Namespace, role.Name, short)
		}
		if name := "rbac/" + filepath.Base(file); !strings.Contains(guides.Read(t, "security.md"), "("+name+")") {
			t.Errorf("security.md does not link to %s", name)
		}
	}
}
