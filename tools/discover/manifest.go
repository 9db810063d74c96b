package discover

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"

	"external-services/tools/discover/syntax"
)

// document collects the settings of a document: what an object of Kubernetes says to an application, what a Compose
// file says to its services, or all of any other file.
func (c *collector) document(n *syntax.Node) {
	switch {
	case n.Get("entries") != nil && n.Get("apiVersion") != nil: // the index of a repository of charts
	case isObject(n):
		c.object(n)
	case isCompose(n):
		c.compose(n)
	case n.Get("configMapGenerator") != nil:
		c.kustomization(n)
	default:
		c.tree(nil, n)
	}
}

func isObject(n *syntax.Node) bool {
	return n.Get("apiVersion").ScalarText() != "" && n.Get("kind").ScalarText() != ""
}

// object collects the settings of an object of Kubernetes. Kinds that neither run containers nor hold settings, such
// as an Ingress, refer to nothing outside.
func (c *collector) object(n *syntax.Node) {
	kind := n.Get("kind").ScalarText()
	if kind == "List" || strings.HasSuffix(kind, "List") && n.Get("items") != nil {
		for _, item := range n.Get("items").List() {
			c.document(item)
		}
		return
	}
	outer := c.place
	defer func() { c.place = outer }()
	meta := n.Get("metadata")
	c.place.Kind, c.place.Name = kind, meta.Get("name").ScalarText()
	c.place.Namespace = cmp.Or(meta.Get("namespace").ScalarText(), c.namespace)
	switch kind {
	case "ConfigMap":
		c.data(n.Get("data"))
	case "Secret":
		c.secret(n)
	case "Kustomization", "Component":
		c.kustomization(n)
	case "HelmRelease":
		c.tree(nil, n.At("spec", "values"))
	case "Application":
		for _, source := range append(n.At("spec", "sources").List(), n.At("spec", "source")) {
			c.argoSource(source)
		}
	default:
		c.containers(n)
	}
}

// argoSource collects the values of Helm in a source of an Argo CD Application.
func (c *collector) argoSource(n *syntax.Node) {
	helm := n.Get("helm")
	c.tree(nil, helm.Get("valuesObject"))
	if values := helm.Get("values"); values != nil && values.Kind == syntax.Scalar {
		c.embedded([]string{"values"}, "values.yaml", values)
	}
	if parameters := helm.Get("parameters"); parameters != nil {
		c.sequence(c.newGroup(), nil, parameters)
	}
}

// data collects the keys of a ConfigMap. A value of several lines is a file.
func (c *collector) data(n *syntax.Node) {
	if n == nil {
		return
	}
	g := c.newGroup()
	for _, f := range n.Fields {
		c.scalar(g, []string{f.Key}, f.Value, false)
	}
}

// notApplications are types of Secrets that no application reads as settings.
var notApplications = []string{
	"helm.sh/release.v1", "kubernetes.io/service-account-token", "kubernetes.io/tls", "kubernetes.io/dockerconfigjson",
	"kubernetes.io/dockercfg", "bootstrap.kubernetes.io/token",
}

// secret collects the keys of a Secret.
func (c *collector) secret(n *syntax.Node) {
	if !c.withSecrets || slices.Contains(notApplications, n.Get("type").ScalarText()) {
		return
	}
	c.data(n.Get("stringData"))
	decoded := &syntax.Node{Kind: syntax.Mapping}
	if data := n.Get("data"); data != nil {
		for _, f := range data.Fields {
			if text, err := base64.StdEncoding.DecodeString(f.Value.ScalarText()); err == nil {
				decoded.Fields = append(decoded.Fields, syntax.Field{Key: f.Key, Value: &syntax.Node{Line: f.Value.Line, Text: string(text)}})
			}
		}
	}
	c.data(decoded)
}

// containers collects the settings of all containers below a value, of whatever kind of workload.
func (c *collector) containers(n *syntax.Node) {
	if n == nil {
		return
	}
	for _, f := range n.Fields {
		if slices.Contains([]string{"containers", "initContainers", "ephemeralContainers"}, f.Key) {
			for _, container := range f.Value.List() {
				c.container(container)
			}
			continue
		}
		c.containers(f.Value)
	}
	for _, item := range n.Items {
		c.containers(item)
	}
}

func (c *collector) container(n *syntax.Node) {
	g := c.newGroup()
	for _, variable := range n.Get("env").List() {
		if key, value := namedValue(variable); value != nil {
			c.scalar(g, []string{key}, value, false)
		}
	}
	for _, key := range []string{"command", "args"} {
		if list := n.Get(key); list != nil {
			c.arguments(list)
		}
	}
}
