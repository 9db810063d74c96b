package discover

import (
	"path/filepath"
	"strings"
)

// parse reads a text of a format as nodes, one for each document of YAML.
func parse(text string, format Format) ([]*node, error) {
	var root *node
	var err error
	switch format {
	case YAML:
		return readYAML(text)
	case JSON:
		root, err = readJSON(text)
	case TOML:
		root, err = readTOML(text)
	case XML:
		root, err = readXML(text)
	default:
		root = readLines(text, format)
	}
	if root == nil {
		return nil, err
	}
	return []*node{root}, err
}

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
func (c *collector) tree(path []string, n *node) {
	if n == nil || isMappingEntry(n) {
		return
	}
	switch n.kind {
	case scalar:
		c.scalar(c.newGroup(), path, n, false)
	case sequence:
		c.sequence(c.newGroup(), path, n)
	case mapping:
		g := c.newGroup()
		for _, f := range n.fields {
			c.field(g, path, f)
		}
	}
}

// field collects a field of a map.
func (c *collector) field(g *group, path []string, f field) {
	here := path
	if f.key != xmlText {
		here = below(path, f.key)
	}
	switch f.value.kind {
	case scalar:
		c.scalar(g, here, f.value, false)
	case sequence:
		c.sequence(g, here, f.value)
	case mapping:
		if key, value := namedValue(f.value); value != nil {
			c.scalar(g, below(path, key), value, false)
			return
		}
		c.tree(here, f.value)
	}
}

// sequence collects a list. One of names and values, as the environment of a container, is a group.
func (c *collector) sequence(g *group, path []string, n *node) {
	if isArguments(path) {
		c.arguments(n)
		return
	}
	if host := hostAndNumber(n); host != nil {
		g.add(path, host, false)
		return
	}
	variables := c.newGroup()
	for _, item := range n.items {
		key, value := namedValue(item)
		name, text, isPair := strings.Cut(item.scalarText(), "=")
		switch {
		case value != nil:
			c.scalar(variables, below(path, key), value, false)
		case item.kind == scalar && isPair && isName(name): // as in the environment of Compose
			c.scalar(variables, below(path, name), &node{line: item.line, text: text}, false)
		case item.kind == scalar:
			c.scalar(g, path, item, len(n.items) > 1)
		default:
			c.tree(path, item)
		}
	}
}

// hostAndNumber is HOST:PORT for a list of a host and a port, as in the settings of Python, and else nil.
func hostAndNumber(n *node) *node {
	if len(n.items) != 2 || strings.Contains(n.items[0].scalarText(), ":") {
		return nil
	}
	port, ok := parsePort(n.items[1].scalarText(), 0)
	if _, isHost := parseHost(n.items[0].scalarText()); !isHost || !ok || port == 0 {
		return nil
	}
	return &node{line: n.items[0].line, text: n.items[0].text + ":" + n.items[1].text}
}

// scalar collects a value, or the settings of the file that it holds.
func (c *collector) scalar(g *group, path []string, n *node, isListed bool) {
	switch {
	case len(path) > 0 && isOptions(path[len(path)-1]), strings.HasPrefix(n.text, "#!"):
		c.arguments(n)
		return
	}
	name := ""
	if len(path) > 0 {
		name = path[len(path)-1]
	}
	if n.isMultiline() || holdsFile(name, n.text) {
		c.embedded(path, name, n)
		return
	}
	g.add(path, n, isListed)
}

// holdsFile says whether a value of one line is a file: JSON, or what the name of its key says.
func holdsFile(name, text string) bool {
	format := sniff(text)
	return format == JSON || format != "" && byExtension[filepath.Ext(name)] != ""
}

// embedded collects the settings of a text of several lines: a file in it by its name or its content, or else the
// words of its lines.
func (c *collector) embedded(path []string, name string, n *node) {
	format := formatOf(name, n.text)
	if format == "" {
		format = sniff(n.text)
	}
	shift := func(line int) int { return n.line }
	if n.block {
		shift = func(line int) int { return n.line + line }
	}
	if documents, err := parse(n.text, format); format != "" && err == nil {
		for _, document := range documents {
			document.move(shift)
			c.document(document)
		}
		return
	}
	g := c.newGroup()
	for i, line := range strings.Split(n.text, "\n") {
		if content := strings.TrimSpace(line); content != "" && !strings.HasPrefix(content, "#") && !strings.HasPrefix(content, "//") {
			s := &Setting{Key: strings.Join(path, "."), path: path, Value: content, Line: shift(i + 1), isProse: true}
			g.settings = append(g.settings, s)
		}
	}
}

// move changes the lines of a value and of all below it.
func (n *node) move(to func(line int) int) {
	n.line = to(n.line)
	for _, f := range n.fields {
		f.value.move(to)
	}
	for _, item := range n.items {
		item.move(to)
	}
}

// nameKeys and valueKeys are how maps and elements of XML have a key and its value.
var (
	nameKeys  = []string{"name", "key", "Name", "Key"}
	valueKeys = []string{"value", "connectionString", xmlText, "Value"}
)

// namedValue is the setting of a map with a name and a value, such as {name: DB_HOST, value: db.example}, or
// <add key="Db" value="..."/>.
func namedValue(n *node) (string, *node) {
	for _, nameKey := range nameKeys {
		name := n.get(nameKey)
		if name.scalarText() == "" {
			continue
		}
		for _, valueKey := range valueKeys {
			if value := n.get(valueKey); value != nil && value.kind == scalar {
				return name.text, value
			}
		}
	}
	return "", nil
}

// isMappingEntry says whether a map is an entry of the values of this chart: it is a mapping, and refers to nothing.
func isMappingEntry(n *node) bool {
	return n.get("name") != nil && (n.get("externalName") != nil || n.get("addresses") != nil && n.get("ports") != nil)
}
