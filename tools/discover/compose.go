package discover

import (
	"cmp"
	"slices"

	"external-services/tools/discover/syntax"
)

// isCompose says whether a document is a Compose file: it has services, each with an image or a build.
func isCompose(n *syntax.Node) bool {
	services := n.Get("services")
	if services == nil || services.Kind != syntax.Mapping {
		return false
	}
	return slices.ContainsFunc(services.Fields, func(f syntax.Field) bool {
		return f.Value.Get("image") != nil || f.Value.Get("build") != nil || f.Value.Get("environment") != nil
	})
}

// compose collects the environment and the commands of the services of a Compose file. Their names are in the
// cluster, or in what takes its place.
func (c *collector) compose(n *syntax.Node) {
	c.scope = map[string]bool{}
	defer func() { c.scope = nil }()
	services := n.Get("services").Fields
	for _, f := range services {
		c.scope[f.Key] = true
		for _, name := range []string{"container_name", "hostname"} {
			c.scope[cmp.Or(f.Value.Get(name).ScalarText(), f.Key)] = true
		}
	}
	for _, f := range services {
		if environment := f.Value.Get("environment"); environment != nil {
			c.tree([]string{f.Key, "environment"}, environment)
		}
		for _, key := range []string{"command", "entrypoint"} {
			if command := f.Value.Get(key); command != nil {
				c.arguments(command)
			}
		}
	}
}
