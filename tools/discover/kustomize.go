package discover

import (
	"slices"
	"strings"
)

// kustomization collects the literals of generators, and the patches that are written in it.
func (c *collector) kustomization(n *node) {
	generators := []string{"configMapGenerator"}
	if c.withSecrets {
		generators = append(generators, "secretGenerator")
	}
	for _, key := range generators {
		for _, generator := range n.get(key).list() {
			g := c.newGroup()
			for _, literal := range generator.get("literals").list() {
				if key, value, found := strings.Cut(literal.scalarText(), "="); found {
					c.scalar(g, []string{key}, &node{line: literal.line, text: unquote(value)}, false)
				}
			}
		}
	}
	patches := append(slices.Clone(n.get("patches").list()), n.get("patchesStrategicMerge").list()...)
	for _, patch := range patches {
		if text := patch.get("patch"); text != nil {
			patch = text
		}
		if patch.kind == scalar && patch.isMultiline() {
			c.embedded([]string{"patch"}, "patch.yaml", patch)
		}
	}
}
