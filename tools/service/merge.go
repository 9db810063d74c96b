package service

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// Merge changes a live Service from one manifest to another by a three-way strategic merge, as Helm 3 does.
func Merge(before, after, live *corev1.Service) *corev1.Service {
	var documents [3][]byte
	for i, object := range []*corev1.Service{before, after, live} {
		documents[i] = must(json.Marshal(object))
	}
	meta := must(strategicpatch.NewPatchMetaFromStruct(corev1.Service{}))
	change := must(strategicpatch.CreateThreeWayMergePatch(documents[0], documents[1], documents[2], meta, true))
	merged := &corev1.Service{}
	text := must(strategicpatch.StrategicMergePatchUsingLookupPatchMeta(documents[2], change, meta))
	if err := json.Unmarshal(text, merged); err != nil {
		panic(err)
	}
	return merged
}

// must returns a value that is made of objects of one linked API type: it cannot fail at run time.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// splitByUpgrade divides the differences of a live Service into those that an upgrade with the same manifest corrects,
// and those that it leaves, because the manifest does not set the field or the item of a list: neither a three-way
// merge nor an apply on the server removes these.
func splitByUpgrade(all []Difference, desired, live *corev1.Service) (corrected, left []Difference) {
	if len(all) == 0 {
		return nil, nil
	}
	manifest := desired.DeepCopy()
	for i := range manifest.Spec.Ports {
		port := &manifest.Spec.Ports[i]
		if at := slices.IndexFunc(live.Spec.Ports, samePort(*port)); at >= 0 && port.TargetPort.String() == "0" {
			port.TargetPort = live.Spec.Ports[at].TargetPort // the manifest does not set it
		}
	}
	after := Diff(NewMapping(desired, nil, nil), NewMapping(Merge(manifest, manifest, live), nil, nil))
	for _, d := range all {
		stays := slices.ContainsFunc(after, func(a Difference) bool { return a.Field == d.Field })
		if stays && specField(d.Field) != "" {
			left = append(left, d)
		} else {
			corrected = append(corrected, d)
		}
	}
	return corrected, left
}

// samePort finds the port that the API server takes for the same one.
func samePort(port corev1.ServicePort) func(corev1.ServicePort) bool {
	return func(other corev1.ServicePort) bool {
		return other.Port == port.Port && Protocol(other.Protocol) == Protocol(port.Protocol)
	}
}

// specField is the field of the spec of a Service in which a difference is, empty for others.
func specField(difference string) string {
	switch {
	case difference == "selector":
		return "selector"
	case difference == "ports", strings.HasPrefix(difference, "port "):
		return "ports"
	}
	for _, s := range Settings {
		if s.Name == difference && !s.Defaulted {
			return s.SpecField()
		}
	}
	return ""
}

// removal is the JSON merge patch that removes from a live Service what its manifest does not set, in the fields of
// some differences.
func removal(left []Difference, desired, live *corev1.Service) string {
	spec := map[string]any{}
	for _, d := range left {
		switch field := specField(d.Field); field {
		case "selector":
			spec[field] = nil
			if len(desired.Spec.Selector) > 0 {
				spec[field] = removePairs(live.Spec.Selector, desired.Spec.Selector)
			}
		case "ports":
			spec[field] = portsOf(desired)
		case "sessionAffinity":
			spec[field], spec["sessionAffinityConfig"] = nil, nil
		default:
			spec[field] = nil
		}
	}
	return string(must(json.Marshal(map[string]any{"spec": spec})))
}

// removePairs has null for the keys that only the live map has, and the desired pairs.
func removePairs(live, desired map[string]string) map[string]any {
	pairs := map[string]any{}
	for key := range live {
		pairs[key] = nil
	}
	for key, value := range desired {
		pairs[key] = value
	}
	return pairs
}

// portsOf are the ports of a manifest, as it has them.
func portsOf(manifest *corev1.Service) []map[string]any {
	var ports []map[string]any
	if err := json.Unmarshal(must(json.Marshal(manifest.Spec.Ports)), &ports); err != nil {
		panic(err)
	}
	for _, port := range ports {
		maps.DeleteFunc(port, func(key string, value any) bool { return key == "targetPort" && value == 0.0 })
	}
	return ports
}
