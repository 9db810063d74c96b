package importer

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"external-services/tools/findings"
	"external-services/tools/service"
)

// policyOf is the IP family policy of a Service: unset means one family.
func policyOf(spec corev1.ServiceSpec) corev1.IPFamilyPolicy {
	return ptr.Deref(spec.IPFamilyPolicy, corev1.IPFamilyPolicySingleStack)
}

// dropOtherFamily removes addresses of an IP family that the Service does not have, to which no connection goes.
// DNS answers all addresses of a headless Service, whatever its families are.
func (r *addressReader) dropOtherFamily() {
	spec := r.service.Spec
	if len(spec.IPFamilies) != 1 || policyOf(spec) != corev1.IPFamilyPolicySingleStack {
		return
	}
	var dropped []string
	r.list = slices.DeleteFunc(r.list, func(e *endpoint) bool {
		isOther := service.FamilyOf(e.IP) != spec.IPFamilies[0]
		if isOther {
			dropped = append(dropped, e.IP)
		}
		return isOther
	})
	if len(dropped) > 0 {
		r.notCarriedOver("addresses "+findings.Some(dropped, ", "),
			"the Service is only %s, and no connection goes there", spec.IPFamilies[0])
	}
}

// reportFamilies reports if the chart, which sets the families of the addresses, sets other ones.
func (r *addressReader) reportFamilies() {
	spec := r.service.Spec
	isOther := func(e *endpoint) bool { return service.FamilyOf(e.IP) != service.FamilyOf(r.list[0].IP) }
	policy := corev1.IPFamilyPolicySingleStack
	if slices.ContainsFunc(r.list, isOther) {
		policy = corev1.IPFamilyPolicyPreferDualStack
	}
	report := r.notCarriedOver
	if spec.IPFamilyPolicy == nil {
		report = r.note
	}
	if own := policyOf(spec); own != policy && len(r.list) > 0 {
		report("ipFamilyPolicy: "+string(own), "the chart sets %s, after the families of the addresses", policy)
	}
	if len(spec.IPFamilies) == 2 && spec.IPFamilies[0] == corev1.IPv6Protocol && policy != corev1.IPFamilyPolicySingleStack {
		r.notCarriedOver("ipFamilies: [IPv6 IPv4]", "the chart leaves to the cluster which family comes first")
	}
}
