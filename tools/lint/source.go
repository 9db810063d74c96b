package lint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"external-services/tools/helm"
)

// What lint reads at most. A release of Helm is kept in a Secret of 1 MiB, so that no
// file that can be installed comes near.
const (
	maxText     = 16 << 20 // bytes of all files together
	maxExpanded = 32 << 20 // bytes of a file with its aliases written out, about
	maxIndexes  = 1 << 20  // sum of the list indexes in all settings, each of which makes a list so long
)

// sizesAllowed refuses what would take too much memory before anything parses it.
func (l *linter) sizesAllowed() bool {
	total := 0
	for i, file := range l.Files {
		total += len(file.Text)
		if total > maxText {
			l.faults = append(l.faults, Finding{
				Position: Position{File: file.Name, Line: 1, Column: 1, layer: i},
				Reason:   fmt.Sprintf("the values files have more than %d MiB", maxText>>20),
				Fix:      "a release has room for 1 MiB: split the list into several releases",
			})
			return false
		}
	}
	indexes := 0
	for _, texts := range [][]string{l.Settings.JSONValues, l.Settings.Values, l.Settings.StringValues} {
		for _, text := range texts {
			for _, match := range index.FindAllStringSubmatch(text, -1) {
				n, err := strconv.Atoi(match[1])
				if indexes += n; err != nil || n > maxIndexes || indexes > maxIndexes {
					l.faults = append(l.faults, Finding{
						Reason: fmt.Sprintf("the list indexes of the flags that set values sum up to more than %d", maxIndexes),
						Fix:    "write long lists in a values file",
					})
					return false
				}
			}
		}
	}
	return true
}

var index = regexp.MustCompile(`\[\s*\+?([0-9]+)`)

// aliases says whether a file may have YAML aliases.
func (l *linter) aliases() bool {
	for _, file := range l.Files {
		if bytes.ContainsRune(file.Text, '&') && bytes.ContainsRune(file.Text, '*') {
			return true
		}
	}
	return false
}

// merge layers the values as Helm does.
func (l *linter) merge() (map[string]any, error) {
	values := l.Settings
	values.ValueFiles = nil
	texts := map[string][]byte{}
	for i, file := range l.Files {
		id := strconv.Itoa(i)
		values.ValueFiles = append(values.ValueFiles, id)
		texts[id] = file.Text
	}
	return helm.MergeTexts(values, texts)
}

// unreadable finds the files and settings that Helm cannot parse; err is its error for
// the first of them.
func (l *linter) unreadable(err error) {
	before := len(l.faults)
	for i, file := range l.Files {
		if _, err := helm.Parse(file.Text); err != nil {
			l.faults = append(l.faults, notYAML(i, file, err))
		}
	}
	if _, err := helm.Settings(l.Settings); err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			flag, reason, _ := strings.Cut(line, ": ")
			fix := "write KEY=VALUE, such as commonLabels.team=shop, with a backslash before a comma of the value"
			if strings.HasPrefix(flag, "--set-json ") {
				fix = `write KEY=JSON, such as commonLabels={"team":"shop"}`
			}
			l.faults = append(l.faults, Finding{
				Position: Position{Flag: flag, layer: len(l.Files)},
				Reason:   reason,
				Fix:      fix,
			})
		}
	}
	if len(l.faults) == before {
		l.refused(err)
	}
}

var (
	yamlLine = regexp.MustCompile(`\bline ([0-9]+): `)

	// Where the parser, and not the scanner below it, finds a mistake, it counts lines
	// from 0.
	yamlParser    = regexp.MustCompile(`did not find expected (<document start>|node content|'-' indicator|key|',' or '[\]}]')`)
	unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)
)

