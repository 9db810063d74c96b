package lint

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"external-services/tools/findings"
	"external-services/tools/helm"
)

// readLayers reads the positions in the files and flags. What cannot be parsed has none.
func (l *linter) readLayers() {
	for _, raw := range l.Chart.Raw {
		if raw.Name == "values.yaml" && l.ChartName != "" {
			l.layers = append(l.layers, newLayer(l.ChartName, "", raw.Data))
			l.layers[0].ofChart = true
		}
	}
	for _, file := range l.Files {
		l.layers = append(l.layers, newLayer(file.Name, "", file.Text))
	}
	for _, setting := range helm.Settings(l.Settings) {
		layer := newLayer("", setting.Flag, nil)
		if root := new(yaml.Node); root.Encode(setting.Values) == nil {
			layer.root = root
		}
		l.layers = append(l.layers, layer)
	}
}

// newLayer reads the first two documents of a text.
func newLayer(file, flag string, text []byte) *layer {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	read := func() *yaml.Node {
		var document yaml.Node
		if err := decoder.Decode(&document); err != nil || len(document.Content) == 0 || document.Content[0].Tag == nullTag {
			return nil
		}
		return document.Content[0]
	}
	l := &layer{file: file, flag: flag, keys: map[*yaml.Node]map[string]pair{}}
	l.root, l.second = read(), read()
	return l
}

// checkParsing finds the files and flags that Helm cannot read; err is its error for the first.
func (l *linter) checkParsing(err error) {
	before := len(l.found)
	for _, file := range l.Files {
		if _, err := helm.Parse(file.Text); err != nil {
			e := readYAMLError(file.Text, err)
			at := findings.Position{File: file.Name, Line: e.line, Column: e.column}
			l.add(at, findings.NotYAML, "", "", findings.Args{"problem": e.problem, "fix": e.fix})
		}
	}
	for _, setting := range helm.Settings(l.Settings) {
		if setting.Err != nil {
			at := findings.Position{Flag: setting.Flag}
			l.add(at, findings.InvalidFlag, "", "", findings.Args{"why": setting.Err.Error(), "fix": flagFix(setting.Flag)})
		}
	}
	if len(l.found) == before { // each by itself is right
		l.helmRefuses(err)
	}
}

func flagFix(flag string) string {
	if strings.HasPrefix(flag, "--set-json ") {
		return `write KEY=JSON, such as commonLabels={"team":"shop"}`
	}
	return "write KEY=VALUE, such as commonLabels.team=shop, with a backslash before a comma of the value"
}

// checkDropped finds what files contain and Helm drops.
func (l *linter) checkDropped() {
	for _, layer := range l.layers {
		if layer.flag != "" || layer.ofChart {
			continue
		}
		if layer.second != nil {
			l.add(layer.at(layer.second), findings.SecondDocument, "", "", nil)
		}
		if layer.root != nil {
			l.checkDuplicates(layer, layer.root, nil)
		}
	}
}

// checkDuplicates finds the keys that a map has twice.
func (l *linter) checkDuplicates(layer *layer, n *yaml.Node, path []any) {
	switch n.Kind {
	case yaml.MappingNode:
		lines := make(map[string]int, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || isMerge(key) {
				continue
			}
			path := append(path, key.Value)
			if line, twice := lines[key.Value]; twice {
				entry, field := subject(path, path, layer.nameOf)
				l.add(layer.at(key), findings.DuplicateKey, entry, field, findings.Args{"line": fmt.Sprint(line)})
			}
			lines[key.Value] = key.Line
			l.checkDuplicates(layer, n.Content[i+1], path)
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			l.checkDuplicates(layer, item, append(path, i))
		}
	}
}

// nameOf is the name of an entry in the layer.
func (l *layer) nameOf(index any) string {
	n, depth, _ := l.walk([]any{"services", index, "name"}, false)
	if depth < 3 || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}
