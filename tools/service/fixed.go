package service

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Fixed is what the API server does not change in a Service as long as it exists:
// https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/ says so of clusterIP.
type Fixed struct {
	alias    bool
	headless bool
	families []corev1.IPFamily // the first is that of the first ClusterIP
}

// FixedOf reads it from a live Service.
func FixedOf(live *corev1.Service) Fixed {
	return Fixed{
		alias:    live.Spec.Type == corev1.ServiceTypeExternalName,
		headless: live.Spec.ClusterIP == corev1.ClusterIPNone,
		families: live.Spec.IPFamilies,
	}
}

// Fixed is what the Service of a mapping has if the first family of the cluster is IPv4. The live Service
// may have another one.
func (m *Mapping) Fixed() Fixed {
	fixed := Fixed{alias: m.IsAlias(), headless: m.Headless}
	for _, family := range m.Families {
		fixed.families = append(fixed.families, corev1.IPFamily(family))
	}
	if len(fixed.families) == 0 {
		fixed.families = []corev1.IPFamily{corev1.IPv4Protocol}
	}
	return fixed
}

// Families prints the IP families, joined by "and".
func (f Fixed) Families() string { return joined(f.families, " and ") }

// Conflict is a difference that no upgrade removes.
type Conflict string

// The conflicts.
const (
	// RemovesClusterIP: the API server refuses to make a Service headless.
	RemovesClusterIP Conflict = "removes ClusterIP"
	// AddsClusterIP: the API server keeps a headless Service headless, without an error.
	AddsClusterIP Conflict = "adds ClusterIP"
	// ChangesFamily: the API server refuses another family for the first ClusterIP.
	ChangesFamily Conflict = "changes family"
)

// Conflict says whether the API server cannot make a Service the desired one. It is empty if it can.
func (f Fixed) Conflict(desired *Mapping) Conflict {
	switch {
	case f.alias || desired.IsAlias():
	case desired.Headless && !f.headless:
		return RemovesClusterIP
	case desired.HasClusterIP() && f.headless:
		return AddsClusterIP
	case !f.headless && len(desired.Families) == 1 && len(f.families) > 0 && !slices.Contains(desired.Families, string(f.families[0])):
		return ChangesFamily
	}
	return ""
}
