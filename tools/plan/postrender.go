package plan

import (
	"maps"
	"regexp"

	"external-services/tools/helm"
	"external-services/tools/service"
)

// chartLabel names the chart and its version. Flux adds a digest to the version of a chart from an OCIRepository, which
// the label has after "_".
const chartLabel = "helm.sh/chart"

var digest = regexp.MustCompile(`(-[0-9]+\.[0-9]+\.[0-9]+[^_]*)_.*`)

// dropAdded removes from the objects of a release what a post-renderer added, such as the labels of Flux and those of
// its commonMetadata: labels and annotations that neither the new objects nor the values of the release have. What is
// rendered now has not been through the post-renderer.
func dropAdded(release *helm.Deployed, before, after *helm.Result) {
	type id struct {
		service.Key
		kind string
	}
	idOf := func(o helm.Object) id { return id{service.KeyOf(o), o.GetObjectKind().GroupVersionKind().Kind} }
	rendered := map[id]helm.Object{}
	for _, o := range after.OfEntries() {
		rendered[idOf(o)] = o
	}
	isSet := map[string]bool{} // in the values, by keys that were looked for
	for _, o := range before.OfEntries() {
		now := rendered[idOf(o)]
		if now == nil {
			continue
		}
		drop := func(pairs, nowPairs map[string]string) {
			maps.DeleteFunc(pairs, func(key, _ string) bool {
				if _, stays := nowPairs[key]; stays {
					return false
				}
				if _, known := isSet[key]; !known {
					isSet[key] = release.SetsKey(key)
				}
				return !isSet[key]
			})
		}
		labels, annotations := o.GetLabels(), o.GetAnnotations()
		drop(labels, now.GetLabels())
		drop(annotations, now.GetAnnotations())
		if old, new := labels[chartLabel], now.GetLabels()[chartLabel]; digest.ReplaceAllString(old, "$1") == digest.ReplaceAllString(new, "$1") {
			labels[chartLabel] = new
		}
		if len(annotations) == 0 {
			annotations = nil
		}
		o.SetLabels(labels)
		o.SetAnnotations(annotations)
	}
}