// notYAML says why a file is no map of YAML.
func notYAML(layer int, file File, err error) Finding {
	f := Finding{Position: Position{File: file.Name, Line: 1, Column: 1, layer: layer}, Reason: "is not YAML", Fix: "see https://yaml.org"}
	message := err.Error()
	if _, rest, found := strings.Cut(message, "yaml: "); found {
		message = rest
	}
	if strings.Contains(message, "cannot unmarshal") {
		f.Reason, f.Fix = "is not a map", "write keys at the top of the file, such as services:"
		return f
	}
	if match := yamlLine.FindStringSubmatch(message); match != nil {
		f.Line, _ = strconv.Atoi(match[1]) // digits; where they overflow, the line is a wrong one
		message = strings.Replace(message, match[0], "", 1)
		if yamlParser.MatchString(message) {
			f.Line++
		}
	}
	message = strings.TrimPrefix(message, "error converting YAML to JSON: ")
	f.Reason = "is not YAML: " + oneLine(message)
	f.Fix = ""
	switch lines := bytes.SplitAfter(file.Text, []byte("\n")); {
	case strings.Contains(message, "UTF-8"):
		f.Fix = "write the file in UTF-8"
		for i, line := range lines {
			if !utf8.Valid(line) {
				f.Line, f.Column = i+1, validPrefix(line)+1
				break
			}
		}
	case strings.Contains(message, "control characters"):
		f.Fix = "take the control character out, or write it as an escape in double quotes"
		for i, line := range lines {
			if at := bytes.IndexFunc(line, isControl); at >= 0 {
				f.Line, f.Column = i+1, utf8.RuneCount(line[:at])+1
				break
			}
		}
	case strings.Contains(message, "cannot start any token"), strings.Contains(message, "tab character"):
		for i := max(0, f.Line-2); i < min(len(lines), f.Line+2); i++ {
			indent := lines[i][:len(lines[i])-len(bytes.TrimLeft(lines[i], " \t"))]
			if at := bytes.IndexByte(indent, '\t'); at >= 0 {
				f.Line, f.Column = i+1, at+1
				f.Reason, f.Fix = "is not YAML: a tab stands in the indentation", "indent with spaces"
				break
			}
		}
	case strings.Contains(message, "unknown anchor"):
		f.Fix = "quote a value that begins with *, or define the anchor before it"
		if match := unknownAnchor.FindStringSubmatch(message); match != nil {
			for i, line := range lines {
				if at := bytes.Index(line, []byte("*"+match[1])); at >= 0 {
					f.Line, f.Column = i+1, utf8.RuneCount(line[:at])+1
					break
				}
			}
		}
	case strings.Contains(message, "unsupported value"):
		f.Reason, f.Fix = "holds a number that is none, or an infinite one", "write a number in place of .nan or .inf"
	case strings.Contains(message, "invalid map key"), strings.Contains(message, "Unsupported map key"):
		f.Reason, f.Fix = "has a key that is a list or a map", "quote a key that begins with [, { or {{"
	case strings.Contains(message, "excessive aliasing"):
		f.Fix = "write out what the aliases stand for"
	}
	if f.Fix == "" {
		f.Fix = "check the indentation, the brackets and the quotes around this line"
	}
	return f
}

// validPrefix is how many characters stand before the first byte that is not UTF-8.
func validPrefix(line []byte) int {
	count := 0
	for len(line) > 0 {
		r, size := utf8.DecodeRune(line)
		if r == utf8.RuneError && size == 1 {
			break
		}
		line, count = line[size:], count+1
	}
	return count
}

// isControl says whether YAML refuses a character unescaped.
func isControl(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f || r >= 0x80 && r < 0xa0 && r != 0x85
}

