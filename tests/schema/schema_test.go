// Package schema checks what the chart accepts and refuses, with the words it
// uses, through the real helm.
package schema

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"external-services/tests/internal/testenv"
	"external-services/tools/helm"
)

// hint is what helm may add to an error.
const hint = `\s*(Use --debug flag to render out invalid YAML)?\s*$`

var (
	schemaRefusal = regexp.MustCompile(`(?s)^Error: values don't meet the specifications of the schema\(s\) in the following chart\(s\):\nexternal-services:\n- (.*?)` + hint)
	chartRefusal  = regexp.MustCompile(`(?s)^Error: execution error at \(external-services/templates/[a-z/]+\.(?:yaml|txt):\d+:\d+\): (.*?)` + hint)
)

// isRefusal says whether helm's message is that of a case. The validator says what is wrong in any
// order, and the templates that helm executes first are those of the Pod.
func isRefusal(c testenv.InvalidCase, message string) bool {
	if c.Schema == "" {
		got := chartRefusal.FindStringSubmatch(message)
		return got != nil && got[1] == c.Chart
	}
	lines := func(text string) []string {
		return slices.Sorted(slices.Values(strings.Split(strings.NewReplacer("\n- ", "\n", "\n  - ", "\n").Replace(text), "\n")))
	}
	got := schemaRefusal.FindStringSubmatch(message)
	return got != nil && slices.Equal(lines(got[1]), lines(c.Schema))
}

func TestInvalidValues(t *testing.T) {
	for _, c := range testenv.InvalidCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			said := 0
			for _, text := range []string{c.Schema, c.Chart, c.API} {
				if text != "" {
					said++
				}
			}
			if said != 1 {
				t.Fatal("a case has the message of the schema, of the chart or of the API server")
			}
			if c.API != "" {
				accept(t, c.Values)
				return
			}
			refuse(t, c)
		})
	}
}

// A list that is too long to stand in a file.
func TestTooManyAddressesForEndpoints(t *testing.T) {
	refuse(t, testenv.InvalidCase{
		Values: manyAddresses("Endpoints", 1001),
		Chart:  `services[0] "orders": addresses has 1001 addresses, but a cluster uses only 1000 of an Endpoints object: write endpointsKind: EndpointSlice`,
	})
	accept(t, manyAddresses("Endpoints", 1000))
	accept(t, manyAddresses("EndpointSlice", 1001))
}

// The API server counts the annotations of an object together.
func TestAnnotationsTooLarge(t *testing.T) {
	annotated := func(common, own int) string {
		return fmt.Sprintf("commonAnnotations: {a: %s}\nservices: [{name: orders, externalName: a.example, annotations: {b: %s}}]", strings.Repeat("x", common), strings.Repeat("x", own))
	}
	refuse(t, testenv.InvalidCase{
		Values: annotated(100000, 161887),
		Chart:  `services[0] "orders": annotations take 261889 bytes together with the common ones, but an object has room for 261888: shorten them`,
	})
	accept(t, annotated(100000, 161886))
}

// The API server counts the texts of a ConfigMap together.
func TestTooManyNames(t *testing.T) {
	named := func(count int) string {
		var hosts []string
		for i := range count {
			hosts = append(hosts, fmt.Sprintf("a%d.%s.example", i, strings.Repeat("x", 60)+strings.Repeat("."+strings.Repeat("x", 60), 2)))
		}
		return "resolver: {enabled: true}\nservices: [{name: orders, addresses: [" + strings.Join(hosts, ", ") + "], ports: [{port: 80}]}]"
	}
	_, stderr, err := template(t, named(5_200))
	if want := regexp.MustCompile(`services: the entries with DNS names or health checks take 1\d{6} bytes in the resolver's ConfigMap, which has room for 1048576: move some of them to another release`); err == nil || !want.MatchString(stderr) {
		t.Errorf("%v, %.500s\nwant %s", err, stderr, want)
	}
	accept(t, named(4_800))
}

