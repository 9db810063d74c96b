package discover

import (
	"encoding/base64"
	"slices"
	"strings"
)

// document collects the settings of a document: what an object of Kubernetes says to an application, what a Compose
// file says to its services, or all of any other file.
func (c *collector) document(n *node) {
	switch {
	case n.get("entries") != nil && n.get("apiVersion") != nil: // the index of a repository of charts
	case isObject(n):
		c.object(n)
	case isCompose(n):
		c.compose(n)
	case n.get("configMapGenerator") != nil:
		c.kustomization(n)
	default:
		c.tree(nil, n)
	}
}

func isObject(n *node) bool {
	return n.get("apiVersion").scalarText() != "" && n.get("kind").scalarText() != ""
}

// object collects the settings of an object of Kubernetes. Kinds that neither run containers nor hold settings, such
// as an Ingress, refer to nothing outside.
func (c *collector) object(n *node) {
	kind := n.get("kind").scalarText()
	if kind == "List" || strings.HasSuffix(kind, "List") && n.get("items") != nil {
		for _, item := range n.get("items").list() {
			c.document(item)
		}
		return
	}
	outer := c.place
	defer func() { c.place = outer }()
	meta := n.get("metadata")
	c.place.Kind, c.place.Name = kind, meta.get("name").scalarText()
	c.place.Namespace = orElse(meta.get("namespace").scalarText(), c.namespace)
	switch kind {
	case "ConfigMap":
		c.data(n.get("data"))
	case "Secret":
		c.secret(n)
	case "Kustomization", "Component":
		c.kustomization(n)
	case "HelmRelease":
		c.tree(nil, n.at("spec", "values"))
	case "Application":
		for _, source := range append(n.at("spec", "sources").list(), n.at("spec", "source")) {
			c.argoSource(source)
		}
	default:
		c.containers(n)
	}
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// argoSource collects the values of Helm in a source of an Argo CD Application.
func (c *collector) argoSource(n *node) {
	helm := n.get("helm")
	c.tree(nil, helm.get("valuesObject"))
	if values := helm.get("values"); values != nil && values.kind == scalar {
		c.embedded([]string{"values"}, "values.yaml", values)
	}
	if parameters := helm.get("parameters"); parameters != nil {
		c.sequence(c.newGroup(), nil, parameters)
	}
}

// data collects the keys of a ConfigMap. A value of several lines is a file.
func (c *collector) data(n *node) {
	if n == nil {
		return
	}
	g := c.newGroup()
	for _, f := range n.fields {
		c.scalar(g, []string{f.key}, f.value, false)
	}
}

// notApplications are types of Secrets that no application reads as settings.
var notApplications = []string{
	"helm.sh/release.v1", "kubernetes.io/service-account-token", "kubernetes.io/tls", "kubernetes.io/dockerconfigjson",
	"kubernetes.io/dockercfg", "bootstrap.kubernetes.io/token",
}

// secret collects the keys of a Secret.
func (c *collector) secret(n *node) {
	if !c.withSecrets || slices.Contains(notApplications, n.get("type").scalarText()) {
		return
	}
	c.data(n.get("stringData"))
	decoded := &node{kind: mapping}
	if data := n.get("data"); data != nil {
		for _, f := range data.fields {
			if text, err := base64.StdEncoding.DecodeString(f.value.scalarText()); err == nil {
				decoded.fields = append(decoded.fields, field{f.key, &node{line: f.value.line, text: string(text)}})
			}
		}
	}
	c.data(decoded)
}

// containers collects the settings of all containers below a value, of whatever kind of workload.
func (c *collector) containers(n *node) {
	if n == nil {
		return
	}
	for _, f := range n.fields {
		if slices.Contains([]string{"containers", "initContainers", "ephemeralContainers"}, f.key) {
			for _, container := range f.value.list() {
				c.container(container)
			}
			continue
		}
		c.containers(f.value)
	}
	for _, item := range n.items {
		c.containers(item)
	}
}

func (c *collector) container(n *node) {
	g := c.newGroup()
	for _, variable := range n.get("env").list() {
		if key, value := namedValue(variable); value != nil {
			c.scalar(g, []string{key}, value, false)
		}
	}
	for _, key := range []string{"command", "args"} {
		if list := n.get(key); list != nil {
			c.arguments(list)
		}
	}
}
