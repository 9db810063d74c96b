package cluster

import (
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What is left to the API server in a run without the values schema: the table of
// docs/validation.md, and withoutSchema of tests/schema.
func TestWithoutTheSchema(t *testing.T) {
	onlyAPI(t)
	const namespace = "skipped"
	makeNamespace(t, namespace)
	for name, c := range map[string]struct{ fields, refused string }{
		"no-port":        {"addresses: [10.60.1.1], ports: [{name: http}]", "port"},
		"port-0":         {"addresses: [10.60.1.1], ports: [{port: 0}]", "port"},
		"port-65536":     {"addresses: [10.60.1.1], ports: [{port: 65536}]", "port"},
		"port-fraction":  {"addresses: [10.60.1.1], ports: [{port: 80.5}]", "port"},
		"target-70000":   {"addresses: [10.60.1.1], ports: [{port: 80, targetPort: 70000}]", "targetPort"},
		"pod-port-65536": {"backend: cluster, selector: {app: a}, ports: [{port: 80, podPort: 65536}]", "targetPort"},
		"protocol":       {"addresses: [10.60.1.1], ports: [{port: 80, protocol: tcp}]", "protocol"},
		"affinity":       {"addresses: [10.60.1.1], ports: [{port: 80}], sessionAffinity: clientIP", "sessionAffinity"},
		"affinity-long":  {"addresses: [10.60.1.1], ports: [{port: 80}], sessionAffinity: ClientIP, sessionAffinityTimeoutSeconds: 86401", "timeoutSeconds"},
		"distribution":   {"addresses: [10.60.1.1], ports: [{port: 80}], trafficDistribution: PreferZone", "trafficDistribution"},
		"ports-101":      {"addresses: [10.60.1.1], ports: [" + manyPorts(101) + "]", ""},
	} {
		for _, program := range []string{"helm", "helm4"} {
			t.Run(name+"/"+program, func(t *testing.T) {
				r := releaseOf(t, program, name, namespace)
				t.Cleanup(r.Uninstall)
				out, err := r.Try("install", values(t, fmt.Sprintf("services: [{name: %s, %s}]", name, c.fields)), "--skip-schema-validation")
				if c.refused == "" {
					if err != nil {
						t.Errorf("refused: %s", out)
					}
					return
				}
				if err == nil || !strings.Contains(out, c.refused) {
					t.Errorf("%v: %s\nwant a refusal of %s", err, out, c.refused)
				}
				if _, err := client.CoreV1().Services(namespace).Get(t.Context(), name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
					t.Errorf("the Service: %v, want it not to be found", err)
				}
			})
		}
	}
}

func manyPorts(count int) string {
	var ports []string
	for i := range count {
		ports = append(ports, fmt.Sprintf("{name: p%d, port: %d}", i, i+1))
	}
	return strings.Join(ports, ", ")
}
