package discover

import (
	"strings"

	"external-services/tools/discover/hosts"
	"external-services/tools/discover/syntax"
)

// collector collects the groups of settings of a file or an object.
type collector struct {
	place       Place
	namespace   string          // of objects in files that have none
	withSecrets bool            // read Secrets
	scope       map[string]bool // the services of the Compose file
	groups      []*group
}

func (c *collector) newGroup() *group {
	g := &group{place: c.place, scope: c.scope}
	c.groups = append(c.groups, g)
	return g
}

// tree collects the settings of a value, each map being a group.
func (c *collector) tree(path []string, n *syntax.Node) {
	if n == nil || isMappingEntry(n) {
		return
	}
	switch n.Kind {
	case syntax.Scalar:
		c.scalar(c.newGroup(), path, n, false)
	case syntax.Sequence:
		c.sequence(c.newGroup(), path, n)
	case syntax.Mapping:
		g := c.newGroup()
		for _, f := range n.Fields {
			c.field(g, path, f)
		}
	}
}

// field collects a field of a map.
func (c *collector) field(g *group, path []string, f syntax.Field) {
	here := path
	if f.Key != syntax.TextKey {
		here = below(path, f.Key)
	}
	switch f.Value.Kind {
	case syntax.Scalar:
		c.scalar(g, here, f.Value, false)
	case syntax.Sequence:
		c.sequence(g, here, f.Value)
	case syntax.Mapping:
		if key, value := namedValue(f.Value); value != nil {
			c.scalar(g, below(path, key), value, false)
			return
		}
		c.tree(here, f.Value)
	}
}

// sequence collects a list. One of names and values, as the environment of a container, is a group.
func (c *collector) sequence(g *group, path []string, n *syntax.Node) {
	if isArguments(path) {
		c.arguments(n)
		return
	}
	if host := hostAndNumber(n); host != nil {
		g.add(path, host, false)
		return
	}
	variables := c.newGroup()
	for _, item := range n.Items {
		key, value := namedValue(item)
		name, text, isPair := strings.Cut(item.ScalarText(), "=")
		switch {
		case value != nil:
			c.scalar(variables, below(path, key), value, false)
		case item.Kind == syntax.Scalar && isPair && isName(name): // as in the environment of Compose
			c.scalar(variables, below(path, name), &syntax.Node{Line: item.Line, Text: text}, false)
		case item.Kind == syntax.Scalar:
			c.scalar(g, path, item, len(n.Items) > 1)
		default:
			c.tree(path, item)
		}
	}
}

// hostAndNumber is HOST:PORT for a list of a host and a port, as in the settings of Python, and else nil.
func hostAndNumber(n *syntax.Node) *syntax.Node {
	if len(n.Items) != 2 || strings.Contains(n.Items[0].ScalarText(), ":") {
		return nil
	}
	port, ok := hosts.ParsePort(n.Items[1].ScalarText(), 0)
	if _, isHost := hosts.ParseHost(n.Items[0].ScalarText()); !isHost || !ok || port == 0 {
		return nil
	}
	return &syntax.Node{Line: n.Items[0].Line, Text: n.Items[0].Text + ":" + n.Items[1].Text}
}

// scalar collects a value, or the settings of the file that it holds.
func (c *collector) scalar(g *group, path []string, n *syntax.Node, isListed bool) {
	switch {
	case len(path) > 0 && isOptions(path[len(path)-1]), strings.HasPrefix(n.Text, "#!"):
		c.arguments(n)
		return
	}
	name := ""
	if len(path) > 0 {
		name = path[len(path)-1]
	}
	if n.IsMultiline() || holdsFile(name, n.Text) {
		c.embedded(path, name, n)
		return
	}
	g.add(path, n, isListed)
}

// holdsFile says whether a value of one line is a file: JSON, or what the name of its key says.
func holdsFile(name, text string) bool {
	format := syntax.Sniff(text)
	return format == syntax.JSON || format != "" && syntax.HasExtension(name)
}

// embedded collects the settings of a text of several lines: a file in it by its name or its content, or else the
// words of its lines.
func (c *collector) embedded(path []string, name string, n *syntax.Node) {
	format := syntax.FormatOf(name, n.Text)
	if format == "" {
		format = syntax.Sniff(n.Text)
	}
	shift := func(line int) int { return n.Line }
	if n.Block {
		shift = func(line int) int { return n.Line + line }
	}
	if documents, err := syntax.Parse(n.Text, format); format != "" && err == nil {
		for _, document := range documents {
			document.Move(shift)
			c.document(document)
		}
		return
	}
	g := c.newGroup()
	for i, line := range strings.Split(n.Text, "\n") {
		if content := strings.TrimSpace(line); content != "" && !strings.HasPrefix(content, "#") && !strings.HasPrefix(content, "//") {
			s := &Setting{Key: strings.Join(path, "."), path: path, Value: content, Line: shift(i + 1), isProse: true}
			g.settings = append(g.settings, s)
		}
	}
}

// nameKeys and valueKeys are how maps and elements of XML have a key and its value.
var (
	nameKeys  = []string{"name", "key", "Name", "Key"}
	valueKeys = []string{"value", "connectionString", syntax.TextKey, "Value"}
)

// namedValue is the setting of a map with a name and a value, such as {name: DB_HOST, value: db.example}, or
// <add key="Db" value="..."/>.
func namedValue(n *syntax.Node) (string, *syntax.Node) {
	for _, nameKey := range nameKeys {
		name := n.Get(nameKey)
		if name.ScalarText() == "" {
			continue
		}
		for _, valueKey := range valueKeys {
			if value := n.Get(valueKey); value != nil && value.Kind == syntax.Scalar {
				return name.Text, value
			}
		}
	}
	return "", nil
}

// isMappingEntry says whether a map is an entry of the values of this chart: it is a mapping, and refers to nothing.
func isMappingEntry(n *syntax.Node) bool {
	return n.Get("name") != nil && (n.Get("externalName") != nil || n.Get("addresses") != nil && n.Get("ports") != nil)
}
