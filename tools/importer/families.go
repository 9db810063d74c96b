package importer

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"external-services/tools/findings"
	"external-services/tools/service"
)

// compareFamilies removes addresses of an IP family that the Service does not have, to which no connection goes, and
// reports if the chart, which sets the families of the addresses, sets other ones. It is not for a headless
// Service: DNS answers all of its addresses, whatever its families are.
func (e *entry) compareFamilies() {
	families := e.service.Spec.IPFamilies
	policy := ptr.Deref(e.service.Spec.IPFamilyPolicy, corev1.IPFamilyPolicySingleStack)
	var dropped []string
	written := map[corev1.IPFamily]bool{}
	e.list = slices.DeleteFunc(e.list, func(a *endpoint) bool {
		if a.Host != "" {
			written[corev1.IPv4Protocol], written[corev1.IPv6Protocol] = true, true // as the chart sets them for a name
			return false
		}
		family := service.FamilyOf(withDefault(a.IP))
		if policy == corev1.IPFamilyPolicySingleStack && len(families) == 1 && families[0] != family {
			dropped = append(dropped, a.IP)
			return true
		}
		written[family] = true
		return false
	})
	if len(dropped) > 0 {
		e.notCarriedOver("addresses "+findings.Some(dropped, ", "),
			"the Service is only %s, and no connection goes there", families[0])
	}
	sets := corev1.IPFamilyPolicySingleStack
	if len(written) == 2 {
		sets = corev1.IPFamilyPolicyPreferDualStack
	}
	report := e.notCarriedOver
	if e.service.Spec.IPFamilyPolicy == nil {
		report = e.note
	}
	if policy != sets && len(written) > 0 {
		report("ipFamilyPolicy: "+string(policy), "the chart sets %s, after the families of the addresses", sets)
	}
	if len(families) == 2 && families[0] == corev1.IPv6Protocol && len(written) == 2 {
		e.notCarriedOver("ipFamilies: [IPv6 IPv4]", "the chart leaves to the cluster which family comes first")
	}
}
