package service

import (
	"cmp"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// Setting is a field of a Service that an entry sets as it is. A new one is a row of Settings: plan and
// check then compare it, and import reads it.
type Setting struct {
	// Name is that of the field in the values. FromValues is false for a field that the chart decides or
	// nobody should set, which is only compared.
	Name       string
	FromValues bool

	// Spec is the field of the Service's spec, if its name differs.
	Spec string

	// Default is the value of a Service that does not set it. Defaulted is a field that the API server
	// fills in by itself: it is compared only if both Services set it.
	Default   any
	Defaulted bool

	// Routes says that connections depend on it: another value is an error, not a warning.
	Routes bool

	// Get reads it: a string, a number or a bool.
	Get func(*corev1.ServiceSpec) any
}

// Settings are the settings, in the order in which differences list them.
var Settings = []Setting{
	{Name: "ipFamilies", Default: "", Defaulted: true, Routes: true, Get: func(s *corev1.ServiceSpec) any { return Join(s.IPFamilies, ",") }},
	{Name: "ipFamilyPolicy", Default: "", Defaulted: true, Get: func(s *corev1.ServiceSpec) any { return string(ptr.Deref(s.IPFamilyPolicy, "")) }},
	{Name: "externalIPs", Default: "", Routes: true, Get: func(s *corev1.ServiceSpec) any { return Join(s.ExternalIPs, ",") }},
	{Name: "sessionAffinity", FromValues: true, Default: "None", Get: func(s *corev1.ServiceSpec) any { return string(s.SessionAffinity) }},
	{Name: "sessionAffinityTimeoutSeconds", FromValues: true, Spec: "sessionAffinityConfig",
		Default: int(corev1.DefaultClientIPServiceAffinitySeconds), Get: affinityTimeout},
	{Name: "trafficDistribution", FromValues: true, Default: "", Get: func(s *corev1.ServiceSpec) any { return ptr.Deref(s.TrafficDistribution, "") }},
	{Name: "publishNotReadyAddresses", FromValues: true, Default: false, Routes: true,
		Get: func(s *corev1.ServiceSpec) any { return s.PublishNotReadyAddresses }},
}

// SpecField is the name of the field in the spec of a Service.
func (s Setting) SpecField() string {
	return cmp.Or(s.Spec, s.Name)
}

func affinityTimeout(s *corev1.ServiceSpec) any {
	if s.SessionAffinityConfig == nil || s.SessionAffinityConfig.ClientIP == nil {
		return 0
	}
	return int(ptr.Deref(s.SessionAffinityConfig.ClientIP.TimeoutSeconds, 0))
}

// Join prints the items of a list.
func Join[T any](list []T, separator string) string {
	var texts []string
	for _, item := range list {
		texts = append(texts, fmt.Sprint(item))
	}
	return strings.Join(texts, separator)
}

// settingsOf reads the settings that are not the default.
func settingsOf(spec *corev1.ServiceSpec) map[string]any {
	found := map[string]any{}
	for _, s := range Settings {
		if value := s.Get(spec); value != s.Default && value != "" && value != 0 && value != false {
			found[s.Name] = value
		}
	}
	return found
}
