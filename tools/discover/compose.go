package discover

import "slices"

// isCompose says whether a document is a Compose file: it has services, each with an image or a build.
func isCompose(n *node) bool {
	services := n.get("services")
	if services == nil || services.kind != mapping {
		return false
	}
	return slices.ContainsFunc(services.fields, func(f field) bool {
		return f.value.get("image") != nil || f.value.get("build") != nil || f.value.get("environment") != nil
	})
}

// compose collects the environment and the commands of the services of a Compose file. Their names are in the
// cluster, or in what takes its place.
func (c *collector) compose(n *node) {
	c.scope = map[string]bool{}
	defer func() { c.scope = nil }()
	services := n.get("services").fields
	for _, f := range services {
		c.scope[f.key] = true
		for _, name := range []string{"container_name", "hostname"} {
			c.scope[orElse(f.value.get(name).scalarText(), f.key)] = true
		}
	}
	for _, f := range services {
		if environment := f.value.get("environment"); environment != nil {
			c.tree([]string{f.key, "environment"}, environment)
		}
		for _, key := range []string{"command", "entrypoint"} {
			if command := f.value.get(key); command != nil {
				c.arguments(command)
			}
		}
	}
}