// readLayers reads the positions of all that is given. It also finds the aliases that
// take too much room; every other fault of YAML is for Helm's parser to find.
func (l *linter) readLayers() {
	for _, raw := range l.Chart.Raw {
		if raw.Name == "values.yaml" && l.ChartName != "" {
			l.layers = append(l.layers, layer{file: l.ChartName, root: parsed(raw.Data).root, index: -1})
		}
	}
	for i, file := range l.Files {
		p := parsed(file.Text)
		l.layers = append(l.layers, layer{file: file.Name, root: p.root, index: i, more: p.more, large: map[*yaml.Node]map[string]int{}})
		if p.root == nil || expanded(p.root, map[*yaml.Node]int{}) <= maxExpanded {
			continue
		}
		l.faults = append(l.faults, Finding{
			Position: Position{File: file.Name, Line: 1, Column: 1, layer: i},
			Reason:   fmt.Sprintf("has more than %d MiB with its YAML aliases written out", maxExpanded>>20),
			Fix:      "use fewer aliases of smaller values",
		})
	}
	// a setting that cannot be parsed is a fault of merge
	settings, _ := helm.Settings(l.Settings)
	for i, setting := range settings {
		l.layers = append(l.layers, layer{flag: setting.Flag, root: node(setting.Values), index: len(l.Files) + i})
	}
}

type parsedText struct {
	root *yaml.Node // nil where the text is empty or no YAML
	more *yaml.Node // the second document, where there is one
}

func parsed(text []byte) parsedText {
	var p parsedText
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	if err := decode(decoder, &first); err != nil || len(first.Content) == 0 {
		return p
	}
	p.root = first.Content[0]
	if err := decode(decoder, &second); err == nil && len(second.Content) == 1 && second.Content[0].Tag != "!!null" {
		p.more = second.Content[0]
	}
	return p
}

// decode reads a document. Positions are not worth an end of the program, should the
// parser panic on a text that Helm's parser takes.
func decode(decoder *yaml.Decoder, into *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("read positions: %v", r)
		}
	}()
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// expanded is about how many bytes a node has as JSON, with its aliases written out,
// or more than maxExpanded.
func expanded(n *yaml.Node, known map[*yaml.Node]int) int {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if size, ok := known[n]; ok {
		return size
	}
	anchored := n.Anchor != ""
	if anchored {
		known[n] = 0 // an anchor inside of itself is for Helm's parser to refuse
	}
	size := len(n.Value) + 4
	for _, child := range n.Content {
		size = min(size+expanded(child, known), maxExpanded+1)
	}
	if anchored {
		known[n] = size
	}
	return size
}

// hidden finds what a file holds and Helm does not read.
func (l *linter) hidden() {
	for _, layer := range l.layers {
		if layer.flag != "" || layer.index < 0 {
			continue
		}
		if layer.more != nil {
			l.faults = append(l.faults, Finding{
				Position: layer.at(layer.more),
				Reason:   "is a second YAML document: Helm 3 reads only the first one of a file, and Helm 4 lays them over each other",
				Fix:      "take the line --- out, or give each document a file of its own",
			})
		}
		if layer.root != nil {
			l.twice(layer, layer.root, nil)
		}
	}
}

// twice finds the keys that stand twice in a map.
func (l *linter) twice(layer layer, n *yaml.Node, path []any) {
	switch n.Kind {
	case yaml.MappingNode:
		var seen map[string]*yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || isMerge(key) {
				continue
			}
			first := seen[key.Value]
			if len(n.Content) <= 32 { // a map is not worth making
				for j := 0; j < i && first == nil; j += 2 {
					if other := n.Content[j]; other.Kind == yaml.ScalarNode && other.Value == key.Value {
						first = other
					}
				}
			} else {
				if seen == nil {
					seen = make(map[string]*yaml.Node, len(n.Content)/2)
				}
				seen[key.Value] = key
			}
			if first != nil {
				entry, field := l.subject(append(path, key.Value), layer.root)
				l.faults = append(l.faults, Finding{
					Position: layer.at(key), Entry: entry, Field: field,
					Reason: fmt.Sprintf("stands twice, first in line %d, and Helm drops the first", first.Line),
					Fix:    "keep one of the two",
				})
			}
			l.twice(layer, n.Content[i+1], append(path, key.Value))
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			l.twice(layer, item, append(path, i))
		}
	}
}
