package service

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"external-services/tools/findings"
)

// Stored is the Service of a mapping as the API server has it, if the first family of the cluster is IPv4.
func (m *Mapping) Stored() *corev1.Service {
	stored := m.Service.DeepCopy()
	stored.Spec.IPFamilies = nil
	for _, family := range m.Families {
		stored.Spec.IPFamilies = append(stored.Spec.IPFamilies, corev1.IPFamily(family))
	}
	if len(m.Families) == 0 {
		stored.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
	}
	return stored
}

// Conflict is the finding of plan about what the API server does not change in a Service as long as it exists,
// empty if it can become the desired one:
// https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/ says so of clusterIP.
func Conflict(stored *corev1.Service, desired *Mapping) findings.Code {
	headless, families := stored.Spec.ClusterIP == corev1.ClusterIPNone, stored.Spec.IPFamilies
	switch {
	case stored.Spec.Type == corev1.ServiceTypeExternalName || desired.IsAlias():
	case desired.Headless && !headless:
		return findings.ClusterIPToHeadless
	case !desired.Headless && headless:
		return findings.HeadlessToClusterIP
	case !headless && len(desired.Families) == 1 && len(desired.Hosts()) == 0 && len(families) > 0 && !slices.Contains(desired.Families, string(families[0])):
		return findings.FamilyChange
	}
	return ""
}
