package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"external-services/tests/internal/release"
)

// What the chart's README says a live Service does not take, as it is: a test that
// fails here says that a limit is gone, or another.
func TestChangesThatALiveServiceDoesNotTake(t *testing.T) {
	onlyAPI(t)
	const namespace = "limits"
	makeNamespace(t, namespace)
	entry := func(name, more string) []string {
		return values(t, fmt.Sprintf("services: [{name: %s, addresses: [10.60.0.1], ports: [{name: dns, port: 53}]%s}]", name, more))
	}
	spec := func(name string) corev1.ServiceSpec {
		t.Helper()
		service, err := client.CoreV1().Services(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return service.Spec
	}
	for _, program := range []string{"helm", "helm4"} {
		t.Run(program, func(t *testing.T) {
			start := func(name string, files []string) release.Release {
				r := releaseOf(t, program, name, namespace)
				t.Cleanup(r.Uninstall)
				r.Do("install", files)
				return r
			}

			toHeadless := start("to-headless", entry("to-headless", ""))
			if out, err := toHeadless.Try("upgrade", entry("to-headless", ", headless: true")); err == nil || !strings.Contains(out, "may not change once set") {
				t.Errorf("taking away a ClusterIP: %v\n%s", err, out)
			}

			fromHeadless := start("from-headless", entry("from-headless", ", headless: true"))
			fromHeadless.Do("upgrade", entry("from-headless", ""))
			if ip := spec("from-headless").ClusterIP; ip != corev1.ClusterIPNone {
				t.Errorf("a headless Service gets the ClusterIP %s", ip)
			}

			t.Run("families", func(t *testing.T) {
				needIPv6(t)
				family := start("family", entry("family", ""))
				six := values(t, "services: [{name: family, addresses: ['2001:db8:60::1'], ports: [{name: dns, port: 53}]}]")
				if out, err := family.Try("upgrade", six); err == nil || !strings.Contains(out, "Invalid value") {
					t.Errorf("from IPv4 to IPv6: %v\n%s", err, out)
				}
				both := values(t, "services: [{name: family, addresses: [10.60.0.1, '2001:db8:60::1'], ports: [{name: dns, port: 53}]}]")
				family.Do("upgrade", both)
				if families := spec("family").IPFamilies; len(families) != 2 {
					t.Errorf("from IPv4 to both, the families are %v", families)
				}
				if out, err := family.Try("upgrade", six); err == nil || !strings.Contains(out, "Invalid value") {
					t.Errorf("from both to IPv6: %v\n%s", err, out)
				}
				family.Do("upgrade", entry("family", ""))
				if families := spec("family").IPFamilies; len(families) != 1 {
					t.Errorf("from both back to IPv4, the families are %v", families)
				}
			})

			protocols := start("protocols", entry("protocols", ""))
			protocols.Do("upgrade", values(t, "services: [{name: protocols, addresses: [10.60.0.1], ports: [{name: dns, port: 53}, {name: dns-udp, port: 53, protocol: UDP}]}]"))
			var ports []string
			for _, port := range spec("protocols").Ports {
				ports = append(ports, port.Name+"/"+string(port.Protocol))
			}
			if right := slices.Equal(ports, []string{"dns/TCP", "dns-udp/UDP"}); right != (program == "helm4") {
				t.Errorf("with UDP beside TCP, the ports are %q", ports)
			}
		})
	}
}