// The policy of the resolver reads IP addresses, which Kubernetes can in stored policies since 1.31.
func TestAdmissionPolicyNeedsKubernetes(t *testing.T) {
	const values = "{resolver: {enabled: true, admissionPolicy: true}, services: [{name: orders, addresses: [a.example], ports: [{port: 80}]}]}"
	_, stderr, err := template(t, values, "--kube-version", "1.30.9")
	if want := "resolver.admissionPolicy needs Kubernetes 1.31, and this is v1.30.9: delete it"; err == nil || !strings.Contains(stderr, want) {
		t.Errorf("%v, %s\nwant %q", err, stderr, want)
	}
	if stdout, stderr, err := template(t, values, "--kube-version", "1.31.0"); err != nil || !strings.Contains(stdout, "kind: ValidatingAdmissionPolicyBinding") {
		t.Errorf("%v, %s\n%s", err, stderr, stdout)
	}
}

// Without the schema, a kind that is none renders no Service without endpoints.
func TestUnknownKindWithoutTheSchema(t *testing.T) {
	stdout, stderr, err := template(t, "services: [{name: orders, addresses: [10.0.0.1], ports: [{port: 80}], endpointsKind: Endpointslice}]", "--skip-schema-validation")
	if want := `services[0] "orders": endpointsKind "Endpointslice" is unknown: write EndpointSlice or Endpoints`; err == nil || !strings.Contains(stderr, want) {
		t.Errorf("%v, %s\n%s\nwant %q", err, stderr, stdout, want)
	}
}

func manyAddresses(kind string, count int) string {
	var addresses []string
	for i := range count {
		addresses = append(addresses, fmt.Sprintf("10.0.%d.%d", i/250, i%250+1))
	}
	return fmt.Sprintf("services: [{name: orders, endpointsKind: %s, ports: [{port: 80}], addresses: [%s]}]", kind, strings.Join(addresses, ", "))
}

type valid struct {
	Name     string   `json:"name"`
	Values   string   `json:"values"`
	Services []string `json:"services,omitempty"`
}

func TestValidValues(t *testing.T) {
	for _, c := range validCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			result := accept(t, c.Values)
			var names []string
			for _, service := range result.Services {
				names = append(names, service.Namespace+"/"+service.Name)
			}
			slices.Sort(names)
			if !slices.Equal(names, c.Services) {
				t.Errorf("Services %q, want %q", names, c.Services)
			}
		})
	}
}

// validCases reads testdata/valid.yaml, and refuses keys that a case does not have.
func validCases(t testing.TB) []valid {
	t.Helper()
	text, err := os.ReadFile("testdata/valid.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var cases []valid
	if err := yaml.UnmarshalStrict(text, &cases); err != nil {
		t.Fatalf("testdata/valid.yaml: %v", err)
	}
	return cases
}

// template runs helm template with values from standard input.
func template(t *testing.T, values string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	helm, err := testenv.Binary("helm")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(helm, "template", "x", testenv.Chart(), "--namespace", "default", "-f", "-")
	cmd.Args = slices.Concat(cmd.Args, testenv.GatewayAPI(), args)
	cmd.Stdin = strings.NewReader(values)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func refuse(t *testing.T, c testenv.InvalidCase) {
	t.Helper()
	stdout, stderr, err := template(t, c.Values)
	if err == nil {
		t.Fatalf("accepted, want a refusal; rendered:\n%s", stdout)
	}
	if stdout != "" {
		t.Errorf("refused and rendered:\n%s", stdout)
	}
	// helm may warn before it refuses
	if _, message, found := strings.Cut("\n"+stderr, "\nError: "); !found || !isRefusal(c, "Error: "+message) {
		t.Errorf("values: %.400s\ngot:  %s\nwant: %s%s", c.Values, stderr, c.Schema, c.Chart)
	}
}

func accept(t *testing.T, values string) *helm.Result {
	t.Helper()
	stdout, stderr, err := template(t, values)
	if err != nil {
		t.Fatalf("refused: %v\nvalues: %.400s\n%s", err, values, stderr)
	}
	result, err := helm.Decode(stdout)
	if err != nil {
		t.Fatal(err)
	}
	return result
}
