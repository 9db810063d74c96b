package discover

import (
	"slices"
	"strings"

	"external-services/tools/discover/syntax"
)

// kustomization collects the literals of generators, and the patches that are written in it.
func (c *collector) kustomization(n *syntax.Node) {
	generators := []string{"configMapGenerator"}
	if c.withSecrets {
		generators = append(generators, "secretGenerator")
	}
	for _, key := range generators {
		for _, generator := range n.Get(key).List() {
			g := c.newGroup()
			for _, literal := range generator.Get("literals").List() {
				if key, value, found := strings.Cut(literal.ScalarText(), "="); found {
					c.scalar(g, []string{key}, &syntax.Node{Line: literal.Line, Text: unquote(value)}, false)
				}
			}
		}
	}
	patches := append(slices.Clone(n.Get("patches").List()), n.Get("patchesStrategicMerge").List()...)
	for _, patch := range patches {
		if text := patch.Get("patch"); text != nil {
			patch = text
		}
		if patch.Kind == syntax.Scalar && patch.IsMultiline() {
			c.embedded([]string{"patch"}, "patch.yaml", patch)
		}
	}
}
